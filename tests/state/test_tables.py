"""Keys that sort as tuples do, and typed records over a journal (STATE-20..22)."""

from __future__ import annotations

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from synnergy.state import records
from synnergy.state.journal import MAX_KEY_BYTES, Journal
from synnergy.state.tables import Part, Table, decode_parts, encode_parts
from synnergy.wire.codec import Struct, encode


class Row(Struct, frozen=True):
    number: Annotated[int, Meta(ge=0)]
    name: str = ""


rows = Table(b"ro", "rows", Row)
others = Table(b"rp", "others", Row)

awkward = st.lists(st.sampled_from([0, 1, 2, 3, 254, 255]), max_size=5).map(bytes)
texts = st.text(max_size=6) | st.text(alphabet="\x00\x01a", max_size=4)
binaries = st.binary(max_size=6) | awkward
integers = st.integers(0, 2**64 - 1) | st.integers(0, 260)
parts = st.lists(texts | binaries | integers, max_size=4).map(tuple)


def empty_journal() -> Journal:
    return Journal(lambda key: None, lambda start, stop, limit: [])


def rank(key: tuple[Part, ...]) -> list[tuple[int, Part]]:
    """Sorts as STATE-20 says: bytes before strings before integers. UTF-8 sorts as code points."""
    order = {bytes: 1, str: 2, int: 3}
    return [(order[type(part)], part) for part in key]


@given(parts, parts)
def test_encoding_is_ordered_prefix_free_and_reversible(
    one: tuple[Part, ...], other: tuple[Part, ...]
) -> None:
    first, second = encode_parts(one), encode_parts(other)
    assert decode_parts(first) == one
    assert (first < second) == (rank(one) < rank(other))
    assert (first == second) == (rank(one) == rank(other))
    # A prefix of components is a prefix of bytes, and nothing else is.
    assert second.startswith(first) == (rank(other)[: len(one)] == rank(one))


@given(st.lists(st.tuples(texts, integers, binaries), unique=True, max_size=8), texts)
def test_scan_by_leading_components(keys: list[tuple[str, int, bytes]], leading: str) -> None:
    journal = empty_journal()
    for number, key in enumerate(keys):
        rows.save(journal, key, Row(number))
        others.save(journal, key, Row(0))
    expected = sorted((key, Row(number)) for number, key in enumerate(keys))
    assert rows.scan(journal) == expected
    assert rows.scan(journal, (leading,)) == [row for row in expected if row[0][0] == leading]
    if expected:
        middle = expected[len(expected) // 2][0]
        behind = [row for row in expected if row[0] > middle]
        assert rows.scan(journal, after=middle) == behind
        assert rows.scan(journal, after=middle, limit=1) == behind[:1]
        first = expected[0][0]
        inside = [row for row in behind if row[0][0] == leading]
        assert rows.scan(journal, (leading,), after=middle) == inside
        assert rows.scan(journal, middle[:1], after=first) == [
            row for row in expected if row[0] > first and row[0][0] == middle[0]
        ]
        prefix = middle[:2]
        assert rows.scan(journal, prefix) == [row for row in expected if row[0][:2] == prefix]


def test_records() -> None:
    journal = empty_journal()
    assert rows.load(journal, "a") is None
    rows.save(journal, "a", Row(1, "é"))
    rows.save(journal, b"a", Row(2))
    rows.save(journal, 7, Row(3))
    rows.save(journal, "", Row(4))
    assert rows.load(journal, "a") == Row(1, "é")
    assert [key for key, _ in rows.scan(journal)] == [b"a", "", "a", 7]
    rows.remove(journal, "a")
    rows.remove(journal, "never there")
    assert rows.load(journal, "a") is None
    assert journal.get(rows.raw_key("")) == encode(Row(4))  # STATE-22
    assert rows.raw_key("a\x00") == b"ro\x02a\x00\xff\x00\x01"
    assert rows.raw_key(("a", 258)) == b"ro\x02a\x00\x01\x03\x00\x00\x00\x00\x00\x00\x01\x02"


@pytest.mark.parametrize(
    "key", [(), ("a",), -1, 2**64, True, ("a", True), 1.5, None, ("a", ("b",))]
)
def test_keys_that_are_refused(key: object) -> None:
    with pytest.raises(ValueError, match="key"):
        rows.raw_key(key)  # type: ignore[arg-type]


def test_long_keys_are_refused() -> None:  # STATE-21
    longest = b"k" * (MAX_KEY_BYTES - 5)
    assert len(rows.raw_key(longest)) == MAX_KEY_BYTES
    with pytest.raises(ValueError, match="501 bytes of 500"):
        rows.raw_key(longest + b"k")


@pytest.mark.parametrize(
    "raw",
    [
        b"\x04",
        b"\x01ab",
        b"\x03\x00",
        b"\x02a\x00",
        b"\x02a\x00\x02",
        b"\x02a\x00\xff",
        b"\x02\xff\x00\x01",
    ],
)
def test_damaged_keys_raise(raw: bytes) -> None:
    with pytest.raises(ValueError):
        decode_parts(raw)


def test_damaged_values_raise() -> None:
    journal = empty_journal()
    for stored in (b"", b"\xc0", encode(Row(1)) + b"\x00", encode({"number": -1, "name": ""})):
        journal.put(rows.raw_key("a"), stored)
        with pytest.raises(ValueError, match="corrupt"):
            rows.load(journal, "a")


def test_the_ledger_gives_no_prefix_twice() -> None:
    tables = [value for value in vars(records).values() if isinstance(value, Table)]
    assert len(tables) > 10
    assert len({table.prefix for table in tables}) == len(tables)
    assert len({table.name for table in tables}) == len(tables)
