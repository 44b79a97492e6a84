"""Where rows go: a table on the terminal, `build/bench.json` and `docs/benchmarks.md`."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.row import Row

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
FIGURES = ROOT / "build" / "bench.json"
#: The page's lines between such a pair are made here; the rest is written by hand.
ONE_NODE = ("<!-- measured -->", "<!-- end of what was measured -->")
NETWORK = ("<!-- measured on a network -->", "<!-- end of what was measured on a network -->")
#: What the names of a network's rows begin with, and no other's.
OF_NETWORK = ("network_", "abci_")


def publish(rows: Sequence[Row], marks: tuple[str, str], console: Console) -> None:
    """Show the rows of one part, and let them take the place of that part's former ones."""
    table = Table("name", "ours", "peer's", "unit", "peer", "ratio")
    for row in rows:
        table.add_row(*cells(row))
    console.print(table)
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(merged(FIGURES.read_text() if FIGURES.exists() else "[]", rows, marks))
    PAGE.write_text(with_measured(PAGE.read_text("utf-8"), rows, marks), "utf-8")


def merged(figures: str, rows: Sequence[Row], marks: tuple[str, str]) -> str:
    """`build/bench.json` with the rows of one part anew, and the other part's as they were."""
    others = [
        row
        for row in json.loads(figures)
        if row["name"].startswith(OF_NETWORK) != (marks == NETWORK)
    ]
    mine = [asdict(row) for row in rows]
    return json.dumps([*others, *mine] if marks == NETWORK else [*mine, *others], indent=2) + "\n"


def with_measured(page: str, rows: Sequence[Row], marks: tuple[str, str]) -> str:
    """The page with the lines between two marks made from rows."""
    begin, end = marks
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n{measured(rows)}\n{end}{rest.partition(end)[2]}"


def cells(row: Row) -> tuple[str, ...]:
    """A row as it is shown."""
    figures = (_figure(row.value), _figure(row.peer_value))
    return (row.name, *figures, row.unit, row.peer, _figure(row.ratio))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def measured(rows: Sequence[Row]) -> str:
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
