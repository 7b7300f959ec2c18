"""The fixtures of the services' tests."""

from __future__ import annotations

from tests.services.reception import make_passwords, make_reception, make_two_receptions

__all__ = ["make_passwords", "make_reception", "make_two_receptions"]
