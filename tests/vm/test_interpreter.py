"""VM-13 … VM-19: memory, calls, surroundings, endings."""

from __future__ import annotations

import hashlib

import pytest

from synnergy.vm.machine import MAX_PAGES, PAGE_BYTES, Where
from synnergy.vm.program import function, program

from .generator import counting_loop
from .samples import answer, descend, fibonacci
from .support import ENVIRONMENT, PLENTY, PRICES, const, core, get, put, run, word


def test_the_simplest_sums() -> None:
    assert word(run(answer(const(2), const(3), core("I64_ADD")))) == 5
    assert word(run(fibonacci(12))) == 144


def test_constants_are_words() -> None:  # VM-13
    assert word(run(answer(const(-1)))) == 2**64 - 1
    assert word(run(answer(const(-(2**63))))) == 2**63


@pytest.mark.parametrize(("condition", "expected"), [(0, 20), (1, 10), (2**63, 10)])
def test_select_and_if_take_any_nonzero_word_as_true(condition: int, expected: int) -> None:
    assert word(run(answer(const(10), const(20), const(condition), core("SELECT")))) == expected
    chosen = answer(
        *(const(condition), core("IF", 1), const(10), core("ELSE"), const(20), core("END"))
    )
    assert word(run(chosen)) == expected


def test_tee_keeps_its_operand() -> None:
    code = (const(6), core("LOCAL_TEE", 1), get(1), core("I64_MUL"))
    assert word(run(answer(*code, locals=2))) == 36


def test_locals_of_each_call_are_fresh() -> None:  # VM-16
    callee = function(get(1), get(0), put(1), parameters=1, locals=1, results=1)
    entry = answer(const(5), core("CALL", 1), const(9), core("CALL", 1), core("I64_ADD"))
    assert word(run(program(entry.functions[0], callee, memory_pages=1))) == 0


def test_arguments_keep_their_order_and_operands_below_stay() -> None:
    callee = function(get(0), get(1), core("I64_SUB"), parameters=2, results=1)
    entry = answer(const(100), const(50), const(8), core("CALL", 1), core("I64_SUB"))
    assert word(run(program(entry.functions[0], callee, memory_pages=1))) == 58


def test_calls_may_be_64_deep() -> None:  # VM-16
    assert run(descend(62)).status == "ok"
    outcome = run(descend(63))
    assert outcome.status == "trap"
    assert outcome.rejection is not None and outcome.rejection.code == "call_too_deep"
    assert outcome.where is not None and outcome.where.function == 1


def test_depth_counts_active_calls_only() -> None:
    shallow = program(function(counting_loop(500, core("CALL", 1)), locals=1), function())
    assert run(shallow).status == "ok"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LOAD8_U", 0x88),
        ("LOAD8_S", 0xFFFFFFFFFFFFFF88),
        ("LOAD16_U", 0x9988),
        ("LOAD16_S", 0xFFFFFFFFFFFF9988),
        ("LOAD32_U", 0xBBAA9988),
        ("LOAD32_S", 0xFFFFFFFFBBAA9988),
        ("LOAD64", 0xFFEEDDCCBBAA9988),
    ],
)
def test_loads_are_little_endian(name: str, expected: int) -> None:  # VM-14
    stored = (const(16), const(0xFFEEDDCCBBAA9988), core("I64_STORE64", 8))
    assert word(run(answer(*stored, const(24), core(f"I64_{name}", 0)))) == expected


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_stores_write_the_low_bytes_only(size: int) -> None:  # VM-14
    code = (
        *(const(0), const(2**64 - 1), core("I64_STORE64", 0)),
        *(const(0), const(0x1122334455667788), core(f"I64_STORE{8 * size}", 0)),
        *(const(0), core("I64_LOAD64", 0)),
    )
    low = 256**size - 1
    assert word(run(answer(*code))) == (2**64 - 1 - low) | (0x1122334455667788 & low)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("pages", [0, 1])
def test_accesses_stay_within_memory(size: int, pages: int) -> None:  # VM-14
    names = [f"I64_LOAD{8 * size}{'' if size == 8 else '_U'}", f"I64_STORE{8 * size}"]
    end = pages * PAGE_BYTES
    edges = [(end - size, 0), (0, end - size), (end - size - 1, 1)] if pages else []
    past = [(end - size + 1, 0), (end, 0), (1, end), (0, 2**32 - 1), (2**32 - 1, 2**32 - 1)]
    past += [(2**32, 0), (2**63, 0), (2**64 - 1, 0), (2**64 - 1, 1), (2**64 - size, size)]
    for name in names:
        for address, offset in [*edges, *past]:
            value = [const(1)] if "STORE" in name else []
            drop = [] if "STORE" in name else [core("DROP")]
            outcome = run(
                program(
                    function(const(address), *value, core(name, offset), *drop),
                    memory_pages=pages,
                )
            )
            expected = "ok" if (address, offset) in edges else "trap"
            assert outcome.status == expected, (name, address, offset)


