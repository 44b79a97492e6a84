"""What commands that make a validator's home ask of it."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from synnergy.engines.cometbft.files import URL

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


def _url(value: str) -> str:
    # Refused here, before keys and wallets are made for a node that could not be admitted.
    if value and re.match(URL, value) is None:
        raise typer.BadParameter(f"{value!r} is not the URL of a node's API, https://HOST:PORT")
    return value


Endpoint = Annotated[
    str,
    typer.Option(
        "--endpoint",
        metavar="URL",
        callback=_url,
        help="Where clients reach this node's API, if they may.",
    ),
]
Moniker = Annotated[
    str, typer.Option("--moniker", metavar="NAME", help="What it calls itself to its peers.")
]
