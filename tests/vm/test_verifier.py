"""VM-4 … VM-10: what the verifier accepts, what it refuses, and the blocks it cuts."""

from __future__ import annotations

import pytest

from synnergy.rejected import Rejected
from synnergy.vm.blocks import BRANCH, JUMP, RETURN
from synnergy.vm.program import Function, Program, function, program
from synnergy.vm.verifier import MAX_NESTING, MAX_OPERANDS, verify

from .support import PRICES, const, core, get, put, run, verified


def refusal(candidate: Program) -> Rejected:
    result = verify(candidate, PRICES)
    assert isinstance(result, Rejected)
    return result


def raw(*code: bytes, **shape: int) -> Program:
    """Function 0 of exactly this code, or function 1 where it has a shape."""
    if shape:
        declared = {"parameters": 0, "results": 0, "locals": 0, **shape}
        return program(function(), Function(code=b"".join(code), **declared))
    return program(Function(0, 0, 0, b"".join(code)))


END = core("END")

ACCEPTED: dict[str, Program] = {
    "empty": raw(END),
    "operands of dead code": raw(core("UNREACHABLE"), core("I64_ADD"), core("DROP"), END),
    "dead code after a branch": raw(
        core("BLOCK", 0), core("BR", 0), core("SELECT"), core("DROP"), END, END
    ),
    "dead code after a return": raw(core("RETURN"), core("I64_STORE64", 0), END),
    "dead code after a revert": raw(const(0), const(0), core("REVERT"), core("DROP"), END),
    "values below a return": raw(const(1), const(2), core("RETURN"), END),
    "values below a branch": raw(core("BLOCK", 0), const(1), core("BR", 0), END, END),
    "a block in dead code": raw(
        core("RETURN"), core("BLOCK", 1), const(1), END, core("DROP"), END
    ),
    "a loop in dead code": raw(core("RETURN"), core("LOOP", 0), core("BR", 0), END, END),
    "an if in dead code": raw(core("RETURN"), core("IF", 0), core("ELSE"), END, END),
    "branches in dead code": raw(
        core("BLOCK", 1), const(1), core("BR", 0), core("BR_IF", 0), END, core("DROP"), END
    ),
    "a call in dead code": program(
        function(core("RETURN"), core("CALL", 1), core("DROP")),
        function(get(0), parameters=3, results=1),
    ),
    "a loop without an end": raw(core("LOOP", 0), core("BR", 0), END, END),
    "a result out of a branch to the function": program(
        function(), function(const(1), const(2), core("BR", 0), results=1)
    ),
    "an if with a result": raw(
        const(1), core("IF", 1), const(1), core("ELSE"), const(2), END, core("DROP"), END
    ),
    "an if whose parts return": program(
        function(),
        function(
            *(get(0), core("IF", 1), const(1), core("RETURN"), core("ELSE"), const(2)),
            *(core("RETURN"), END),
            parameters=1,
            results=1,
        ),
    ),
    "nested as deep as may be": raw(
        *[core("BLOCK", 0)] * MAX_NESTING, core("BR", MAX_NESTING), *[END] * MAX_NESTING, END
    ),
    "as many operands as may be": raw(
        *[const(0)] * MAX_OPERANDS, *[core("DROP")] * MAX_OPERANDS, END
    ),
    "as many locals as may be": raw(get(255), core("DROP"), END, parameters=100, locals=156),
    "itself called": raw(core("CALL", 0), END),
}

