"""Run as a program: write batch after batch until killed, saying which ones were acknowledged.

A batch n holds ten rows, their count and the tree over all rows so far.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from synnergy.state.merkle import Tree
from synnergy.state.store import Store

ROWS = 10


def rows_of(number: int) -> list[tuple[bytes, bytes]]:
    """The rows of batch `number`; some replace those of earlier batches."""
    return [
        (b"row%d" % (number * 7 + row), b"%d/%d" % (number, row) * (1 + number % 50))
        for row in range(ROWS)
    ]


def write_until_killed(path: Path) -> None:
    store = Store.open(path)
    tree = Tree(partial(store.get, "nodes"))
    number = int(store.get("meta", b"batches") or b"0")
    while True:
        rows = rows_of(number)
        tree.update(rows)
        with store.write() as batch:
            for key, value in rows:
                batch.put("state", key, value)
            tree.flush(partial(batch.change, "nodes"))
            number += 1
            batch.put("meta", b"batches", b"%d" % number)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    write_until_killed(Path(sys.argv[1]))
