"""`make bench`: a table on the terminal, `build/bench.json` and `docs/benchmarks.md`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import inference, transfers

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    rows = [*transfers.rows(), *inference.rows()]
    table = Table("name", "ours", "peer's", "unit", "peer", "ratio")
    page = [
        "# Benchmarks",
        "",
        "Made by `make bench`: ours and the peer's in one run on one machine. The ratio is what to"
        " read; absolute figures drift with the machine.",
        "",
        "| name | ours | peer's | unit | peer | ratio |",
        "|---|---:|---:|---|---|---:|",
    ]
    for row in rows:
        cells = (
            row.name, f"{row.value:,.0f}", f"{row.peer_value:,.0f}", row.unit, row.peer,
            f"{row.ratio:.3f}",
        )  # fmt: skip
        table.add_row(*cells)
        page.append(f"| {' | '.join(cells)} |")
    Console().print(table)
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    listed = [asdict(row) | {"ratio": row.ratio} for row in rows]
    (build / "bench.json").write_text(json.dumps(listed, indent=2) + "\n")
    (ROOT / "docs" / "benchmarks.md").write_text("\n".join(page) + "\n")


if __name__ == "__main__":
    main()
