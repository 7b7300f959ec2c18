"""The wire: what goes over sockets, as data. Nothing here waits, stores or decides."""
