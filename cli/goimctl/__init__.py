"""goimctl: the command line of goim, one file a command group."""
