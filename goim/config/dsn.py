"""Reads where a database is, in Go's form or as a URL, and writes it again without its password."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

_FORMS = 'must look like "user:password@tcp(host:3306)/database" or "mysql://user:password@host:3306/database"'
_URL = re.compile(r"(?:mysql|mariadb|tidb)(?:\+\w+)?://")
_GO = re.compile(r"(?:(?P<login>.*)@)?(?:(?P<net>tcp|unix)(?:\((?P<place>[^()]*)\))?)?", re.DOTALL)
_URL_PASSWORD = re.compile(r"(?<=://)(?P<user>[^:@/]*):.*@", re.DOTALL)
_GO_PASSWORD = re.compile(r"\A(?P<user>[^:@/]*):.*@(?=\w*\()", re.DOTALL)


class Dsn(Struct, frozen=True, kw_only=True):
    """A MySQL-family database; with a `socket` host and port mean nothing."""

    host: str = "127.0.0.1"
    port: int
    user: str = ""
    password: str = ""
    database: str
    socket: str | None = None
    params: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Dsn({self.masked()!r})"

    def masked(self) -> str:
        """Go's form of it, fit to be shown."""
        login = (self.user + (":***" if self.password else "") + "@") if self.user or self.password else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"unix({self.socket})" if self.socket else f"tcp({host}:{self.port})"
        return f"{login}{place}/{self.database}"


def parse_dsn(text: str, *, default_port: int = 3306) -> Dsn:
    """Read a DSN; ValueError (which never holds the password) if it is neither form."""
    return _parse_url(text, default_port) if _URL.match(text) else _parse_go(text, default_port)


def _parse_go(text: str, default_port: int) -> Dsn:
    """[user[:password]@][net[(place)]]/database[?params], where the password may hold '@', ':' and '/' as Go allows."""
    head, slash, tail = text.rpartition("/")
    database, _, query = tail.partition("?")
    found = _GO.fullmatch(head)
    if not (slash and database and found):
        raise ValueError(_FORMS)
    user, _, password = (found["login"] or "").partition(":")
    login = {"user": user, "password": password, "database": unquote(database)}
    params = dict(parse_qsl(query, keep_blank_values=True))
    if found["net"] == "unix":
        if not found["place"]:
            raise ValueError(_FORMS)
        return Dsn(**login, port=default_port, socket=found["place"], params=params)
    host, port = _host_port(found["place"] or "", default_port)
    return Dsn(**login, host=host, port=port, params=params)


def _parse_url(text: str, default_port: int) -> Dsn:
    try:
        url = urlsplit(text)
        port = url.port or default_port
    except ValueError as error:
        raise ValueError(_FORMS) from error
    database = unquote(url.path.removeprefix("/"))
    if not database:
        raise ValueError(_FORMS)
    return Dsn(
        host=url.hostname or "127.0.0.1",
        port=port,
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        database=database,
        params=dict(parse_qsl(url.query, keep_blank_values=True)),
    )


def _host_port(place: str, default_port: int) -> tuple[str, int]:
    found = re.fullmatch(r"(\[[^\]]+\]|[^:\[\]]*)(?::(\d{1,5}))?", place)
    if found is None or int(found[2] or 0) > 65535:
        raise ValueError(_FORMS)
    return found[1].strip("[]") or "127.0.0.1", int(found[2] or default_port)


def mask_url(url: str) -> str:
    """A URL, or Go's form of one, without its password, fit to be shown."""
    return _GO_PASSWORD.sub(r"\g<user>:***@", _URL_PASSWORD.sub(r"\g<user>:***@", url))
