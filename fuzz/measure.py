"""`python -m fuzz.measure`: the worst input of each kind, what it takes, and what bounds it.

Each case runs in a process of its own. Writes `docs/hostile-input.md` and `build/hostile.json`.
Linux only: the peak of memory is the kernel's own account.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from fuzz.target import ROOT
from fuzz.worst import CASES, Case

PAGE = ROOT / "docs" / "hostile-input.md"
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_HEAD = """# Hostile input

Everything that reads bytes from strangers has a bound that is checked before the work it bounds.
This page holds the worst input known of each kind, and what it takes: time of one core, and memory
at its peak beyond what the process had before. Inputs were made to be the worst that the bound
lets through, or the least that it refuses; the rest are the slowest that fuzzing found.

Made by `python -m fuzz.measure`. Times are of the machine it ran on: read them as orders of
magnitude, and run it on yours. `make fuzz` looks for worse ones; `fuzz/corpus/` keeps those.

The files of a home (keystore, node key, genesis) are the operator's own and have no bound.

| read by | the worst input known | bytes | ends as | seconds | peak MiB | bounded by |
|---|---|---:|---|---:|---:|---|
"""


def peak() -> int:
    """The most memory that this process had since the last reset, in KiB."""
    found = _PEAK.search(Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def run_one(name: str) -> None:
    """One case in this process: prints what became of it as JSON."""
    case = CASES[name]
    work, size = case.prepare()
    reset_peak()
    before, begun = peak(), time.process_time()
    became = work()
    took = time.process_time() - begun
    row = {"became": became, "bytes": size, "seconds": took, "mebibytes": (peak() - before) / 1024}
    print(json.dumps(row))


def measured(name: str) -> dict[str, float | int | str]:
    """One case in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.measure", name],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr}")
    return json.loads(done.stdout)


def line(case: Case, row: dict[str, float | int | str]) -> str:
    cells = (
        case.reader,
        case.what,
        f"{row['bytes']:,}",
        str(row["became"]),
        f"{row['seconds']:.2f}",
        f"{row['mebibytes']:,.0f}",
        case.bound,
    )
    return "| " + " | ".join(cells) + " |\n"


def main() -> None:
    if sys.argv[1:]:
        run_one(sys.argv[1])
        return
    rows = {name: measured(name) for name in CASES}
    PAGE.write_text(_HEAD + "".join(line(CASES[name], row) for name, row in rows.items()))
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    (build / "hostile.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
