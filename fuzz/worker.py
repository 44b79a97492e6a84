"""One target under the engine, in a process of its own: `worker.py TARGET REPORT FOLDER FLAG…`.

FOLDER gets the seeds and what is found beyond them, REPORT the slowest input so far, as JSON; the
engine's own account goes to standard error.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from random import Random

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
with atheris.instrument_imports(include=["synnergy"]):
    from fuzz.target import load

    TARGET = load(sys.argv[1])

#: Counters for the words that checks answer with; later ones share.
WORDS = 8_192


def escaped(word: bytes) -> str:
    """A token as a dictionary file of the engine has it."""
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word
    )


def main() -> None:
    report, folder, flags = Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]
    seeds = TARGET.seeds()
    for data in seeds.values():
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
    # What is made once in a process is not the first input's.
    list(TARGET.check(next(iter(seeds.values()))))
    counters = [atheris._reserve_counter() for _ in range(WORDS)]
    known: dict[str, int] = {}
    slowest = 0.0

    def one(data: bytes) -> None:
        nonlocal slowest
        begun = time.perf_counter()
        for word in TARGET.check(data):
            atheris._trace_branch(counters[known.setdefault(word, len(known)) % WORDS])
        took = time.perf_counter() - begun
        if took > slowest + 0.001:
            slowest = took
            entry = {"seconds": round(took, 4), "bytes": len(data)}
            report.write_text(json.dumps(entry) + "\n")
            report.with_suffix(".slowest").write_bytes(data)

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if TARGET.mutate is None or random.random() < 0.25:
            return atheris.Mutate(data, most)
        try:
            return TARGET.mutate(data, random, atheris.Mutate)[:most]
        except (ValueError, TypeError, OverflowError):  # too broken to be taken apart
            return atheris.Mutate(data, most)

    limits = [
        *(f"-max_len={TARGET.longest}", f"-timeout={TARGET.seconds}"),
        *(f"-rss_limit_mb={TARGET.mebibytes}", f"-report_slow_units={TARGET.seconds}"),
    ]
    if TARGET.dictionary:
        words = report.with_suffix(".dict")
        words.write_text("".join(f'"{escaped(word)}"\n' for word in TARGET.dictionary))
        limits.append(f"-dict={words}")
    atheris.Setup([sys.argv[0], str(folder), *flags, *limits], one, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
