"""What the codes of MySQL, MariaDB and TiDB mean to goim."""

from __future__ import annotations

from asyncmy.errors import MySQLError

from goim.errors import StoreDown
from goim.stores.base import Taken


class Conflict(StoreDown):
    """The database gave the work up for somebody else's sake, and nothing of it stands: do it again."""


class Lost(StoreDown):
    """The connection was lost; what was under way may or may not have been done."""


_NO_DATABASE = 1049
_NO_TLS = 3159
_UNIQUE = {1062, 1586}

# Deadlock, waited too long for a lock; a group of servers did not take it (MySQL); TiDB: write conflict, schema changed
# or transaction to be tried again.
_CONFLICT = {1205, 1213, 3101, 8002, 8022, 8028, 9007}

# What the machine, the disk, the operator or the network did; anything else is our own mistake and keeps its own face.
_TROUBLE = {
    1016,  # cannot open file
    1021,  # disk full
    1026,  # error writing file
    1030,  # error from the storage engine
    1037,
    1038,
    1041,  # out of memory
    1040,  # too many connections
    1044,
    1045,  # access denied
    1105,  # TiDB: whatever has no code of its own
    1114,  # table full: the disk, or its tablespace
    1129,  # host blocked
    1142,  # may not use this table
    1180,
    1181,  # error during COMMIT, ROLLBACK
    1203,  # too many connections of this user
    1206,  # too many locks
    1226,  # used up what the user may
    1227,  # may not do this
    1290,  # read-only
    1317,  # interrupted
    1614,  # the transaction branch was rolled back
    1665,  # a binary log of statements cannot hold what READ COMMITTED does
    1792,  # read-only transaction
    1820,  # the password has expired
    1836,  # read-only
    1969,  # took too long (MariaDB)
    3024,  # took too long (MySQL)
    3032,  # taken offline by its operator
    3100,  # the group did not take it
    8027,  # TiDB: the schema is out of date
    8229,
    9001,  # TiDB: its parts do not reach each other
    9002,
    9003,
    9004,
    9005,
    9011,
    9012,
    9013,
}
# The server ends this connection: it is shutting down, was told to, or heard nothing for long.
_ENDS = {1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 4031}


def code_of(error: BaseException) -> int:
    """The code of an error, 0 if it has none."""
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def text_of(error: BaseException) -> str:
    """What the server says."""
    return str(error.args[1] if len(error.args) > 1 else error)


def was_answered(error: BaseException) -> bool:
    """Whether an error is the server's answer, after which the connection is good for the next question."""
    code = code_of(error)
    return isinstance(error, MySQLError) and code >= 1000 and not 2000 <= code < 3000 and code not in _ENDS


def refused(error: Exception, where: str) -> Exception:
    """`told` of an error while one logs in: whatever the server has against it, it is not to be had now."""
    known = told(error)
    if known is not error or not isinstance(error, MySQLError):
        return known
    code = code_of(error)
    way_out = "; add ?tls=true to the DSN, or ?tls=skip-verify if nobody signed its certificate"
    return StoreDown(f"{where} lets nobody in ({code}): {text_of(error)}{way_out if code == _NO_TLS else ''}")


def told(error: Exception) -> Exception:
    """The error as callers know it."""
    if not isinstance(error, MySQLError):
        return Lost(f"the database did not answer: {error!r}") if isinstance(error, OSError) else error
    code, text = code_of(error), text_of(error)
    if code in _UNIQUE:
        return Taken(text)
    if code in _CONFLICT:
        return Conflict(f"the database refused it for now ({code}): {text}")
    if code == _NO_DATABASE:
        return StoreDown(f"{text}; make it: CREATE DATABASE … CHARACTER SET utf8mb4")
    if code in _TROUBLE:
        return StoreDown(f"the database is in trouble ({code}): {text}")
    if not was_answered(error):
        return Lost(f"the database cannot be reached ({code}): {text}")
    return error
