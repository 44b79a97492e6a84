"""`make fuzz`: every target for a while, one after the other, and a table of what was done.

python -m fuzz --seconds 30 [TARGET …]      fuzz; inputs that break a promise go to build/fuzz
python -m fuzz --replay FILE TARGET         one input, without the engine
python -m fuzz --seeds [TARGET …]           write the whole seeds into fuzz/corpus
python -m fuzz --keep [TARGET …]            and what the last run found that ends in new words
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fuzz.target import BUILD, CORPUS, NAMES, ROOT, corpus, load

#: Finds looked at, smallest first, and of these kept.
MOST_KEPT_FROM = 3_000
MOST_KEPT = 40

_STATUS = re.compile(rb"cov: (\d+) ft: (\d+) corp: (\d+)/(\d+)")
_FINAL = re.compile(rb"stat::(\w+):\s+(\d+)")


@dataclass(frozen=True)
class Row:
    """One target's run: `coverage` in branches, memory in MiB, the slowest input in seconds."""

    target: str
    runs: int
    runs_per_second: int
    coverage: int
    features: int
    corpus: int
    peak_rss: int
    slowest: float
    slowest_bytes: int
    seconds: int
    crashes: tuple[str, ...]


def fuzz(name: str, seconds: int) -> Row:
    """Run one target's worker to its end, in a process that may die."""
    grown, artefacts = BUILD / "corpus" / name, BUILD / "crashes"
    for folder in (grown, artefacts):
        folder.mkdir(parents=True, exist_ok=True)
    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    report = BUILD / f"{name}.json"
    report.unlink(missing_ok=True)
    before = set(artefacts.iterdir())
    command = [
        *(sys.executable, str(ROOT / "fuzz" / "worker.py"), name, str(report)),
        *(str(grown), str(kept), f"-max_total_time={seconds}", "-print_final_stats=1"),
        *(f"-artifact_prefix={artefacts}/{name}-", "-reload=0"),
    ]
    log = BUILD / f"{name}.log"
    begun = time.monotonic()
    with log.open("wb") as output:
        done = subprocess.run(
            command, stdout=output, stderr=output, cwd=ROOT, env=environment(), check=False
        )
    said = log.read_bytes()
    new = sorted(set(artefacts.iterdir()) - before)
    if done.returncode and not new:
        raise SystemExit(f"{name} ended with {done.returncode} and left no input; see {log}")
    return row_of(name, said, report, tuple(map(str, new)), int(time.monotonic() - begun))


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{ROOT / 'src'}", "PYTHONHASHSEED": "0"}


def row_of(name: str, said: bytes, report: Path, crashes: tuple[str, ...], took: int) -> Row:
    """The engine's account of itself in one row."""
    final = {word.decode(): int(number) for word, number in _FINAL.findall(said)}
    *_, last = _STATUS.findall(said) or [(b"0", b"0", b"0", b"0")]
    slowest = json.loads(report.read_text()) if report.exists() else {"seconds": 0.0, "bytes": 0}
    return Row(
        target=name,
        runs=final.get("number_of_executed_units", 0),
        runs_per_second=final.get("average_exec_per_sec", 0),
        coverage=int(last[0]),
        features=int(last[1]),
        corpus=int(last[2]),
        peak_rss=final.get("peak_rss_mb", 0),
        slowest=slowest["seconds"],
        slowest_bytes=slowest["bytes"],
        seconds=took,
        crashes=tuple(str(Path(crash).relative_to(ROOT)) for crash in crashes),
    )


def show(rows: list[Row]) -> None:
    table = Table(
        *("target", "runs", "runs/s", "branches", "corpus", "peak MiB", "slowest", "broken")
    )
    for row in rows:
        slowest = f"{row.slowest:.3f} s of {row.slowest_bytes:,} B"
        table.add_row(
            *(row.target, f"{row.runs:,}", f"{row.runs_per_second:,}", f"{row.coverage:,}"),
            *(f"{row.corpus:,}", f"{row.peak_rss:,}", slowest, str(len(row.crashes))),
        )
    Console(width=110).print(table)
    (BUILD.parent / "fuzz.json").write_text(
        json.dumps([asdict(row) for row in rows], indent=2) + "\n"
    )
    for row in rows:
        for crash in row.crashes:
            print(f"{row.target} is broken by {crash}; see it again with")
            print(f"    .venv/bin/python -m fuzz --replay {crash} {row.target}")


def write_seeds(name: str) -> None:
    """What isn't in the corpus of the repository yet, under the seeds' names."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    present = set(corpus(name).values())
    for title, data in load(name).seeds().items():
        if data not in present and len(data) <= 2_048:
            (folder / re.sub(r"[^\w.-]", "-", title)).write_bytes(data)


def keep(name: str) -> None:
    """Of what the last run found, the smallest inputs that end in a word not said before."""
    target, kept = load(name), 0
    known = {word for data in (*corpus(name).values(), *target.seeds().values())
             for word in target.check(data)}  # fmt: skip
    found = sorted((BUILD / "corpus" / name).iterdir(), key=lambda path: path.stat().st_size)
    for path in found[:MOST_KEPT_FROM]:
        data = path.read_bytes()
        new = set(target.check(data)) - known
        if new and len(data) <= 2_048 and kept < MOST_KEPT:
            known |= new
            kept += 1
            (CORPUS / name / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", default=list(NAMES), metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=30, help="for each target (30)")
    parser.add_argument("--replay", type=Path, help="a file to give to one target")
    parser.add_argument("--seeds", action="store_true", help="write seeds into fuzz/corpus")
    parser.add_argument("--keep", action="store_true", help="write finds into fuzz/corpus")
    asked = parser.parse_args()
    unknown = sorted(set(asked.targets) - set(NAMES))
    if unknown or asked.seconds < 1 or (asked.replay and len(asked.targets) != 1):
        parser.error(f"targets are {', '.join(NAMES)}; --seconds at least 1; --replay takes one")
    if asked.replay:
        print(*load(asked.targets[0]).check(asked.replay.read_bytes()), sep="\n")
        return 0
    if asked.seeds or asked.keep:
        for name in asked.targets:
            (write_seeds if asked.seeds else keep)(name)
        return 0
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in asked.targets:
        shutil.rmtree(BUILD / "corpus" / name, ignore_errors=True)
    rows = [fuzz(name, asked.seconds) for name in asked.targets]
    show(rows)
    return 1 if any(row.crashes for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
