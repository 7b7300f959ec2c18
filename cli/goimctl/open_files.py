"""How many files this process may have open: every connection is one."""

from __future__ import annotations

_ENOUGH = 1_048_576


def limit() -> int | None:
    """What a server gets: it takes all that it may. None where there is no such limit (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)


def take_all() -> None:
    """Raise the limit as far as it goes without asking the administrator; the usual 1024 is soon used up."""
    wanted = limit()
    if wanted is None:
        return
    import contextlib
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS has a further limit, and then keeps the old one
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
