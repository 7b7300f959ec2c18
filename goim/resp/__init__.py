"""Speaks with Redis: connections, where its servers are, and questions to them."""
