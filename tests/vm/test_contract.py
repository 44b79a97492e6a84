"""VM-23 … VM-26: storage, events, addresses and balances, data; and whoever abuses them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy.identity.address import ADDRESS_CHARACTERS, encode_address
from synnergy.rejected import Rejected
from synnergy.vm.interpreter import Outcome
from synnergy.vm.machine import PAGE_BYTES, Where
from synnergy.vm.program import Program, Segment, function, program
from synnergy.vm.verifier import verify

from .samples import DATA
from .support import ANSWER, BALANCES, ENVIRONMENT, PRICES, FakeHost, const, core, run, word

END = PAGE_BYTES
BAD_POINTERS = (END, END + 1, 2**32, 2**63, 2**64 - 1)
TEXT = bytes(range(97, 123)) * 260


def attempt(
    name: str, *operands: int, host: FakeHost | None = None, data: bytes = TEXT, gas: int = 100_000
) -> Outcome:
    """One instruction on a page that begins with `data`; what it pushes becomes the output."""
    pushes = name in ("STORAGE_READ", "BALANCE")
    body = (*map(const, operands), core(name), *([ANSWER] if pushes else []))
    segments = (Segment(0, data),) if data else ()
    candidate = program(function(*body, locals=1), memory_pages=1, data=segments)
    return run(candidate, gas=gas, host=host or FakeHost({}))


def trapped(outcome: Outcome) -> str:
    """The code of a trap, which must have burnt everything."""
    assert outcome.status == "trap" and outcome.rejection is not None, outcome
    return outcome.rejection.code


def test_what_was_written_is_read() -> None:  # VM-23
    host = FakeHost({})
    assert attempt("STORAGE_WRITE", 0, 128, 0, 4_096, host=host).status == "ok"
    assert host.storage == {TEXT[:128]: TEXT[:4_096]}
    assert word(attempt("STORAGE_READ", 0, 128, 60_000, 4_096, host=host)) == 4_096
    assert word(attempt("STORAGE_READ", 0, 127, 60_000, 4_096, host=host)) == 2**64 - 1
    read = (*map(const, (0, 128, 60_000, 4_096)), core("STORAGE_READ"), core("DROP"))
    shown = function(*read, const(59_999), const(4_098), core("OUTPUT_SET"))
    candidate = program(shown, memory_pages=1, data=(Segment(0, TEXT),))
    assert run(candidate, host=host).output == b"\x00" + TEXT[:4_096] + b"\x00"


def test_an_empty_value_removes_the_key() -> None:  # VM-23
    host = FakeHost({b"a": b"1", b"b": b"2"})
    assert attempt("STORAGE_WRITE", 0, 1, END, 0, host=host).status == "ok"
    assert host.storage == {b"b": b"2"}
    assert attempt("STORAGE_WRITE", 0, 1, END, 0, host=host).status == "ok"
    assert host.storage == {b"b": b"2"}


@pytest.mark.parametrize("length", [0, 129, 4_096])
def test_keys_have_a_length(length: int) -> None:  # VM-23
    host = FakeHost({b"": b"x"})
    assert trapped(attempt("STORAGE_READ", 0, length, 0, 100, host=host)) == "bad_key"
    assert trapped(attempt("STORAGE_WRITE", 0, length, 0, 100, host=host)) == "bad_key"
    assert host.storage == {b"": b"x"}


def test_values_have_a_greatest_length() -> None:  # VM-23
    host = FakeHost({})
    assert trapped(attempt("STORAGE_WRITE", 0, 1, 0, 4_097, host=host)) == "value_too_large"
    assert host.storage == {}


def test_a_value_needs_its_room() -> None:  # VM-23
    host = FakeHost({b"a": b"four"})
    for room in (0, 3):
        assert trapped(attempt("STORAGE_READ", 0, 1, 0, room, host=host)) == "value_too_large"
    assert word(attempt("STORAGE_READ", 0, 1, END - 4, 4, host=host)) == 4
    # Where nothing is stored no room is needed, and room may be ever so large.
    assert word(attempt("STORAGE_READ", 1, 1, END, 0, host=host)) == 2**64 - 1
    assert word(attempt("STORAGE_READ", 0, 1, 0, END, host=host)) == 4


def test_outside_a_contract_there_is_no_storage() -> None:  # VM-23
    for name in ("STORAGE_READ", "STORAGE_WRITE"):
        assert trapped(attempt(name, 0, 1, 0, 8, host=FakeHost(None))) == "no_contract"


RANGES = {"STORAGE_READ": 2, "STORAGE_WRITE": 2, "EVENT": 2, "BALANCE": 1}


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("pointer", BAD_POINTERS)
@pytest.mark.parametrize("length", [1, 2, 42, 2**32, 2**64 - 1])
def test_ranges_are_checked_first(name: str, pointer: int, length: int) -> None:  # VM-15
    for position in range(RANGES[name]):
        operands = [0, 1] * RANGES[name]
        operands[2 * position : 2 * position + 2] = [pointer, length]
        host = FakeHost({})
        outcome = attempt(name, *operands, host=host)
        assert trapped(outcome) == "memory_out_of_bounds"
        assert outcome.gas_used == 100_000
        assert (host.storage, host.events) == ({}, [])


@pytest.mark.parametrize("name", ["SELF", "CALLER", "ORIGIN"])
@pytest.mark.parametrize("pointer", [END - ADDRESS_CHARACTERS + 1, *BAD_POINTERS])
def test_an_address_needs_its_room(name: str, pointer: int) -> None:  # VM-25
    assert trapped(attempt(name, pointer)) == "memory_out_of_bounds"


def test_ranges_may_overlap() -> None:  # VM-15
    host = FakeHost({TEXT[:8]: b"value"})
    read = (*map(const, (0, 8, 2, 5)), core("STORAGE_READ"), core("DROP"))
    shown = function(*read, const(0), const(8), core("OUTPUT_SET"))
    candidate = program(shown, memory_pages=1, data=(Segment(0, TEXT),))
    assert run(candidate, host=host).output == TEXT[:2] + b"value" + TEXT[7:8]
    attempt("STORAGE_WRITE", 4, 8, 0, 8, host=host)
    assert host.storage is not None and host.storage[TEXT[4:12]] == TEXT[:8]
    attempt("EVENT", 0, 8, 4, 8, host=host)
    assert host.events == [("abcdefgh", TEXT[4:12])]


def test_events_keep_their_order() -> None:  # VM-24
    event = core("EVENT")
    body = (*map(const, (0, 1, 3, 0)), event, *map(const, (0, 64, 0, 1_024)), event)
    host = FakeHost()
    run(program(function(*body), memory_pages=1, data=(Segment(0, TEXT),)), host=host)
    assert host.events == [("a", b""), (TEXT[:64].decode(), TEXT[:1_024])]


@pytest.mark.parametrize(
    "name", [b"A", b"a b", b"a\n", b"\xff\xfe", "é".encode(), b"a\x00", b"/", b"\xc3"]
)
def test_events_have_plain_names(name: bytes) -> None:  # VM-24
    host = FakeHost()
    assert trapped(attempt("EVENT", 0, len(name), 0, 0, host=host, data=name)) == "bad_event_name"
    assert host.events == []


def test_events_names_have_a_length_and_so_has_their_data() -> None:  # VM-24
    for length in (0, 65, END):
        assert trapped(attempt("EVENT", 0, length, 0, 0)) == "bad_event_name"
    for length in (1_025, END):
        assert trapped(attempt("EVENT", 0, 1, 0, length)) == "event_too_large"


def test_what_the_host_rejects_is_a_trap() -> None:  # VM-24
    class Full(FakeHost):
        def emit(self, name: str, data: bytes) -> Rejected | None:
            return Rejected("TX-12", "too_many_verbs", "enough")

    outcome = attempt("EVENT", 0, 1, 0, 0, host=Full(), gas=5_000)
    assert trapped(outcome) == "too_many_verbs"
    assert (outcome.gas_used, outcome.where) == (5_000, Where(0, 44))


def test_addresses_and_balances() -> None:  # VM-25
    for name, whose in (
        ("SELF", ENVIRONMENT.address),
        ("CALLER", ENVIRONMENT.caller),
        ("ORIGIN", ENVIRONMENT.origin),
    ):
        assert len(whose) == ADDRESS_CHARACTERS
        shown = (const(END - 42), const(42), core("OUTPUT_SET"))
        code = function(const(END - 42), core(name), *shown)
        assert run(program(code, memory_pages=1)).output == whose.encode()
        known = attempt("BALANCE", 0, 42, data=whose.encode())
        assert word(known) == BALANCES.get(whose, 0)


ADDRESS = ENVIRONMENT.origin.encode()


@pytest.mark.parametrize(
    "text",
    [
        ADDRESS[:-1],
        ADDRESS + b" ",
        ADDRESS.upper(),
        ADDRESS[:-1] + (b"q" if ADDRESS[-1:] != b"q" else b"p"),
        b"syn1" + b"\xff" * 38,
        b"syn1" + "é".encode() * 19,
        bytes(42),
        b"",
    ],
)
def test_a_balance_is_of_an_address(text: bytes) -> None:  # VM-25
    assert trapped(attempt("BALANCE", 0, len(text), data=text)) == "bad_address"


@given(st.binary(min_size=20, max_size=20), st.integers(0, 41), st.integers(0, 255))
def test_a_changed_address_is_none(raw: bytes, position: int, byte: int) -> None:  # VM-25
    text = bytearray(encode_address(raw).encode())
    same = text[position] == byte
    text[position] = byte
    outcome = attempt("BALANCE", 0, 42, data=bytes(text))
    assert outcome.status == ("ok" if same else "trap")


@pytest.mark.parametrize("length", [1, 63, 64, 65, 1_000])
def test_what_stays_costs_by_its_length(length: int) -> None:  # VM-12
    def used(name: str, *operands: int, host: FakeHost) -> int:
        outcome = attempt(name, *operands, host=host)
        assert outcome.status == "ok"
        return outcome.gas_used

    def blocks(size: int) -> int:
        return -(-size // 64)

    host = FakeHost({})
    least = used("STORAGE_WRITE", 0, 1, 0, 0, host=host)
    cost = used("STORAGE_WRITE", 0, 5, 0, length, host=host) - least
    assert cost == PRICES["units.storage_write_block"] * (blocks(5 + length) - 1)
    absent = used("STORAGE_READ", 0, 1, 0, 2_000, host=host)
    cost = used("STORAGE_READ", 0, 5, 0, 2_000, host=host) - absent
    assert cost == PRICES["units.storage_read_block"] * blocks(length)
    least = used("EVENT", 0, 1, 0, 0, host=host)
    cost = used("EVENT", 0, 5, 0, length, host=host) - least
    assert cost == PRICES["units.event_block"] * (blocks(5 + length) - 1)


def test_nothing_is_stored_or_announced_that_isnt_paid() -> None:  # VM-15
    for name in ("STORAGE_WRITE", "EVENT"):
        host = FakeHost({})
        needed = attempt(name, 0, 5, 0, 100, host=host).gas_used
        for gas in range(needed):
            host = FakeHost({})
            outcome = attempt(name, 0, 5, 0, 100, host=host, gas=gas)
            assert outcome.status == "out_of_gas"
            # The closing CORE_END stands in the same basic block, so it is paid beforehand.
            assert (host.storage, host.events) == ({}, [])


def with_data(*segments: Segment, memory_pages: int = 1) -> Program:
    return program(function(), memory_pages=memory_pages, data=segments)


def test_data_stands_in_memory_at_the_beginning() -> None:  # VM-26
    assert run(DATA).output == b"firslatera"


@pytest.mark.parametrize(
    ("segment", "memory_pages"),
    [
        (Segment(0, b"x"), 0),
        (Segment(END, b"x"), 1),
        (Segment(END - 1, b"xy"), 1),
        (Segment(64 * END - 1, b"x"), 63),
    ],
)
def test_data_lies_within_the_initial_memory(segment: Segment, memory_pages: int) -> None:
    first = (Segment(0, b"x"),) if memory_pages else ()
    refused = verify(with_data(*first, segment, memory_pages=memory_pages), PRICES)
    assert isinstance(refused, Rejected)  # VM-26
    assert (refused.rule, refused.code) == ("VM-26", "segment_out_of_bounds")
    assert refused.message.startswith(f"data segment {len(first)}:")


def test_data_is_paid_as_a_copy_in_turn() -> None:  # VM-12, VM-26
    bare = run(with_data()).gas_used
    unit = PRICES["units.copy_block"]
    full = with_data(Segment(0, bytes(64)), Segment(10, b"x"), Segment(0, bytes(65)))
    assert run(full).gas_used == bare + 4 * unit
    for gas in range(bare + 4 * unit):
        outcome = run(full, gas=gas)
        assert (outcome.status, outcome.where) == ("out_of_gas", Where(0, 0))
