"""Programs from someone who means harm: refused or contained, never an exception."""

from __future__ import annotations

from random import Random
from threading import Barrier, Thread
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.gas.meter import Meter
from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.vm.cache import ProgramCache
from synnergy.vm.interpreter import execute
from synnergy.vm.program import (
    MAX_FUNCTION_BYTES,
    OPCODE_BYTES,
    Function,
    Program,
    decode_instructions,
    decode_program,
    encode_program,
    function,
    immediate_of,
    program,
)
from synnergy.vm.verifier import verify

from .generator import random_program
from .stepper import Stepper
from .support import BALANCES, ENVIRONMENT, PRICES, FakeHost, const, core, get, verified

CORE_CODES = [opcode.code for opcode in catalogue.core()]


def survive(candidate: Program, gas: int = 3_000) -> bool:
    """Whether it was accepted; then it ran, and the stepping machine says the same."""
    result = verify(candidate, PRICES)
    if isinstance(result, Rejected):
        assert result.message and result.code and result.rule.startswith("VM-")
        return False
    host = FakeHost({})
    outcome = execute(result, b"input", Meter(gas), host, ENVIRONMENT)
    stepper = Stepper(candidate, b"input", gas, ENVIRONMENT, PRICES, {}, dict(BALANCES))
    assert (outcome.status, outcome.output, outcome.gas_used) == stepper.run()[:3]
    assert (host.storage, host.events) == (stepper.storage, stepper.events)
    return True


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_code_is_refused_or_runs(code: bytes) -> None:
    survive(program(Function(0, 0, 0, code), memory_pages=1))


@st.composite
def instruction_soup(draw: st.DrawFn) -> bytes:
    """Well-formed instructions in any order."""
    out = bytearray()
    for code in draw(st.lists(st.sampled_from(CORE_CODES), max_size=40)):
        opcode = catalogue.by_code(code)
        assert opcode is not None
        width = immediate_of(opcode).width
        immediate = draw(st.integers(0, min(width, 3)))
        out += code.to_bytes(OPCODE_BYTES, "big") + immediate.to_bytes(width, "big")
    return bytes(out) + core("END")


@given(instruction_soup(), st.integers(0, 3))
@settings(max_examples=400, deadline=None)
def test_any_instructions_are_refused_or_run(code: bytes, locals: int) -> None:
    other = Function(1, 1, 0, get(0) + core("END"))
    survive(program(Function(0, 0, locals, code), other, memory_pages=1))


def test_programs_with_instructions_changed_are_refused_or_run() -> None:
    random = Random(5)
    accepted = 0
    for seed in range(300):
        original = random_program(seed)
        functions = list(original.functions)
        index = random.randrange(len(functions))
        instructions = decode_instructions(functions[index].code)
        assert isinstance(instructions, tuple)
        code = bytearray(functions[index].code)
        chosen = random.choice(instructions)
        kind = immediate_of(chosen.opcode)
        change = random.random()
        if change < 0.5:
            others = [
                opcode
                for opcode in catalogue.core()
                if opcode.immediate is kind and opcode is not chosen.opcode
            ]
            replacement = random.choice(others or [chosen.opcode])
            head = slice(chosen.offset, chosen.offset + OPCODE_BYTES)
            code[head] = replacement.code.to_bytes(OPCODE_BYTES, "big")
        elif change < 0.8:
            del code[chosen.offset : chosen.offset + OPCODE_BYTES + kind.width]
        else:
            place = random.choice(instructions).offset
            code[place:place] = random.choice((core("RETURN"), core("NOP"), core("BR", 0)))
        functions[index] = Function(
            functions[index].parameters,
            functions[index].results,
            functions[index].locals,
            bytes(code),
        )
        accepted += survive(msgspec.structs.replace(original, functions=tuple(functions)))
    # Otherwise the changes test the verifier only.
    assert accepted > 60


def test_programs_with_bits_flipped_are_refused_or_run() -> None:
    random = Random(6)
    for seed in range(150):
        encoded = bytearray(encode_program(random_program(seed)))
        encoded[random.randrange(len(encoded))] ^= 1 << random.randrange(8)
        candidate = decode_program(bytes(encoded))
        if isinstance(candidate, Program):
            survive(candidate)


