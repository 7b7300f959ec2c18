"""The composition root: the only room that names adapters. `storage` opens, `office` puts services together and
works for commands, `node` runs; each is imported by itself, for a command needs little of it."""
