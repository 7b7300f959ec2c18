"""goim: an instant-messaging server that a team hosts itself."""

__version__ = "0.1.0"
