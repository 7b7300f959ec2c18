"""The same work for other servers, each by its own protocol, beside goim on the same machine."""
