"""`synnergy backup` and `synnergy restore`: a home as one file, and a home again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synnergy.cli.command import command
from synnergy.cli.reply import Reply, listing, plain, reply
from synnergy.cli.session import Session
from synnergy.client import backup as backups
from synnergy.client.home import load_genesis

ONE_SIGNER = (
    "never run it beside the node it was taken from: two nodes that sign with one key make two"
    " chains of one"
)
VALIDATOR = (
    "a validator does not go on from a backup: it joins anew, with an empty home; this one can be"
    " read, with `synnergy chain replay`"
)


def add_to(app: typer.Typer) -> None:
    command(app, "backup")(backup)
    command(app, "restore")(restore)


def backup(
    session: Session,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help="Where the backup goes; never overwritten."),
    ],
) -> Reply:
    """Write this home to one file, keys and all, while its node runs or not."""
    made = backups.back_up(session.home, out)
    fields = {
        "height": made.height,
        "app_hash": made.app_hash,
        "chain_id": made.chain_id,
        "file": str(out),
        "bytes": made.bytes,
        "left_out": list(made.left_out),
    }
    shown = {"height": made.height, "app hash": made.app_hash, "bytes": made.bytes}
    notes = [plain(f"not in it: {', '.join(made.left_out)}")] if made.left_out else []
    secret = plain("it holds this home's keys: keep it as you keep them")
    return reply(fields, plain(f"{out} holds {session.home.root}"), listing(shown), *notes, secret)


def restore(
    session: Session,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A backup."),
    ],
) -> Reply:
    """Make the home that a backup holds in --home, which must be empty or absent."""
    home = session.home
    made = backups.restore(file, home)
    fields = {
        "height": made.height,
        "app_hash": made.app_hash,
        "chain_id": made.chain_id,
        "home": str(home.root),
    }
    shown = {"height": made.height, "app hash": made.app_hash, "chain": made.chain_id}
    return reply(
        fields,
        plain(f"{home.root} is restored from {file}"),
        listing(shown),
        plain(VALIDATOR if load_genesis(home.genesis).validators else ONE_SIGNER),
    )
