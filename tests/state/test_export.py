"""The state out of one store and into another (STATE-70..72)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from synnergy.rejected import Rejected
from synnergy.state import export
from synnergy.state.export import export_state, import_state
from synnergy.state.journal import MAX_KEY_BYTES, MAX_VALUE_BYTES, Item
from synnergy.state.merkle import EMPTY_ROOT, Tree
from synnergy.state.store import Store

ITEMS = {b"%d" % number: b"v" * (number % 70) for number in range(1_500)}


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "full")
    fill(store, ITEMS)
    yield store
    store.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    """A store that already holds something else."""
    store = Store.open(tmp_path / "other")
    fill(store, {b"old%d" % number: b"x" for number in range(40)})
    yield store
    store.close()


def fill(store: Store, items: dict[bytes, bytes]) -> None:
    tree = Tree(partial(store.get, "nodes"))
    tree.update(items.items())
    with store.write() as batch:
        for key, value in items.items():
            batch.put("state", key, value)
        tree.flush(partial(batch.change, "nodes"))


def root_of(store: Store) -> bytes:
    return Tree(partial(store.get, "nodes")).root


class Refused(Exception):
    pass


def attempt(store: Store, items: Iterator[Item] | list[Item], root: bytes) -> Rejected | int:
    """Import as a caller does: leave the transaction by an exception if it is refused."""
    outcome: Rejected | int = 0
    try:
        with store.write() as batch:
            outcome = import_state(batch, items, root)
            if isinstance(outcome, Rejected):
                raise Refused
    except Refused:
        pass
    return outcome


@pytest.mark.parametrize("leaves_per_update", [7, 1 << 18])
def test_round_trip(
    full: Store, other: Store, leaves_per_update: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "LEAVES_PER_UPDATE", leaves_per_update)
    with full.snapshot() as view:
        fill(full, {b"later": b"not in the snapshot"})
        items = list(export_state(view))
        root = Tree(partial(view.get, "nodes")).root
    assert items == sorted(ITEMS.items())  # STATE-70
    assert attempt(other, iter(items), root) == len(ITEMS)
    assert other.scan("state", b"", None) == items
    assert root_of(other) == root
    with full.write() as batch:
        batch.delete("state", b"later")
    fill(other, {b"later": b"not in the snapshot"})
    assert other.scan("nodes", b"", None) == full.scan("nodes", b"", None)


def test_nothing_remains_of_a_refused_import(full: Store, other: Store) -> None:
    before = [other.scan(name, b"", None) for name in ("state", "nodes")]
    items = sorted(ITEMS.items())
    root = root_of(full)
    for wrong in (
        items[:-1],
        [*items, (b"zz", b"")],
        [*items[:-1], (items[-1][0], b"changed")],
        [],
    ):
        outcome = attempt(other, wrong, root)
        assert isinstance(outcome, Rejected) and outcome.rule == "STATE-72"
    for wrong in (
        items[::-1],
        [*items, items[-1]],
        [(b"", b"v"), *items],
        [*items, (b"z" * (MAX_KEY_BYTES + 1), b"v")],
        [*items, (b"zz", bytes(MAX_VALUE_BYTES + 1))],
    ):
        outcome = attempt(other, wrong, root)
        assert isinstance(outcome, Rejected) and outcome.rule == "STATE-71"
    assert [other.scan(name, b"", None) for name in ("state", "nodes")] == before


def test_the_empty_state(other: Store) -> None:
    assert attempt(other, [], EMPTY_ROOT) == 0
    with other.snapshot() as view:
        assert list(export_state(view)) == []
    assert other.scan("nodes", b"", None) == []
