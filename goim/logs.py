"""Sends every log line, ours and the libraries', to one place in one form, with the tokens taken out."""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import Literal, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

_HIDDEN = "***"
_START = r"(?<![\w-])"  # only where a word begins: lines may be long and written by strangers
_NAME = rf"{_START}([\w-]*(?:token|password|passwd|secret|signature|authorization)|sig)"
_IS_SECRET = re.compile(_NAME, re.IGNORECASE)
_QUOTE = r"\\*[\"']"  # JSON inside JSON comes with backslashes
_SECRETS = [
    # a JWT, wherever it stands
    (re.compile(rf"{_START}eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), _HIDDEN),
    # header and subprotocol
    (re.compile(r"\b(bearer)([ .]|%20)[\w.~+/=-]+", re.IGNORECASE), rf"\1\2{_HIDDEN}"),
    # URL, form, field of a log line
    (re.compile(rf"{_NAME}=(?!{_QUOTE})[^\s&\"'\\;,)\]}}>]+", re.IGNORECASE), rf"\1={_HIDDEN}"),
    # JSON and repr
    (
        re.compile(rf"{_NAME}({_QUOTE})?(=|: ?)(?P<quote>{_QUOTE})(?:(?!(?P=quote)).)*(?P=quote)", re.IGNORECASE),
        rf"\1\2\3\g<quote>{_HIDDEN}\g<quote>",
    ),
]


def scrub(line: str) -> str:
    """`line` without tokens, passwords and whatever else is a secret by its form or by the name before it."""
    for pattern, replacement in _SECRETS:
        line = pattern.sub(replacement, line)
    return line


def _scrub_fields(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Each field by itself: the colours of a terminal would come between a name and its value."""
    for name, value in event.items():
        if _IS_SECRET.fullmatch(name):
            event[name] = _HIDDEN
        elif isinstance(value, str):
            event[name] = scrub(value)
    return event


class ScrubbingFormatter(ProcessorFormatter):
    """Scrubs the finished line: message, fields and traceback alike."""

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
]


def configure(
    level: str = "info",
    style: Literal["auto", "text", "json"] = "auto",
    *,
    stream: TextIO | None = None,
    worker: int | None = None,
) -> None:
    """From here on structlog and `logging` write lines of at least `level` to `stream` (stderr), each with the number
    of the worker that this process is, if it is one.

    `auto` is text on a terminal and JSON, one object a line, elsewhere. uvicorn must be told `log_config=None`.
    """
    target = stream or sys.stderr
    as_text = style == "text" or (style == "auto" and target.isatty())
    renderers = _text(colors=target.isatty() and not os.environ.get("NO_COLOR")) if as_text else _json()
    handler = logging.StreamHandler(target)
    processors: list[Processor] = [ProcessorFormatter.remove_processors_meta, _scrub_fields, *renderers]
    shared = _SHARED if worker is None else [*_SHARED, _says_worker(worker)]
    handler.setFormatter(ScrubbingFormatter(foreign_pre_chain=shared, processors=processors))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _says_worker(number: int) -> Processor:
    def say(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["worker"] = number
        return event

    return say


def _text(*, colors: bool) -> list[Processor]:
    # The plain traceback: structlog's usual one shows local variables, and those hold message bodies.
    show = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=show, timestamp_key="time")]


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
