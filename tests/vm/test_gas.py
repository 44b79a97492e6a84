"""VM-11, VM-12, VM-19: gas as a property of programs, not of limits."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from .generator import random_program
from .samples import ECHO, HASH, NESTED_LOOPS, REVERTING, fibonacci
from .support import run

SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.integers(0, 10**9))
@settings(max_examples=150, deadline=None)
def test_gas_used_doesnt_depend_on_the_limit(seed: int, extra: int) -> None:
    program = random_program(seed)
    first = run(program, b"data", 20_000)
    if first.status == "ok":
        more = run(program, b"data", first.gas_used + extra)
        assert (more.gas_used, more.output) == (first.gas_used, first.output)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_any_limit_below_the_need_is_burnt_out_of_gas(seed: int) -> None:
    program = random_program(seed)
    needed = run(program, b"data", 20_000)
    if needed.status != "ok":
        return
    step = max(1, needed.gas_used // 25)
    for limit in {*range(0, needed.gas_used, step), needed.gas_used - 1}:
        short = run(program, b"data", limit)
        assert (short.status, short.gas_used, short.output) == ("out_of_gas", limit, b"")


def test_every_limit_below_the_need() -> None:
    for program in (fibonacci(3), ECHO, HASH, NESTED_LOOPS):
        needed = run(program, b"some input").gas_used
        for limit in range(needed):
            assert run(program, b"some input", limit).status == "out_of_gas"
        assert run(program, b"some input", needed).status == "ok"


def test_a_revert_needs_its_gas_too() -> None:
    needed = run(REVERTING).gas_used
    assert all(run(REVERTING, gas=limit).status == "out_of_gas" for limit in range(needed))
    assert run(REVERTING, gas=needed).gas_used == needed


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_running_again_gives_the_same(seed: int) -> None:
    program = random_program(seed)
    assert run(program, b"data", 5_000) == run(program, b"data", 5_000)
