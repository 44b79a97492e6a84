"""The journal against a dict with a stack of copies (STATE-10..12)."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from synnergy.state.journal import MAX_KEY_BYTES, MAX_VALUE_BYTES, Item, Journal

keys = st.binary(min_size=1, max_size=2) | st.integers(0, 99).map(lambda n: b"row%02d" % n)
values = st.binary(max_size=2)


class Base:
    """A committed view that counts how much of it is read."""

    def __init__(self, items: dict[bytes, bytes]) -> None:
        self.items = items
        self.largest_page = 0

    def scan(self, start: bytes, stop: bytes | None, limit: int | None) -> list[Item]:
        found = ordered(self.items, start, stop, limit)
        self.largest_page = max(self.largest_page, len(found))
        return found

    def journal(self) -> Journal:
        return Journal(self.items.get, self.scan)


def ordered(
    items: dict[bytes, bytes], start: bytes, stop: bytes | None, limit: int | None
) -> list[Item]:
    inside = [(k, v) for k, v in items.items() if k >= start and (stop is None or k < stop)]
    return sorted(inside)[:limit]


class JournalMachine(RuleBasedStateMachine):
    @initialize(items=st.dictionaries(keys, values, max_size=100))
    def start(self, items: dict[bytes, bytes]) -> None:
        self.base = dict(items)
        self.journal = Base(items).journal()
        self.model = dict(items)
        self.saved: list[tuple[int, dict[bytes, bytes]]] = []

    @rule(key=keys, value=values)
    def put(self, key: bytes, value: bytes) -> None:
        self.journal.put(key, value)
        self.model[key] = value

    @rule(key=keys)
    def delete(self, key: bytes) -> None:
        self.journal.delete(key)
        self.model.pop(key, None)

    @rule(data=st.data())
    def set_back(self, data: st.DataObject) -> None:
        if self.base:
            key = data.draw(st.sampled_from(sorted(self.base)))
            self.put(key, self.base[key])

    @rule()
    def checkpoint(self) -> None:
        self.saved.append((self.journal.checkpoint(), dict(self.model)))

    @precondition(lambda self: self.saved)
    @rule(data=st.data(), keep=st.booleans())
    def close(self, data: st.DataObject, keep: bool) -> None:
        position = data.draw(st.integers(0, len(self.saved) - 1))
        mark, copy = self.saved[position]
        inner = [mark for mark, _ in self.saved[position:]]
        del self.saved[position:]
        if keep:
            self.journal.commit(mark)
        else:
            self.journal.rollback(mark)  # STATE-11
            self.model = copy
        for closed in inner:
            with pytest.raises(ValueError, match="not open"):
                self.journal.rollback(closed)
            with pytest.raises(ValueError, match="not open"):
                self.journal.commit(closed)

    @rule(start=keys | st.just(b""), stop=st.none() | keys, limit=st.none() | st.integers(0, 90))
    def scan(self, start: bytes, stop: bytes | None, limit: int | None) -> None:
        assert self.journal.scan(start, stop, limit) == ordered(self.model, start, stop, limit)

    @rule(key=keys)
    def get(self, key: bytes) -> None:
        assert self.journal.get(key) == self.model.get(key)

    @invariant()
    def changes(self) -> None:
        if not hasattr(self, "model"):
            return
        every = sorted(self.base.keys() | self.model.keys())
        expected = [
            (key, self.model.get(key))
            for key in every
            if self.base.get(key) != self.model.get(key)
        ]
        assert self.journal.changes() == expected  # STATE-12


JournalMachine.TestCase.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None
)
TestJournal = JournalMachine.TestCase


def test_a_limited_scan_reads_little_of_a_large_base() -> None:
    base = Base({b"%06d" % n: b"v" for n in range(10_000)})
    journal = base.journal()
    journal.delete(b"000000")
    assert journal.scan(b"0", limit=3) == [(b"%06d" % n, b"v") for n in (1, 2, 3)]
    assert base.largest_page < 20


def test_a_scan_passes_over_many_deletions() -> None:
    base = Base({b"%06d" % n: b"v" for n in range(2_000)})
    journal = base.journal()
    for number in range(1_500):
        journal.delete(b"%06d" % number)
    assert journal.scan(b"0", limit=2) == [(b"001500", b"v"), (b"001501", b"v")]


def test_pages_of_the_base_join_without_a_gap_or_repetition() -> None:
    base = Base({b"%06d" % n: b"v" for n in range(300)})
    for limit in (1, 3, 60, 100):
        for hidden in range(limit + 12):
            journal = base.journal()
            for number in range(hidden):
                journal.delete(b"%06d" % number)
            expected = [(b"%06d" % n, b"v") for n in range(hidden, hidden + limit)]
            assert journal.scan(b"0", limit=limit) == expected


def test_limits() -> None:  # STATE-10
    journal = Base({}).journal()
    journal.put(bytes(MAX_KEY_BYTES), b"")
    journal.put(b"large", bytes(MAX_VALUE_BYTES))
    for key in (b"", bytes(MAX_KEY_BYTES + 1)):
        with pytest.raises(ValueError, match="key"):
            journal.put(key, b"")
        with pytest.raises(ValueError, match="key"):
            journal.delete(key)
    with pytest.raises(ValueError, match="value"):
        journal.put(b"k", bytes(MAX_VALUE_BYTES + 1))
    assert [key for key, _ in journal.changes()] == [bytes(MAX_KEY_BYTES), b"large"]


def test_an_empty_value_is_not_an_absent_one() -> None:
    journal = Base({b"a": b""}).journal()
    assert journal.get(b"a") == b""
    journal.put(b"b", b"")
    assert journal.changes() == [(b"b", b"")]
    assert journal.scan(b"") == [(b"a", b""), (b"b", b"")]
