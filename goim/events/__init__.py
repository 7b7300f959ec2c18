"""Carries durable facts to whoever works on them later, at least once."""
