"""`synnergy licence`: what was bought, and what is left of it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from synnergy.cli.command import command, group
from synnergy.cli.reply import Reply, listing, reply, table
from synnergy.cli.session import Session
from synnergy.client import replies
from synnergy.client.references import check_digest


def add_to(app: typer.Typer) -> None:
    licences = group("Licences: calls that were bought.")
    command(licences, "ls")(ls)
    command(licences, "show")(show)
    app.add_typer(licences, name="licence")


def ls(
    session: Session,
    who: Annotated[
        str, typer.Argument(metavar="WHO", help="The licensee: a wallet's name or an address.")
    ],
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="Only for this model.")
    ] = None,
) -> Reply:
    """List the licences of a wallet."""
    identifier = session.model_id(model).hex() if model is not None else None
    found = session.node.licences(session.address(who), identifier)
    rows = [(entry.id, entry.status, _left(entry), entry.escrow) for entry in found]
    fields = {"licences": [_fields(entry) for entry in found]}
    return reply(fields, table(("licence", "status", "left", "escrow"), rows))


def show(
    session: Session,
    licence: Annotated[str, typer.Argument(metavar="LICENCE", help="64 hex digits.")],
) -> Reply:
    """Show a licence."""
    found = session.node.licence(check_digest(licence, "a licence's id").hex())
    return reply(_fields(found), listing(_fields(found)))


def _left(licence: replies.Licence) -> str:
    """What is left: calls, or periods that no call was made in."""
    if licence.period > 0:
        return f"{licence.periods - licence.settled:,} periods"
    return f"{licence.calls - licence.used:,} calls"


def _fields(licence: replies.Licence) -> dict[str, Any]:
    return {"licence": licence.id, **msgspec.structs.asdict(licence)}