RANGES = ["MEMORY_COPY", "MEMORY_FILL", "INPUT_COPY", "SHA256", "OUTPUT_SET", "REVERT"]


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("start", [PAGE_BYTES, PAGE_BYTES + 1, 2**32, 2**63, 2**64 - 1])
def test_ranges_stay_within_memory_even_empty_ones(name: str, start: int) -> None:  # VM-15
    operands = {
        "MEMORY_COPY": [(start, 0, 0), (0, start, 0)],
        "SHA256": [(start, 0, 0)],
        "OUTPUT_SET": [(start, 0)],
        "REVERT": [(start, 0)],
    }.get(name, [(start, 0, 0)])
    for values in operands:
        code = [const(value) for value in values]
        outcome = run(program(function(*code, core(name)), memory_pages=1))
        if start == PAGE_BYTES:
            assert outcome.status == ("reverted" if name == "REVERT" else "ok")
        else:
            assert outcome.status == "trap"
            assert outcome.rejection is not None
            assert outcome.rejection.code == "memory_out_of_bounds"


@pytest.mark.parametrize(
    ("destination", "status"), [(PAGE_BYTES - 32, "ok"), (PAGE_BYTES - 31, "trap")]
)
def test_a_digest_needs_32_bytes(destination: int, status: str) -> None:  # VM-15
    code = (const(0), const(0), const(destination), core("SHA256"))
    assert run(program(function(*code), memory_pages=1)).status == status


@pytest.mark.parametrize("name", RANGES)
def test_enormous_ranges_trap_before_they_are_charged(name: str) -> None:  # VM-15
    operands = {"SHA256": (0, 2**64 - 1, 0), "OUTPUT_SET": (0, 2**64 - 1)}
    values = operands.get(name, (0, 2**64 - 1) if name == "REVERT" else (0, 0, 2**64 - 1))
    outcome = run(program(function(*map(const, values), core(name)), memory_pages=1))
    assert outcome.rejection is not None and outcome.rejection.code == "memory_out_of_bounds"


def test_memory_starts_zeroed_and_grows_zeroed() -> None:  # VM-14
    code = (
        *(const(1), core("MEMORY_GROW"), core("DROP")),
        *(const(PAGE_BYTES - 8), core("I64_LOAD64", 0)),
        *(const(2 * PAGE_BYTES - 8), core("I64_LOAD64", 0), core("I64_ADD")),
    )
    assert word(run(answer(*code))) == 0


@pytest.mark.parametrize(
    ("pages", "grow", "expected", "size"),
    [
        (1, 0, 1, 1),
        (1, 63, 1, 64),
        (1, 64, 2**64 - 1, 1),
        (1, 2**64 - 1, 2**64 - 1, 1),
        (64, 0, 64, 64),
        (64, 1, 2**64 - 1, 64),
    ],
)
def test_growing(pages: int, grow: int, expected: int, size: int) -> None:  # VM-14
    code = (const(grow), core("MEMORY_GROW"))
    assert word(run(answer(*code, memory_pages=pages))) == expected
    sized = answer(*code, core("DROP"), core("MEMORY_SIZE"), memory_pages=pages)
    assert word(run(sized)) == size


def test_growing_keeps_what_is_there() -> None:
    code = (
        *(const(8), const(77), core("I64_STORE64", 0), const(5), core("MEMORY_GROW")),
        *(core("DROP"), const(8), core("I64_LOAD64", 0)),
    )
    assert word(run(answer(*code))) == 77


