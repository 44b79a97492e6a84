"""The mutators: whatever they are given, bytes come back; from a sound input often a sound one."""

from __future__ import annotations

from random import Random

import pytest

from fuzz.target import NAMES, load

WORDS = {
    "program": {"ok", "trap", "out_of_gas", "unreachable"},
    "policy": {"accepted"},
    "chain": {"LEDGER_TRANSFER ok "},
}


def shorten(data: bytes, most: int) -> bytes:
    return data[: most // 2]


@pytest.mark.parametrize("name", NAMES)
def test_mutants_are_checked_like_anything(name: str) -> None:
    target, random = load(name), Random(7)
    seeds = list(target.seeds().values())
    assert target.mutate is not None
    changed = 0
    words: set[str] = set()
    for _ in range(60):
        data = random.choice(seeds)
        mutant = target.mutate(data, random, shorten)[: target.longest]
        changed += mutant != data
        words.update(target.check(mutant))
    assert changed > 30
    # Behind the decoder, not only at its door.
    assert words & WORDS.get(name, words)
