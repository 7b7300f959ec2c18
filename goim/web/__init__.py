"""The built-in web client: static files, served as they are."""
