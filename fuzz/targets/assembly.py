"""Any text as assembly: mistakes and their places, or a program whose text assembles to it."""

from __future__ import annotations

from collections.abc import Iterator

import synnergy.opcodes
from fuzz import mutate
from fuzz.target import Target, plain
from fuzz.targets.program import PRICES
from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.vm.assembly import MAX_MISTAKES, Assembled, assemble, mnemonic
from synnergy.vm.assembly import check as verified
from synnergy.vm.disassembly import disassemble
from synnergy.vm.program import decode_program, encode_program
from synnergy.vm.templates import template
from tests.vm.generator import random_program
from tests.vm.samples import SAMPLES

assert synnergy.opcodes.__all__


def check(data: bytes) -> Iterator[str]:
    source = data.decode("utf-8", "replace")
    assembled = assemble(source)
    if not isinstance(assembled, Assembled):
        lines = source.count("\n") + source.count("\r") + 1
        assert 0 < len(assembled) <= MAX_MISTAKES
        for mistake in assembled:
            assert 0 < mistake.line <= lines + 1 and mistake.column > 0 and mistake.message
            yield plain(mistake.message)
        return
    assert decode_program(encode_program(assembled.program)) == assembled.program
    text = disassemble(assembled.program)
    assert not isinstance(text, Rejected)
    again = assemble(text)
    assert isinstance(again, Assembled) and again.program == assembled.program
    found = verified(assembled, PRICES)
    yield "verifies" if found is None else plain(found.message)


def seeds() -> dict[str, bytes]:
    """The tests' programs as text, and text of what only a person writes."""
    programs = {name: program for name, (program, _) in SAMPLES.items()}
    programs |= {f"random-{seed}": random_program(seed) for seed in range(12)}
    made: dict[str, bytes] = {"written": WRITTEN.encode()}
    for verb in ("LEDGER_TRANSFER", "INFERENCE_INVOKE"):
        decoded = decode_program(template(verb))
        assert not isinstance(decoded, Rejected)
        programs[verb] = decoded
    for name, program in programs.items():
        text = disassemble(program)
        assert isinstance(text, str)
        made[name] = text.encode()
    return {name: data for name, data in made.items() if len(data) <= TARGET.longest}


WRITTEN = """; a comment
const SIZE 0x1_0
memory 1
data at 0 "text\\n" x"00ff"
func main locals 2
  const SIZE
  set 0
  block done 0
    get 0
    br_if done
  end
end
"""
_WORDS = ("func", "params", "results", "locals", "memory", "data", "const", "end", 'x"00"', '"a"')


TARGET = Target(
    check,
    seeds,
    longest=8_192,
    mutate=mutate.text,
    dictionary=tuple(
        word.encode()
        for word in (*_WORDS, *(mnemonic(opcode) for opcode in catalogue.core()), "0x", "-1", ";")
    ),
)
