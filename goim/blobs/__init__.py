"""Where the bytes of files are: a local folder, an S3-compatible service, or memory."""
