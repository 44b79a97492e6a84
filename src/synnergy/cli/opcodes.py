"""`synnergy opcode`: everything that a program can say."""

from __future__ import annotations

import typer

from synnergy import opcodes
from synnergy.cli.command import command, group
from synnergy.cli.gas import current_schedule
from synnergy.cli.reply import Reply, reply, table
from synnergy.cli.session import Session
from synnergy.vm import catalogue
from synnergy.vm.domain import DomainOpcode

assert opcodes.__all__  # importing it registers every verb


def add_to(app: typer.Typer) -> None:
    listed = group("Opcodes: everything that a program can say.")
    command(listed, "ls")(ls)
    app.add_typer(listed, name="opcode")


def ls(session: Session) -> Reply:
    """List every opcode with its price and the policy action that guards it."""
    del session
    schedule = current_schedule()
    rows = [
        {
            "code": f"0x{opcode.code:06x}",
            "name": opcode.name,
            "gas": schedule.opcode_gas(opcode.name),
            "policy": _policy(opcode),
            "description": opcode.description,
        }
        for opcode in (*catalogue.core(), *catalogue.domain())
    ]
    shown = table(
        ("code", "name", "gas", "policy", "what it does"), [tuple(row.values()) for row in rows]
    )
    return reply({"opcodes": rows}, shown)


def _policy(opcode: catalogue.Opcode) -> str | None:
    """The Cedar action, or that m of n regulators decide; nothing for the machine's own."""
    if not isinstance(opcode, DomainOpcode):
        return None
    return "m-of-n" if opcode.governance else opcode.action
