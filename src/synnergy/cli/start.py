"""`synnergy init` and `synnergy start`: a ledger's beginning, and its node."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from synnergy.cli.command import command
from synnergy.cli.node_options import (
    LOCAL_ONLY,
    MONIKER,
    P2P,
    RPC,
    Endpoint,
    External,
    Moniker,
    P2p,
    Rpc,
)
from synnergy.cli.reply import Reply, listing, plain, reply
from synnergy.cli.session import Session
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.genesis import FirstValidator, NewLedger, begin
from synnergy.client.home import Home, load_genesis, resolve_home
from synnergy.engines.cometbft.files import SETTINGS_FORMAT, NodeSettings
from synnergy.state.store import DEFAULT_MAP_BYTES
from synnergy.tensor.kernels.runtime import MAX_THREADS
from synnergy.tensor.kernels.selection import chosen

ENGINES = ("solo", "cometbft")
LISTEN = "127.0.0.1:7070"
SMALLEST_MAP = 1 << 20


def add_to(app: typer.Typer) -> None:
    command(app, "init")(init)
    command(app, "start")(start)


def init(
    session: Session,
    dev: Annotated[
        bool,
        typer.Option(
            "--dev",
            help="For local development: no passphrases, and a funded, registered publisher and"
            " consumer.",
        ),
    ] = False,
    regulator: Annotated[
        list[str] | None,
        typer.Option(
            "--regulator",
            metavar="ADDR",
            help="Another regulator's address, beside this home's own; may be repeated.",
        ),
    ] = None,
    threshold: Annotated[
        int,
        typer.Option("--threshold", metavar="M", min=1, help="How many regulators must agree."),
    ] = 1,
    jurisdiction: Annotated[
        str, typer.Option("--jurisdiction", metavar="XX", help="Where the first wallets are.")
    ] = "GB",
    name: Annotated[
        str,
        typer.Option(
            "--name", metavar="N", help="What the chain is called: 1 to 17 of a-z, 0-9, '-'."
        ),
    ] = "synnergy",
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            metavar="NAME",
            help="solo: this node makes the blocks; cometbft: it is a network's first validator.",
        ),
    ] = "solo",
    p2p: P2p = None,
    rpc: Rpc = None,
    external: External = None,
    endpoint: Endpoint = None,
    moniker: Moniker = None,
) -> Reply:
    """Begin a ledger: wallets of operator and regulator, the node's keys, genesis.json.

    The options --p2p to --moniker are for --engine cometbft.
    """
    home = session.home
    first = None
    if engine in ENGINES[1:]:
        settings = NodeSettings(
            SETTINGS_FORMAT,
            moniker=moniker or MONIKER,
            p2p=p2p or P2P,
            rpc=rpc or RPC,
            external=external or "",
        )
        first = FirstValidator(settings, endpoint or "")
    elif engine != ENGINES[0]:
        raise WrongUse("bad_engine", f"--engine is {' or '.join(ENGINES)}, not {engine}")
    wanted = NewLedger(name, dev, tuple(regulator or ()), threshold, jurisdiction, first)
    started = begin(home, wanted, session.ask)
    addresses = {role: wallet.address for role, wallet in started.wallets.items()}
    fields = {
        "chain_id": started.chain_id,
        "home": str(home.root),
        "genesis": str(home.genesis),
        "wallets": addresses,
        "local_only": dev,
    }
    notes = [plain(LOCAL_ONLY)] if dev else []
    if dev:
        session.say(LOCAL_ONLY)
    return reply(
        fields,
        plain(f"the ledger {started.chain_id} is ready in {home.root}"),
        listing(addresses),
        *notes,
        plain("next: synnergy start"),
    )


def start(
    session: Session,
    listen: Annotated[
        str,
        typer.Option(
            "--listen", metavar="HOST:PORT", help="Where to serve; port 0 takes any free one."
        ),
    ] = LISTEN,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="NAME",
            help="solo or cometbft; a ledger's genesis says which, and another is refused.",
        ),
    ] = None,
    state_sync: Annotated[
        bool,
        typer.Option(
            "--state-sync",
            help="Begin with a snapshot of the other members', where this validator has no blocks"
            " yet; needs nothing but their APIs and the genesis.",
        ),
    ] = False,
    map_size: Annotated[
        int,
        typer.Option(
            "--map-size",
            metavar="BYTES",
            min=SMALLEST_MAP,
            help="The most that the store may hold: address space, not disk.",
        ),
    ] = DEFAULT_MAP_BYTES,
    tensor_threads: Annotated[
        int,
        typer.Option(
            "--tensor-threads",
            metavar="N",
            min=1,
            max=MAX_THREADS,
            help="How many threads compute one inference; the results are the same.",
        ),
    ] = 1,
) -> Reply:
    """Run this home's node in the foreground until SIGTERM or Ctrl-C."""
    # The server's libraries are slow to import, and no other command needs them.
    from synnergy.api.server import EngineEnded, ServeError, serve

    home = resolve_home(session.settings.home)
    genesis = load_genesis(home.genesis)
    _check_engine(engine, home, of_network=bool(genesis.validators))

    def ready(url: str) -> None:
        _ready(url, home, genesis.local_only)

    try:
        serve(
            home.root,
            listen,
            ready,
            map_size,
            state_sync=state_sync,
            tensor_threads=tensor_threads,
        )
    except EngineEnded as ended:
        raise ClientError("engine_ended", str(ended)) from None
    except ServeError as error:
        raise ClientError("cannot_start", str(error)) from None
    raise typer.Exit(0)


def _check_engine(engine: str | None, home: Home, *, of_network: bool) -> None:
    """Refuse an engine that is not the one of the home's genesis."""
    if engine not in (None, *ENGINES):
        raise WrongUse("bad_engine", f"--engine is {' or '.join(ENGINES)}, not {engine}")
    if engine == "cometbft" and not of_network:
        raise ClientError(
            "wrong_engine",
            f"{home.genesis} names a signer and no validators: it is for --engine solo;"
            " `synnergy init --engine cometbft` and `synnergy testnet` begin networks",
        )
    if engine == "solo" and of_network:
        raise ClientError(
            "wrong_engine", f"{home.genesis} names validators: it is for --engine cometbft"
        )


def _ready(url: str, home: Home, local_only: bool) -> None:
    note = " (LOCAL DEVELOPMENT ONLY)" if local_only else ""
    sys.stdout.write(
        f"synnergy is ready at {url} with the ledger in {Path(home.root)}{note};"
        f" models run on {chosen().described()}\n"
    )
    sys.stdout.flush()
