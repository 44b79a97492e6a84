"""`make bench`: the rows of one node."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from bench import inference, interpreter, proving, receipt, scale, tensors, transfers
from bench.report import ONE_NODE, publish
from bench.row import Row

PARTS: tuple[Callable[[], list[Row]], ...] = (
    transfers.rows,
    interpreter.rows,
    inference.rows,
    tensors.rows,
    proving.rows,
    receipt.rows,
    scale.rows,
)


def main() -> None:
    console = Console()
    rows: list[Row] = []
    for part in PARTS:
        console.print(f"{part.__module__} …", style="dim")
        rows += part()
    publish(rows, ONE_NODE, console)


if __name__ == "__main__":
    main()
