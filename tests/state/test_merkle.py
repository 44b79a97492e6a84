"""The state tree against its definition, on any history of changes (STATE-30..33)."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_oracle import oracle_root

from synnergy.state.merkle import EMPTY_ROOT, Tree

VECTORS = json.loads((Path(__file__).parent / "vectors" / "tree.json").read_text())


class Pages:
    """A dict in place of the store's `nodes`."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}

    def tree(self, cached_pages: int = 64) -> Tree:
        return Tree(self.stored.get, cached_pages)

    def flush(self, tree: Tree) -> None:
        tree.flush(self.change)

    def change(self, changes: Sequence[tuple[bytes, bytes | None]]) -> None:
        for key, value in changes:
            if value is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = value


@lru_cache
def crowded_keys() -> tuple[bytes, ...]:
    """Keys of which many share their first two or three bytes of hash: deep paths."""
    by_start: dict[bytes, list[bytes]] = {}
    for number in range(60_000):
        key = b"%d" % number
        by_start.setdefault(sha256(key).digest()[:2], []).append(key)
    crowds = sorted(by_start.values(), key=len, reverse=True)[:4]
    return tuple(key for crowd in crowds for key in crowd[:6])


keys = st.one_of(
    st.binary(min_size=1, max_size=3),
    st.integers(0, 30).map(lambda n: b"key%d" % n),
    st.integers(0, 23).map(lambda n: crowded_keys()[n]),
)
changes = st.lists(st.tuples(keys, st.none() | st.binary(max_size=3)), max_size=25)


def apply(items: dict[bytes, bytes], batch: list[tuple[bytes, bytes | None]]) -> None:
    for key, value in batch:
        if value is None:
            items.pop(key, None)
        else:
            items[key] = value


@given(st.lists(st.tuples(changes, st.sampled_from(["keep", "flush", "discard", "reopen"]))))
@settings(deadline=None, max_examples=150)
def test_root_is_that_of_the_set_whatever_the_history(
    steps: list[tuple[list[tuple[bytes, bytes | None]], str]],
) -> None:
    pages = Pages()
    tree = pages.tree(cached_pages=3)
    committed: dict[bytes, bytes] = {}
    current: dict[bytes, bytes] = {}
    for batch, then in steps:
        apply(current, batch)
        assert tree.update(batch) == tree.root == oracle_root(current)  # STATE-31
        if then == "discard":
            tree.discard()
            current = dict(committed)
        elif then != "keep":
            pages.flush(tree)
            committed = dict(current)
        if then == "reopen":
            tree = pages.tree()
        assert tree.root == oracle_root(current)
    pages.flush(tree)
    fresh = Pages()
    other = fresh.tree()
    other.update(sorted(current.items(), reverse=True))
    fresh.flush(other)
    # Not only the root: what is stored is the same too, so nothing is left behind.
    assert fresh.stored == pages.stored


def test_removing_everything_leaves_nothing() -> None:
    pages = Pages()
    tree = pages.tree()
    tree.update((key, b"x") for key in crowded_keys())
    pages.flush(tree)
    assert tree.root != EMPTY_ROOT and len(pages.stored) > 10
    tree.update((key, None) for key in crowded_keys())
    pages.flush(tree)
    assert tree.root == EMPTY_ROOT
    assert pages.stored == {}
    assert tree.update([(b"k", b"v")]) == oracle_root({b"k": b"v"})


def test_ten_thousand_keys_in_batches() -> None:
    generator = random.Random(7)
    pages = Pages()
    tree = pages.tree(cached_pages=500)
    items: dict[bytes, bytes] = {}
    for _ in range(8):
        batch: list[tuple[bytes, bytes | None]] = []
        for _ in range(2_000):
            key = b"%d" % generator.randrange(12_000)
            batch.append((key, None if generator.random() < 0.3 else generator.randbytes(4)))
        apply(items, batch)
        tree.update(batch)
        pages.flush(tree)
    assert tree.root == oracle_root(items)


def test_a_single_key_is_a_leaf_at_the_root() -> None:
    tree = Pages().tree()
    leaf = sha256(b"\x00" + sha256(b"k").digest() + sha256(b"v").digest()).digest()
    assert tree.update([(b"k", b"v")]) == leaf  # STATE-30
    assert tree.update([(b"k", None)]) == EMPTY_ROOT == bytes(32)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_golden_roots(vector: dict[str, object]) -> None:
    items = {bytes.fromhex(k): bytes.fromhex(v) for k, v in vector["items"].items()}  # type: ignore[attr-defined]
    assert Pages().tree().update(items.items()).hex() == vector["root"]


@pytest.mark.parametrize("damage", ["truncate", "cut", "extend", "rise", "lose"])
def test_damaged_pages_raise(damage: str) -> None:
    pages = Pages()
    tree = pages.tree()
    tree.update((key, b"x") for key in crowded_keys())
    pages.flush(tree)
    deepest = max(pages.stored, key=len)
    if damage == "truncate":
        pages.stored[deepest] = pages.stored[deepest][:-1]
    elif damage == "cut":
        pages.stored[deepest] = pages.stored[deepest][:5]
    elif damage == "rise":
        # A leaf stored for an upper node, which only lower ends have.
        head, rest = pages.stored[deepest][:8], pages.stored[deepest][8:]
        header = int.from_bytes(head, "big") | 1
        pages.stored[deepest] = header.to_bytes(8, "big") + bytes(64) + rest
    elif damage == "extend":
        pages.stored[deepest] += b"\x00"
    else:
        del pages.stored[deepest]
    reopened = pages.tree()
    with pytest.raises(ValueError, match="corrupt tree"):
        reopened.update((key, b"y") for key in crowded_keys())