def test_memory_costs_by_its_size() -> None:  # VM-12
    unit = PRICES["units.memory_page"]
    for pages in (0, 1, 3, MAX_PAGES):
        used = run(program(function(), memory_pages=pages)).gas_used
        assert used == pages * unit + PRICES["CORE_END"]
    grow = (const(2), core("MEMORY_GROW"), core("DROP"))
    static = sum(PRICES[f"CORE_{name}"] for name in ("I64_CONST", "MEMORY_GROW", "DROP", "END"))
    assert run(program(function(*grow), memory_pages=3)).gas_used == static + (3 + 5) * unit
    refused = (const(64), core("MEMORY_GROW"), core("DROP"))
    assert run(program(function(*refused), memory_pages=3)).gas_used == static + 3 * unit


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 128, 1000])
@pytest.mark.parametrize("name", ["MEMORY_COPY", "MEMORY_FILL", "INPUT_COPY", "SHA256"])
def test_ranges_cost_by_their_length(name: str, length: int) -> None:  # VM-12
    operands = (0, length, 0) if name == "SHA256" else (0, 0, length)
    code = (*map(const, operands), core(name))
    unit = PRICES["units.hash_block" if name == "SHA256" else "units.copy_block"]
    static = 3 * PRICES["CORE_I64_CONST"] + PRICES[f"CORE_{name}"] + PRICES["CORE_END"]
    page = PRICES["units.memory_page"]
    outcome = run(program(function(*code), memory_pages=1), bytes(1000))
    assert outcome.gas_used == page + static + unit * -(-length // 64)


def test_hashing() -> None:
    data = bytes(range(256)) * 3
    code = (
        *(const(5), const(0), core("INPUT_SIZE"), core("INPUT_COPY")),
        *(const(5), core("INPUT_SIZE"), const(4), core("SHA256")),
        *(const(4), const(32), core("OUTPUT_SET")),
    )
    outcome = run(program(function(*code), memory_pages=1), data)
    assert outcome.output == hashlib.sha256(data).digest()


def test_input_copies_a_part_and_stays_within() -> None:  # VM-17
    def part(source: int, length: int) -> str | bytes:
        code = (const(0), const(source), const(length), core("INPUT_COPY"))
        show = (const(0), const(length), core("OUTPUT_SET"))
        outcome = run(program(function(*code, *show), memory_pages=1), b"0123456789")
        return outcome.output if outcome.status == "ok" else str(outcome.rejection)

    assert part(3, 4) == b"3456"
    assert part(0, 10) == b"0123456789"
    assert part(10, 0) == b""
    for source, length in [(11, 0), (0, 11), (10, 1), (2**64 - 1, 1), (2**64 - 1, 2)]:
        assert "input_out_of_bounds" in str(part(source, length))


def test_the_world_a_program_sees() -> None:  # VM-17
    assert word(run(answer(core("BLOCK_HEIGHT")))) == ENVIRONMENT.height
    assert word(run(answer(core("BLOCK_TIME")))) == ENVIRONMENT.time
    assert word(run(answer(core("INPUT_SIZE")), b"12345")) == 5


def test_the_output_is_the_last_one_set_as_it_was() -> None:  # VM-17
    code = (
        *(const(0), const(1), core("I64_STORE8", 0), const(0), const(2), core("OUTPUT_SET")),
        *(const(0), const(9), core("I64_STORE8", 0), const(0), const(1), core("OUTPUT_SET")),
        *(const(0), const(5), core("I64_STORE8", 0)),
    )
    assert run(program(function(*code), memory_pages=1)).output == b"\x09"
    assert run(program(function())).output == b""


def test_gas_left_counts_this_block_as_paid() -> None:  # VM-17
    names = ["LOCAL_SET", "I64_CONST", "LOCAL_GET", "I64_STORE64", "I64_CONST", "I64_CONST"]
    block = [PRICES[f"CORE_{name}"] for name in ["GAS_LEFT", *names, "OUTPUT_SET", "END"]]
    assert word(run(answer(core("GAS_LEFT")), gas=5_000)) == (
        5_000 - PRICES["units.memory_page"] - sum(block)
    )


def test_a_trap_burns_what_remains() -> None:  # VM-19
    outcome = run(program(function(core("NOP"), core("UNREACHABLE"))), gas=1_000)
    assert (outcome.status, outcome.gas_used, outcome.output) == ("trap", 1_000, b"")
    assert outcome.where == Where(0, 3)


def test_a_trap_forgets_the_output() -> None:  # VM-19
    code = (const(0), const(8), core("OUTPUT_SET"), core("UNREACHABLE"))
    outcome = run(program(function(*code), memory_pages=1))
    assert (outcome.status, outcome.output) == ("trap", b"")


def test_a_revert_leaves_what_remains_even_from_a_callee() -> None:  # VM-19
    thrower = function(
        *(const(0), const(0x2A), core("I64_STORE8", 0), const(0), const(1), core("REVERT"))
    )
    outcome = run(program(function(core("CALL", 1)), thrower, memory_pages=1), gas=1_000)
    assert (outcome.status, outcome.output) == ("reverted", b"\x2a")
    assert 0 < outcome.gas_used < 1_000
    assert outcome.where == Where(1, 51)


def test_a_runaway_loop_ends_with_its_gas() -> None:  # VM-11
    for body in ([], [core("NOP")] * 20, [core("BLOCK", 0), core("BR", 1), core("END")]):
        loop = program(function(core("LOOP", 0), *body, core("BR", 0), core("END")))
        outcome = run(loop, gas=50_000)
        assert (outcome.status, outcome.gas_used) == ("out_of_gas", 50_000)
    recursion = program(function(counting_loop(2**63, core("CALL", 1)), locals=1), function())
    assert run(recursion, gas=50_000).status == "out_of_gas"


def test_without_gas_nothing_begins() -> None:
    assert run(program(function()), gas=0).status == "out_of_gas"
    outcome = run(program(function(), memory_pages=64), gas=63)
    assert (outcome.status, outcome.gas_used) == ("out_of_gas", 63)
    assert outcome.where == Where(0, 0)


def test_dynamic_gas_runs_out_at_its_instruction() -> None:  # VM-12
    code = (core("NOP"), const(0), const(0), const(PAGE_BYTES), core("MEMORY_FILL"))
    outcome = run(program(function(*code), memory_pages=1), gas=100)
    assert (outcome.status, outcome.where) == ("out_of_gas", Where(0, 36))


def test_one_meter_serves_one_frame_after_another() -> None:
    assert run(fibonacci(5), gas=PLENTY).gas_used == run(fibonacci(5), gas=PLENTY // 2).gas_used
