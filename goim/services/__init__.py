"""What goim does, one file a noun: may they? — store — tell."""
