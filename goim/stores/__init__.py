"""What must survive: the ports (base), their SQL adapters and their in-memory twins."""
