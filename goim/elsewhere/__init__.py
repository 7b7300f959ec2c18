"""Who is connected to other nodes."""
