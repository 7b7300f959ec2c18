"""What `goimctl demo` shows: people, groups, talk, pictures and a bot, on any running server."""