def full(*unit: bytes) -> bytes:
    """As many repetitions of `unit` as a function holds, closed."""
    body = b"".join(unit)
    return body * ((MAX_FUNCTION_BYTES - OPCODE_BYTES) // len(body)) + core("END")


def test_the_largest_functions_are_verified_in_one_pass() -> None:
    """Counts, not seconds: the blocks made are at most the instructions read."""
    for code in (
        full(core("NOP")),
        full(const(1), core("DROP")),
        full(core("BLOCK", 0), core("END")),
        full(core("LOOP", 0), core("END")),
        full(const(0), core("BR_IF", 0)),
        full(const(1), core("IF", 0), core("ELSE"), core("END")),
        full(*[core("BLOCK", 0)] * 64, core("BR", 63), *[core("END")] * 64),
        full(core("CALL", 1)),
    ):
        candidate = program(Function(0, 0, 0, code), function())
        instructions = decode_instructions(code)
        assert isinstance(instructions, tuple)
        blocks = verified(candidate).functions[0].blocks
        assert len(blocks) <= len(instructions) + 1
        assert survive(candidate, gas=2_000)


def test_deep_nesting_is_refused_where_it_gets_too_deep() -> None:
    for opener in (core("BLOCK", 0), core("LOOP", 0), const(1) + core("IF", 0)):
        result = verify(program(function(full(opener))), PRICES)
        assert isinstance(result, Rejected) and result.code == "nested_too_deep"
        assert f"at {64 * len(opener) + len(opener) - 4}:" in result.message


def test_frames_are_bounded() -> None:
    """The widest frames at the deepest recursion: some 82,000 words, then a trap."""
    wide = function(
        *[const(0)] * 1_000,
        *[core("DROP")] * 1_000,
        core("CALL", 1),
        locals=256,
    )
    assert survive(program(function(core("CALL", 1)), wide), gas=10**7)


def test_memory_is_bounded() -> None:
    grow = function(core("LOOP", 0), const(1), core("MEMORY_GROW"), core("DROP"), core("BR", 0))
    looping = Function(0, 0, 0, grow.code + core("END"))
    outcome = execute(verified(program(looping)), b"", Meter(100_000), FakeHost(), ENVIRONMENT)
    assert outcome.status == "out_of_gas"


def test_the_cache_changes_nothing_and_forgets() -> None:
    sources = [encode_program(random_program(seed)) for seed in range(30)]
    capacity = 3 * max(map(len, sources))
    cache = ProgramCache(PRICES, capacity)
    for source in [*sources, *reversed(sources)]:
        cached = cache.verified(source)
        again = cache.verified(source)
        assert cached is again
        decoded = decode_program(source)
        assert isinstance(decoded, Program)
        fresh = verified(decoded)
        assert not isinstance(cached, Rejected)
        assert [f.slots for f in cached.functions] == [f.slots for f in fresh.functions]
        run = [
            execute(choice, b"x", Meter(9_000), FakeHost(), ENVIRONMENT)
            for choice in (cached, fresh)
        ]
        assert run[0] == run[1]
    first = cache.verified(sources[0])
    for source in sources:
        cache.verified(source)
    assert cache.verified(sources[0]) is not first


def test_the_cache_refuses_what_is_refused() -> None:
    cache = ProgramCache(PRICES)
    for source in (b"", b"\xff", encode_program(program(function(core("DROP"))))):
        assert isinstance(cache.verified(source), Rejected)
        assert isinstance(cache.verified(source), Rejected)


def test_the_cache_is_asked_by_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes verify the same new programs at once, beside the block under way."""
    sources = [encode_program(random_program(seed)) for seed in range(20)]
    cache = ProgramCache(PRICES, 2 * max(map(len, sources)))
    together = Barrier(2)

    def both(*arguments: Any) -> Any:
        together.wait(60)
        return verify(*arguments)

    monkeypatch.setattr("synnergy.vm.cache.verify", both)
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            for source in sources:
                cache.verified(source)
        except BaseException as error:
            failed.append(error)
            together.abort()

    threads = [Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    last = [cache.verified(source) for source in sources[-2:]]  # there is room for both
    assert all(cache.verified(source) is last[i] for i, source in enumerate(sources[-2:]))
