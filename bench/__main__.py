"""`make bench`: a table on the terminal, `build/bench.json` and `docs/benchmarks.md`."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import inference, interpreter, receipt, scale, transfers
from bench.row import Row

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
PARTS: tuple[Callable[[], list[Row]], ...] = (
    transfers.rows,
    interpreter.rows,
    inference.rows,
    receipt.rows,
    scale.rows,
)
#: The page's lines between these two are made here; the rest is written by hand.
BEGIN, END = "<!-- measured -->", "<!-- end of what was measured -->"


def main() -> None:
    console = Console()
    rows: list[Row] = []
    for part in PARTS:
        console.print(f"{part.__module__} …", style="dim")
        rows += part()
    table = Table("name", "ours", "peer's", "unit", "peer", "ratio")
    for row in rows:
        table.add_row(*cells(row))
    console.print(table)
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    (build / "bench.json").write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{measured(rows)}\n{END}{after}", "utf-8")


def cells(row: Row) -> tuple[str, ...]:
    """A row as it is shown."""
    figures = (_figure(row.value), _figure(row.peer_value))
    return (row.name, *figures, row.unit, row.peer, _figure(row.ratio))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def measured(rows: list[Row]) -> str:
    """The machine and the table, as Markdown."""
    lines = [
        f"{machine()}.",
        "",
        "| name | ours | peer's | unit | peer | ratio |",
        "|---|---:|---:|---|---|---:|",
        *(f"| {' | '.join(cells(row))} |" for row in rows),
    ]
    return "\n".join(lines)


def machine() -> str:
    """Processor, cores, memory and Python, as far as the system tells."""
    try:
        described = Path("/proc/cpuinfo").read_text()
        names = [line.partition(":")[2] for line in described.splitlines() if "model name" in line]
        total = Path("/proc/meminfo").read_text().split()[1]
        what = f"{len(names)} cores ({names[0].strip()}), {int(total) // 2**20} GiB"
    except (OSError, IndexError, ValueError):
        what = platform.machine()
    return f"{what}, {platform.system()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
