"""`synnergy contract`, second half: deploying, calling and showing contracts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from synnergy.cli.command import From, command
from synnergy.cli.gas import current_schedule
from synnergy.cli.ledger import committed
from synnergy.cli.reply import Reply, listing, plain, reply
from synnergy.cli.session import Session
from synnergy.client import verbs
from synnergy.client.arguments import argument_block
from synnergy.client.contract_calls import CallInputs, call_with_input
from synnergy.client.failures import WrongUse
from synnergy.client.programs import read_program

_HEX = re.compile(r"(0[xX])?(([0-9a-fA-F]{2})*)")

Contract = Annotated[str, typer.Argument(metavar="CONTRACT", help="A contract's address.")]


def add_to(contracts: typer.Typer) -> None:
    """Add these commands to the contracts' group."""
    command(contracts, "deploy")(deploy)
    command(contracts, "call")(call)
    command(contracts, "show")(show)
    command(contracts, "encode")(encode)


def deploy(
    session: Session,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A program: text (.snasm), or its bytes as `contract assemble` writes them.",
        ),
    ],
    sender: From,
) -> Reply:
    """Put a program on the ledger under an address of its own."""
    code = read_program(file, current_schedule())
    sent = session.sender(sender).send(verbs.contract_deploy(code=code))
    address = sent.value.contract
    fields = {"contract": address, **committed(sent), "size": len(code)}
    return reply(fields, plain(f"contract {address}, deployed at height {sent.height}"))


def call(
    session: Session,
    contract: Contract,
    data: Annotated[
        str, typer.Option("--input", metavar="HEX", help="What the contract reads, in hex.")
    ],
    sender: From,
    gas_limit: Annotated[
        int | None,
        typer.Option(
            "--gas-limit",
            metavar="G",
            min=1,
            help="The most gas to use; without it the call is tried for a quote first.",
        ),
    ] = None,
    amount: Annotated[
        int, typer.Option("--amount", metavar="A", min=0, help="Moved to the contract first.")
    ] = 0,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="The model that --attach is made for."),
    ] = None,
    attach: Annotated[
        Path | None,
        typer.Option(
            "--attach",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Attachment 0: an input (.csv, .npy, .npz, .json) the contract gives to a model.",
        ),
    ] = None,
) -> Reply:
    """Run a contract, and say what it returned."""
    target = session.address(contract)
    session.node.contract(target)  # An address without one is said so before anything is signed.
    if (model is None) != (attach is None):
        raise WrongUse("bad_attachment", "--model and --attach go together")
    given: CallInputs | None = None
    if model is not None and attach is not None:
        given = CallInputs(session.model(model), attach)
    asked = verbs.contract_call(
        contract=target,
        input=parse_hex(data),
        amount=amount,
        gas=None,
        catch=False,
        spends=amount,
    )
    sent = call_with_input(session.home, session.sender(sender), asked, given, gas_limit)
    output = sent.value.output.hex()
    fields = {
        "output": output,
        **committed(sent),
        "contract": target,
        "receipts": list(sent.receipts),
    }
    shown = {"output": output or "(nothing)", "gas used": sent.gas_used, "height": sent.height}
    if sent.receipts:
        shown["receipts"] = ", ".join(sent.receipts)
    return reply(fields, listing(shown))


def show(session: Session, contract: Contract) -> Reply:
    """Show who answers for a contract, its balance, and which program it runs."""
    found = session.node.contract(session.address(contract))
    fields = {
        "contract": found.address,
        "deployer": found.deployer,
        "creator": found.creator,
        "program": found.program,
        "size": found.size,
        "height": found.height,
        "balance": found.balance,
        "frozen": found.frozen,
    }
    return reply(fields, listing(fields))


def encode(
    session: Session,
    verb: Annotated[str, typer.Argument(metavar="VERB", help="A verb, as `opcodes ls` names it.")],
    arguments: Annotated[
        str, typer.Argument(metavar="JSON", help="Its arguments; bytes in hex: '{\"amount\": 5}'.")
    ],
) -> Reply:
    """Write a verb's argument block in hex, for a contract that takes one as its input."""
    del session
    block = argument_block(verb, arguments).hex()
    return reply({"arguments": block}, plain(block))


def parse_hex(text: str) -> bytes:
    """Bytes written in hex, with or without 0x; WrongUse for anything else."""
    found = _HEX.fullmatch(text)
    if found is None:
        raise WrongUse("bad_hex", f"--input takes pairs of hex digits; {text[:40]!r} is not that")
    return bytes.fromhex(found[2])
