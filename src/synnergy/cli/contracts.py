"""`synnergy contract`: programs to read and write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synnergy.cli import contract_calls
from synnergy.cli.command import command, group
from synnergy.cli.gas import current_schedule
from synnergy.cli.reply import Reply, plain, reply
from synnergy.cli.session import Session
from synnergy.client.failures import ClientError, refused
from synnergy.client.home import read_file, write_file
from synnergy.client.programs import BadAssembly, assemble_text, program_in
from synnergy.rejected import Rejected
from synnergy.vm.disassembly import disassemble as text_of


def add_to(app: typer.Typer) -> None:
    contracts = group("Contracts: programs that the ledger keeps.")
    command(contracts, "assemble")(assemble)
    command(contracts, "disassemble")(disassemble)
    contract_calls.add_to(contracts)
    app.add_typer(contracts, name="contract")


def assemble(
    session: Session,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.snasm", exists=True, dir_okay=False, help="A program's assembly text."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where its bytes go.")],
) -> Reply:
    """Assemble a program and verify it as the ledger would."""
    del session
    try:
        content = assemble_text(read_file(file), str(file), current_schedule())
    except BadAssembly as bad:
        error = {"code": bad.code, "message": bad.message, **bad.details}
        shown = (plain(f"{file}:{mistake}") for mistake in bad.mistakes)
        return Reply({"error": error}, tuple(shown), (bad.code, bad.message))
    write_file(out, content, mode=0o644)
    fields = {"file": str(out), "bytes": len(content)}
    return reply(fields, plain(f"{out} holds a program of {len(content):,} bytes"))


def disassemble(
    session: Session,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A program's bytes, a file of them or of their hexadecimal."
        ),
    ],
) -> Reply:
    """Show a program as assembly text, which assembles to the very same bytes."""
    del session
    program = program_in(_content(file), file)
    if program is None:
        raise ClientError("bad_file", f"{file} holds no program")
    text = text_of(program)
    if isinstance(text, Rejected):
        raise refused(text)
    return reply({"assembly": text}, plain(text.rstrip("\n")))


def _content(file: str) -> bytes:
    """What a file holds; where no file has that name, hexadecimal digits are taken as they are."""
    path = Path(file)
    try:
        named = path.exists()
    except OSError:
        named = False
    if not named and file.removeprefix("0x").startswith("93"):
        return file.encode("utf-8", "replace")
    return read_file(path)
