"""`python -m goimctl`: the command by its module, as a supervisor starts its workers."""

from __future__ import annotations

from goimctl.app import main

main()
