"""Programs in files: assembly text, a program's bytes, or these in hexadecimal."""

from __future__ import annotations

import re
from pathlib import Path

from synnergy import opcodes
from synnergy.client.failures import ClientError, refused
from synnergy.client.home import read_file
from synnergy.gas.schedule import Schedule
from synnergy.rejected import Rejected
from synnergy.vm.assembly import Mistake, assemble, check
from synnergy.vm.program import Program, decode_program, encode_program
from synnergy.vm.verifier import verify

assert opcodes.__all__  # importing it registers every verb

#: Of assembly text; comments included, many times what the largest program needs.
MAX_TEXT_BYTES = 1 << 22

_HEXADECIMAL = re.compile(rb"\s*(?:0x)?((?:[0-9a-fA-F]{2})+)\s*")


class BadAssembly(ClientError):
    """A text that is no program, with the mistakes in it."""

    def __init__(self, name: str, mistakes: tuple[Mistake, ...]) -> None:
        first, *rest = mistakes
        more = f" (and {len(rest)} more)" if rest else ""
        super().__init__(
            "bad_assembly",
            f"{name}:{first}{more}",
            mistakes=[
                {"line": mistake.line, "column": mistake.column, "message": mistake.message}
                for mistake in mistakes
            ],
        )
        self.mistakes = mistakes


def read_program(path: Path, schedule: Schedule) -> bytes:
    """The encoded program that a file holds in any of the three forms, verified.

    ClientError says what is wrong with it, BadAssembly where in its text.
    """
    content = read_file(path)
    program = program_in(content, str(path))
    if program is None:
        return assemble_text(content, str(path), schedule)
    verified = verify(program, schedule.program_prices)
    if isinstance(verified, Rejected):
        raise refused(verified)
    return encode_program(program)


def assemble_text(content: bytes, name: str, schedule: Schedule) -> bytes:
    """The encoded and verified program of an assembly text. `name` is what mistakes call it."""
    if len(content) > MAX_TEXT_BYTES:
        problem = f"{name} has {len(content)} bytes, at most {MAX_TEXT_BYTES} are assembled"
        raise ClientError("bad_file", problem)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        problem = f"{name} is neither a program's bytes, nor these in hexadecimal, nor text"
        raise ClientError("bad_file", problem) from None
    assembled = assemble(text)
    if isinstance(assembled, tuple):
        raise BadAssembly(name, assembled)
    mistake = check(assembled, schedule.program_prices)
    if mistake is not None:
        raise BadAssembly(name, (mistake,))
    return encode_program(assembled.program)


def program_in(content: bytes, name: str) -> Program | None:
    """The program that bytes or hexadecimal digits encode, not verified; None for other text."""
    digits = _HEXADECIMAL.fullmatch(content)
    # An array of three, the beginning of every program, is no beginning of UTF-8 text.
    if digits is None and content[:1] != b"\x93":
        return None
    program = decode_program(bytes.fromhex(digits[1].decode()) if digits else content)
    if isinstance(program, Rejected):
        raise ClientError(program.code, f"{name}: {program.message}", rule=program.rule)
    return program
