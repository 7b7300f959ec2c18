"""The composition root: the only room that names adapters. `storage` opens, `assembly` connects, `node` runs."""

from __future__ import annotations

from goim.app.assembly import Assembly
from goim.app.databases import Database
from goim.app.kafka import consume, open_consumer
from goim.app.node import Node, open_node, open_office, serve, serve_as, server_for
from goim.app.storage import Stores, open_databases, open_stores

__all__ = [
    "Assembly",
    "Database",
    "Node",
    "Stores",
    "consume",
    "open_consumer",
    "open_databases",
    "open_node",
    "open_office",
    "open_stores",
    "serve",
    "serve_as",
    "server_for",
]
