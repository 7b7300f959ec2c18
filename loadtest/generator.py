"""The load generator: a process of its own that reads a plan from stdin and writes what came of it to stdout."""

from __future__ import annotations

import gc
import sys

from loadtest.errors import Refused
from loadtest.idling import Idling
from loadtest.mixing import Mixing
from loadtest.peers.matrix_client import MatrixIdling, MatrixTalking
from loadtest.peers.xmpp_client import XmppIdling, XmppTalking
from loadtest.plan import Failed, Finished
from loadtest.storming import Storming
from loadtest.streaming import Streaming
from loadtest.talking import Talking
from loadtest.work import Boss, Work

WORKS: dict[str, type[Work]] = {
    "talk": Talking,
    "idle": Idling,
    "connect": Storming,
    "stream": Streaming,
    "mixed": Mixing,
    "xmpp talk": XmppTalking,
    "xmpp idle": XmppIdling,
    "matrix talk": MatrixTalking,
    "matrix idle": MatrixIdling,
}


def main() -> None:
    """Run one plan."""
    boss = Boss()
    plan = boss.read_plan()
    gc.disable()  # what is kept are many objects and no cycles
    try:
        boss.tell(Finished(WORKS[plan.work](plan, boss).run()))
        boss.wait_for_end()
    except Refused as error:
        boss.tell(Failed(str(error), error.hint))
    except TimeoutError as error:
        boss.tell(Failed(str(error)))
    except (BrokenPipeError, KeyboardInterrupt):
        sys.stderr.close()  # nobody listens any more


if __name__ == "__main__":
    main()