REFUSED: dict[str, tuple[Program, str, str, int]] = {
    "no end": (raw(), "VM-7", "not_closed", 0),
    "no end of a function": (raw(core("BLOCK", 0), END), "VM-7", "not_closed", 7),
    "code after the end": (raw(END, core("NOP")), "VM-7", "code_after_end", 3),
    "two ends": (raw(END, END), "VM-7", "code_after_end", 3),
    "an else alone": (raw(core("ELSE"), END), "VM-7", "else_without_if", 0),
    "an else of a block": (
        raw(core("BLOCK", 0), core("ELSE"), END, END),
        "VM-7",
        "else_without_if",
        4,
    ),
    "operands missing in an else, after a part that left": (
        raw(const(1), core("IF", 0), core("RETURN"), core("ELSE"), core("DROP"), END, END),
        "VM-6",
        "stack_underflow",
        21,
    ),
    "operands missing after a construct that left": (
        raw(core("BLOCK", 0), core("RETURN"), END, core("DROP"), END),
        "VM-6",
        "stack_underflow",
        10,
    ),
    "two elses": (
        raw(const(1), core("IF", 0), core("ELSE"), core("ELSE"), END, END),
        "VM-7",
        "else_without_if",
        18,
    ),
    "a result without an else": (
        raw(const(1), core("IF", 1), const(1), END, core("DROP"), END),
        "VM-7",
        "else_missing",
        26,
    ),
    "underflow": (raw(core("DROP"), END), "VM-6", "stack_underflow", 0),
    "half an operation": (raw(const(1), core("I64_ADD"), END), "VM-6", "stack_underflow", 11),
    "operands from outside a block": (
        raw(const(1), core("BLOCK", 0), core("DROP"), END, END),
        "VM-6",
        "stack_underflow",
        15,
    ),
    "no condition": (raw(core("IF", 0), END, END), "VM-6", "stack_underflow", 0),
    "no condition of a branch": (raw(core("BR_IF", 0), END), "VM-6", "stack_underflow", 0),
    "a result missing": (
        raw(core("BLOCK", 1), END, core("DROP"), END),
        "VM-6",
        "stack_underflow",
        4,
    ),
    "a result missing before else": (
        raw(const(1), core("IF", 1), core("ELSE"), const(1), END, core("DROP"), END),
        "VM-6",
        "stack_underflow",
        15,
    ),
    "a value left over": (raw(const(1), END), "VM-6", "values_left", 11),
    "a value left in a block": (
        raw(core("BLOCK", 0), const(1), END, core("DROP"), END),
        "VM-6",
        "values_left",
        15,
    ),
    "a value left in dead code": (
        raw(core("RETURN"), const(1), END),
        "VM-6",
        "values_left",
        14,
    ),
    "too many values in dead code": (
        raw(core("BLOCK", 1), core("BR", 1), const(1), const(2), END, core("DROP"), END),
        "VM-6",
        "values_left",
        33,
    ),
    "a branch without its value": (
        raw(core("BLOCK", 1), core("BR", 0), END, core("DROP"), END),
        "VM-6",
        "stack_underflow",
        4,
    ),
    "a conditional branch without its value": (
        raw(core("BLOCK", 1), const(1), core("BR_IF", 0), const(1), END, core("DROP"), END),
        "VM-6",
        "stack_underflow",
        15,
    ),
    "a return without its value": (
        raw(core("RETURN"), END, results=1),
        "VM-6",
        "stack_underflow",
        0,
    ),
    "a call without its arguments": (
        program(function(core("CALL", 1)), function(parameters=1)),
        "VM-6",
        "stack_underflow",
        0,
    ),
    "too deep a label": (raw(core("BR", 1), END), "VM-8", "no_such_label", 0),
    "the deepest number as a label": (
        raw(const(1), core("BR_IF", 2**32 - 1), END),
        "VM-8",
        "no_such_label",
        11,
    ),
    "no such local": (raw(get(0), core("DROP"), END), "VM-8", "no_such_local", 0),
    "a local too many": (
        raw(const(0), put(3), END, parameters=2, locals=1),
        "VM-8",
        "no_such_local",
        11,
    ),
    "a local in dead code": (
        raw(core("RETURN"), core("LOCAL_TEE", 0), END),
        "VM-8",
        "no_such_local",
        3,
    ),
    "no such function": (raw(core("CALL", 1), END), "VM-8", "no_such_function", 0),
    "no such function in dead code": (
        raw(core("RETURN"), core("CALL", 256), END),
        "VM-8",
        "no_such_function",
        3,
    ),
    "nested too deep": (
        raw(*[core("BLOCK", 0)] * (MAX_NESTING + 1), *[END] * (MAX_NESTING + 2)),
        "VM-4",
        "nested_too_deep",
        4 * MAX_NESTING,
    ),
    "too many operands": (
        raw(*[const(0)] * (MAX_OPERANDS + 1), *[core("DROP")] * (MAX_OPERANDS + 1), END),
        "VM-4",
        "stack_overflow",
        11 * MAX_OPERANDS,
    ),
    "too many operands in dead code": (
        raw(core("RETURN"), *[const(0)] * (MAX_OPERANDS + 1), END),
        "VM-4",
        "stack_overflow",
        3 + 11 * MAX_OPERANDS,
    ),
    "too many locals": (raw(END, parameters=100, locals=157), "VM-4", "too_many_locals", 0),
    "an unknown opcode": (raw(b"\xff\xff\xff", END), "VM-3", "unknown_opcode", 0),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    verified(ACCEPTED[name])


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    candidate, rule, code, offset = REFUSED[name]
    result = refusal(candidate)
    # The culprit is function 1 where function 0 is empty.
    function_index = int(candidate.functions[0] == function() and len(candidate.functions) > 1)
    assert (result.rule, result.code) == (rule, code)
    assert result.message.startswith(f"function {function_index}, at {offset}: ")


@pytest.mark.parametrize(("parameters", "results"), [(1, 0), (0, 1)])
def test_the_entry_takes_and_returns_nothing(parameters: int, results: int) -> None:  # VM-5
    body = [const(1)] * results
    assert refusal(program(function(*body, parameters=parameters, results=results))).rule == "VM-5"


def test_an_opcode_without_a_price_is_refused_even_in_dead_code() -> None:  # VM-9
    prices = {name: gas for name, gas in PRICES.items() if name != "CORE_SELECT"}
    result = verify(raw(core("RETURN"), core("SELECT"), core("DROP"), END), prices)
    assert isinstance(result, Rejected)
    assert (result.rule, result.code) == ("VM-9", "opcode_not_priced")


def test_each_function_is_checked() -> None:
    result = refusal(program(function(), function(), function(core("DROP"))))
    assert result.message.startswith("function 2, at 0: ")


def gas(*names: str) -> int:
    return sum(PRICES["CORE_" + name] for name in names)


def test_blocks_of_a_loop() -> None:  # VM-10, VM-11
    loop = program(
        function(
            *(const(3), put(0), core("LOOP", 0), get(0), const(1), core("I64_SUB")),
            *(core("LOCAL_TEE", 0), core("BR_IF", 0), core("END"), core("NOP")),
            locals=1,
        )
    )
    blocks = verified(loop).functions[0].blocks
    assert [block.gas for block in blocks] == [
        gas("I64_CONST", "LOCAL_SET", "LOOP"),
        gas("LOCAL_GET", "I64_CONST", "I64_SUB", "LOCAL_TEE", "BR_IF"),
        gas("END"),
        gas("NOP", "END"),
        0,
    ]
    assert [block.exit for block in blocks] == [JUMP, BRANCH, JUMP, JUMP, RETURN]
    assert (blocks[1].taken, blocks[1].next) == (1, 2)
    expected = blocks[0].gas + 3 * blocks[1].gas + blocks[2].gas + blocks[3].gas
    assert run(loop).gas_used == expected


@pytest.mark.parametrize("condition", [0, 1])
def test_gas_of_an_if_with_else(condition: int) -> None:  # VM-10
    taken = run(
        raw(
            *(const(condition), core("IF", 0), core("NOP"), core("ELSE")),
            *(core("NOP"), core("NOP"), END, END),
        )
    )
    first = gas("NOP", "ELSE") if condition else gas("NOP", "NOP", "END")
    assert taken.gas_used == gas("I64_CONST", "IF") + first + gas("END")


@pytest.mark.parametrize("condition", [0, 1])
def test_gas_of_an_if_alone(condition: int) -> None:  # VM-10
    outcome = run(raw(const(condition), core("IF", 0), core("NOP"), END, END))
    inner = gas("NOP", "END") if condition else 0
    assert outcome.gas_used == gas("I64_CONST", "IF") + inner + gas("END")


def test_a_branch_doesnt_pay_for_the_end_it_passes() -> None:  # VM-10
    outcome = run(raw(core("BLOCK", 0), core("BR", 0), *[core("NOP")] * 9, END, END))
    assert outcome.gas_used == gas("BLOCK", "BR", "END")
    assert run(raw(core("BR", 0), END)).gas_used == gas("BR")
    assert run(raw(core("RETURN"), END)).gas_used == gas("RETURN")


def test_dead_code_makes_no_blocks() -> None:
    alive = raw(core("RETURN"), END)
    dead = raw(core("RETURN"), *[core("BLOCK", 0), core("LOOP", 0), END, END] * 50, END)
    assert len(verified(alive).functions[0].blocks) == len(verified(dead).functions[0].blocks)
