"""The terminal client: what `goimctl chat` is made of, from the wire up to the screen."""
