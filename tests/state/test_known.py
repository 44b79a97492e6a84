"""Records kept decoded from block to block, against a dict that keeps nothing (STATE-12, 22)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.state.journal import Item, Journal
from synnergy.state.known import KnownRecords
from synnergy.wire.codec import Struct, decode_trusted, encode
from synnergy.wire.types import Amount

KEYS = [b"k%d" % number for number in range(6)]


class Row(Struct, frozen=True):
    amount: Amount
    names: tuple[str, ...] = ()


class Other(Struct, frozen=True):
    amount: Amount


rows = st.builds(Row, st.integers(0, 3), st.lists(st.sampled_from("ab"), max_size=2).map(tuple))
steps = st.tuples(
    st.sampled_from(["save", "put", "delete", "load", "begin", "undo", "keep"]),
    st.sampled_from(KEYS),
    rows,
)
#: Blocks: their steps, and whether they are committed.
blocks = st.lists(st.tuples(st.lists(steps, max_size=12), st.booleans()), max_size=8)


@given(blocks, st.sampled_from([1, 700, 10**6]))
@settings(max_examples=200, deadline=None)
def test_blocks_read_what_was_committed(
    given_blocks: list[tuple[list[tuple[str, bytes, Row]], bool]], remembered: int
) -> None:
    store: dict[bytes, bytes] = {}
    known = KnownRecords(remembered)

    def scan(start: bytes, stop: bytes | None, limit: int | None) -> list[Item]:
        inside = [(k, v) for k, v in store.items() if k >= start and (stop is None or k < stop)]
        return sorted(inside)[:limit]

    for inside, committed in given_blocks:
        journal = Journal(store.get, scan, known)
        model = {key: decode_trusted(value, Row) for key, value in store.items()}
        marks: list[tuple[int, dict[bytes, Row]]] = []
        for what, key, row in inside:
            if what == "save":
                journal.save(key, row)
                model[key] = row
            elif what == "put":
                journal.put(key, encode(row))
                model[key] = row
            elif what == "delete":
                journal.delete(key)
                model.pop(key, None)
            elif what == "begin":
                marks.append((journal.checkpoint(), dict(model)))
            elif what == "undo" and marks:
                mark, model = marks.pop()
                journal.rollback(mark)
            elif what == "keep" and marks:
                journal.commit(marks.pop()[0])
            assert journal.load(key, Row) == model.get(key)
            assert journal.get(key) == (encode(model[key]) if key in model else None)
        while marks:
            journal.commit(marks.pop()[0])
        expected = {key: encode(row) for key, row in model.items()}
        assert journal.scan(b"k") == sorted(expected.items())
        changes = journal.changes()
        assert changes == sorted(
            (key, expected.get(key)) for key in KEYS if expected.get(key) != store.get(key)
        )
        if committed:
            for key, value in changes:
                if value is None:
                    del store[key]
                else:
                    store[key] = value
            journal.remember()


def test_a_record_is_read_as_the_type_asked_for() -> None:
    journal = Journal(lambda _: encode(Other(5)), lambda *_: [])
    assert journal.load(b"k", Other) == Other(5)
    with pytest.raises(ValueError, match="corrupt"):
        journal.load(b"k", Row)
    journal.save(b"k", Row(7))
    with pytest.raises(ValueError, match="corrupt"):
        journal.load(b"k", Other)


@pytest.mark.parametrize("bad", [Row(-1), Row(1, ["a"]), Row(True), Row(2**53)])  # type: ignore[arg-type]
def test_a_record_that_its_type_does_not_allow_stops_the_block(bad: Row) -> None:
    journal = Journal(lambda _: None, lambda *_: [])
    journal.save(b"k", bad)
    with pytest.raises(ValueError):
        journal.changes()
