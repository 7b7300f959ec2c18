"""`goimctl consume`: works off what happened in groups, out of Kafka, until it is told to stop."""

from __future__ import annotations

import typer

from goimctl.options import load_settings
from goimctl.output import say
from goimctl.serve import check_free, end_with_the_terminal


def consume(ctx: typer.Context) -> None:
    """Keep the conversation lists of groups in order, from Kafka. Any number of these may run."""
    import asyncio

    from goim.app.kafka import consume as consume_events
    from goim.logs import configure

    settings = load_settings(ctx).settings
    configure(settings.log.level, settings.log.format)
    kafka = settings.kafka
    check_free("IM_KAFKA_CONSUMER_ADDR", kafka.consumer_addr, kafka.consumer_listen)

    def welcome(url: str) -> None:
        say(f"goim consumes {kafka.group_update_topic} from {', '.join(kafka.brokers)}")
        say(f"  how it is  {url}/readyz and {url}/metrics")
        say("  stop it    Ctrl-C")

    end_with_the_terminal()
    asyncio.run(consume_events(settings, welcome))
