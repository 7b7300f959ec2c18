"""Carries what happens on one node to the others, at most once."""
