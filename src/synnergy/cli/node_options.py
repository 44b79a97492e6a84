"""What commands that make a validator's home ask of it."""

from __future__ import annotations

from typing import Annotated

import typer

P2P = "0.0.0.0:26656"
RPC = "127.0.0.1:26657"
MONIKER = "validator"

P2p = Annotated[
    str, typer.Option("--p2p", metavar="HOST:PORT", help="Where it listens for other nodes.")
]
Rpc = Annotated[
    str,
    typer.Option(
        "--rpc", metavar="HOST:PORT", help="Where its CometBFT answers, to this machine."
    ),
]
External = Annotated[
    str,
    typer.Option(
        "--external", metavar="HOST:PORT", help="Where other nodes reach it, if not at --p2p."
    ),
]
Endpoint = Annotated[
    str,
    typer.Option(
        "--endpoint", metavar="URL", help="Where clients reach this node's API, if they may."
    ),
]
Moniker = Annotated[
    str, typer.Option("--moniker", metavar="NAME", help="What it calls itself to its peers.")
]
