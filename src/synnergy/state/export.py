"""The whole state as a stream of items, out of one node and into another (STATE-70..72)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import sha256
from typing import Final

from synnergy.rejected import Rejected
from synnergy.state.journal import MAX_KEY_BYTES, MAX_VALUE_BYTES, Item
from synnergy.state.merkle import Leaf, Tree
from synnergy.state.store import Batch, View

EXPORT_PAGE: Final = 256
LEAVES_PER_UPDATE: Final = 1 << 18


def export_state(view: View) -> Iterator[Item]:
    """Every (key, value) of the state in key order, from one snapshot (STATE-70)."""
    start = b"\x00"
    while True:
        page = view.scan("state", start, None, EXPORT_PAGE)
        yield from page
        if len(page) < EXPORT_PAGE:
            return
        start = page[-1][0] + b"\x00"


def import_state(batch: Batch, items: Iterable[Item], root: bytes) -> Rejected | int:
    """Replace the state by `items`, rebuild the tree and compare its root with `root`.

    Returns how many items there were. On Rejected the caller leaves `store.write()` by an
    exception, so that nothing remains; likewise nothing remains of an import that was killed.
    `items` come from strangers: keys must ascend and fit the limits (STATE-71).
    """
    batch.clear("state")
    batch.clear("nodes")
    tree = Tree(partial(batch.get, "nodes"))
    leaves: list[Leaf] = []
    count, last = 0, b""
    for key, value in items:
        if not last < key or len(key) > MAX_KEY_BYTES or len(value) > MAX_VALUE_BYTES:
            return Rejected(
                "STATE-71", "bad_item", f"item {count} is out of order or beyond the limits"
            )
        batch.put("state", key, value)
        leaves.append((sha256(key).digest(), sha256(value).digest()))
        count, last = count + 1, key
        if len(leaves) == LEAVES_PER_UPDATE:
            _grow(tree, leaves, batch)
    _grow(tree, leaves, batch)
    if tree.root != root:
        return Rejected(
            "STATE-72",
            "wrong_root",
            f"the items have the root {tree.root.hex()}, not {root.hex()}",
        )
    return count


def _grow(tree: Tree, leaves: list[Leaf], batch: Batch) -> None:
    tree.update_hashed(leaves)
    tree.flush(partial(batch.change, "nodes"))
    leaves.clear()
