"""The settings of a node: read once, checked, frozen, each value with the place it came from."""

from __future__ import annotations

from goim.config.dsn import Dsn, parse_dsn
from goim.config.keys import Key, all_keys, as_toml
from goim.config.load import Loaded, Source, load
from goim.config.secret import load_or_make_secret, secret_file, signing_secrets, weakness
from goim.config.settings import Settings
from goim.config.values import Address

__all__ = [
    "Address",
    "Dsn",
    "Key",
    "Loaded",
    "Settings",
    "Source",
    "all_keys",
    "as_toml",
    "load",
    "load_or_make_secret",
    "parse_dsn",
    "secret_file",
    "signing_secrets",
    "weakness",
]
