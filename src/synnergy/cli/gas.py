"""`synnergy gas`: what everything costs, and that the table is complete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import synnergy
from synnergy import opcodes
from synnergy.cli.command import command, group
from synnergy.cli.reply import Reply, plain, reply, table
from synnergy.cli.session import Session
from synnergy.client.failures import ClientError
from synnergy.client.genesis import GAS_VERSION
from synnergy.gas.schedule import BrokenSchedule, Price, Schedule, ensure_gas_costs, load_schedule
from synnergy.opcodes import reference
from synnergy.vm import catalogue

assert opcodes.__all__  # importing it registers every verb


def add_to(app: typer.Typer) -> None:
    prices = group("Gas: one price for everything, none by default.")
    command(prices, "ls")(ls)
    command(prices, "show")(show)
    command(prices, "check")(check)
    app.add_typer(prices, name="gas")


def current_schedule() -> Schedule:
    """The newest table that this installation has."""
    try:
        return load_schedule(GAS_VERSION)
    except BrokenSchedule as broken:
        raise ClientError("broken_gas_table", str(broken), rule="GAS-1") from None


def ls(session: Session) -> Reply:
    """List every price."""
    del session
    schedule = current_schedule()
    rows = [_row(name, price) for name, price in schedule.rows()]
    shown = table(("name", "gas", "for"), [tuple(row.values()) for row in rows])
    return reply({"version": schedule.version, "prices": rows}, shown)


def show(
    session: Session,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="An opcode, or section.name of another row.")
    ],
) -> Reply:
    """Show one price."""
    del session
    schedule = current_schedule()
    rows = dict(schedule.rows())
    price = rows.get(name) or rows.get(name.upper())
    if price is None:
        raise ClientError("unknown_price", f"no price is called {name}; see `synnergy gas ls`")
    known = name if name in rows else name.upper()
    return reply(
        {**_row(known, price), "version": schedule.version},
        plain(f"{known}: {price.gas:,} gas. {price.description}"),
    )


def check(session: Session) -> Reply:
    """Check that every opcode has a price and a description, and that reference pages are current.

    Names every offender, and fails if there is one.
    """
    del session
    schedule = current_schedule()
    every = (*catalogue.core(), *catalogue.domain())
    problems = ensure_gas_costs(schedule, [opcode.name for opcode in every])
    problems += [
        f"opcode {opcode.name} has no description" for opcode in every if not opcode.description
    ]
    problems += _stale_pages(schedule)
    fields: dict[str, Any] = {
        "version": schedule.version,
        "opcodes": len(every),
        "problems": problems,
    }
    if not problems:
        summary = f"gas table {schedule.version} prices all {len(every)} opcodes"
        return reply({**fields, "ok": True}, plain(summary))
    code, message = "gas_check_failed", "; ".join(problems)
    fields |= {"ok": False, "error": {"code": code, "message": message, "rule": "GAS-2"}}
    return Reply(fields, tuple(plain(problem) for problem in problems), (code, message))


def _stale_pages(schedule: Schedule) -> list[str]:
    """Reference pages that are not what the declarations make; an installed package has none."""
    folder = Path(synnergy.__file__).resolve().parents[2] / "docs" / "reference"
    if not folder.is_dir():
        return []
    return [
        f"docs/reference/{name} is not current; run `make gen`"
        for name, content in reference.pages(schedule).items()
        if not (folder / name).is_file() or (folder / name).read_text("utf-8") != content
    ]


def _row(name: str, price: Price) -> dict[str, Any]:
    return {"name": name, "gas": price.gas, "description": price.description}
