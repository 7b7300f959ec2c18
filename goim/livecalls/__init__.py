"""Calls that ring or run now: shared by all nodes, forgotten soon after they are over."""
