"""Every statement of the SQL stores that is text, as all databases are told it."""

from __future__ import annotations

import importlib
from pathlib import Path

STORES = Path(__file__).parents[2] / "goim/stores"
FILES = sorted(path for path in STORES.glob("sql*.py") if not path.stem.startswith("sqlite"))
STATEMENTS = {
    f"{path.stem}.{name}": text.strip()
    for path in FILES
    for name, text in vars(importlib.import_module(f"goim.stores.{path.stem}")).items()
    if name.isupper() and isinstance(text, str)
}
