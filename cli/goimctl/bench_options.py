"""What a load is made of, as options: of `goimctl bench`, and of the comparison with other servers."""

from __future__ import annotations

from typing import Annotated

import typer

Senders = Annotated[int, typer.Option(help="Pairs of people who talk.", metavar="N", min=1)]
Window = Annotated[int, typer.Option(help="Messages of each sender under way.", metavar="N", min=1)]
Rate = Annotated[float, typer.Option(help="Instead: so many messages a second in all.", metavar="N", min=0)]
Groups = Annotated[int, typer.Option(help="group: how many.", metavar="N", min=1)]
Size = Annotated[int, typer.Option(help="group: members of each.", metavar="N", min=2)]
Online = Annotated[float, typer.Option(help="group: share of members who are connected.", metavar="N", min=0, max=1)]
Connections = Annotated[int, typer.Option(help="How many connect, where nobody talks.", metavar="N", min=2)]
Seconds = Annotated[float, typer.Option(help="Measured time.", metavar="N", min=0.1)]
Warmup = Annotated[float, typer.Option(help="Time under load before that.", metavar="N", min=0)]
