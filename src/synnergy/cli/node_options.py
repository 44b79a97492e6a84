"""What commands that make a validator's home ask of it."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from synnergy.engines.cometbft.files import ADDRESS, PEER, URL, port_of

P2P = "0.0.0.0:26656"
RPC = "127.0.0.1:26657"
MONIKER = "validator"
LOCAL_ONLY = (
    "LOCAL DEVELOPMENT ONLY: this ledger's keys are not encrypted; it is worth nothing and proves"
    " nothing to anyone else"
)

# All are refused here, before keys and wallets are made for a node that could not be.


def _matches(pattern: str, value: str) -> bool:
    return re.match(pattern, value) is not None and port_of(value) is not None


def _address(value: str | None) -> str | None:
    if value and not _matches(ADDRESS, value):
        raise typer.BadParameter(f"{value!r} is not HOST:PORT, as in 127.0.0.1:26656")
    return value


def _url(value: str | None) -> str | None:
    if value:
        _check_url(value)
    return value


def _urls(values: list[str] | None) -> list[str] | None:
    for value in values or ():
        _check_url(value)
    return values


def _check_url(value: str) -> None:
    if not _matches(URL, value):
        raise typer.BadParameter(f"{value!r} is not the URL of a node's API, https://HOST:PORT")


def _peers(value: str | None) -> str | None:
    if value is None:
        return None
    peers = named_peers(value)
    for peer in peers:
        if not _matches(PEER, peer):
            raise typer.BadParameter(
                f"{peer!r} is not NODE_ID@HOST:PORT, a node id being 40 hex digits"
            )
    if not peers:
        raise typer.BadParameter("no peer is named, and a node that joins needs one")
    return value


def named_peers(value: str) -> tuple[str, ...]:
    """The peers in what --peers was given."""
    return tuple(peer.strip() for peer in value.split(",") if peer.strip())


P2p = Annotated[
    str | None,
    typer.Option(
        "--p2p",
        metavar="HOST:PORT",
        callback=_address,
        help=f"Where it listens for other nodes; {P2P} at first.",
    ),
]
Rpc = Annotated[
    str | None,
    typer.Option(
        "--rpc",
        metavar="HOST:PORT",
        callback=_address,
        help=f"Where its CometBFT answers, to this machine; {RPC} at first.",
    ),
]
External = Annotated[
    str | None,
    typer.Option(
        "--external",
        metavar="HOST:PORT",
        callback=_address,
        help="Where other nodes reach it, if not at --p2p.",
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        callback=_url,
        help="Where clients reach this node's API, if they may.",
    ),
]
Peers = Annotated[
    str | None,
    typer.Option(
        "--peers",
        metavar="ID@HOST:PORT,…",
        callback=_peers,
        help="Nodes of the network to stay connected to, at first one or more; one suffices, more"
        " are better.",
    ),
]
Members = Annotated[
    list[str] | None,
    typer.Option(
        "--member",
        metavar="URL",
        callback=_urls,
        help="With --state-sync: the API of a member that vouches for snapshots, else those of the"
        " genesis; may be repeated.",
    ),
]
Moniker = Annotated[
    str | None,
    typer.Option(
        "--moniker",
        metavar="NAME",
        help=f"What it calls itself to its peers; {MONIKER} at first.",
    ),
]
