"""The things goim is about: frozen structs and rules that need no database, socket or clock."""
