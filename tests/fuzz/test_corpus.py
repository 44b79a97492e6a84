"""Every input that fuzzing kept, and every seed, through its target: on any platform.

A file named `regression-…` broke a promise once. `make fuzz` looks for the next one.
"""

from __future__ import annotations

import pytest

from fuzz.target import CORPUS, NAMES, corpus, load

LARGEST = 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_keeps_every_promise(name: str) -> None:
    target = load(name)
    kept, seeds = corpus(name), target.seeds()
    assert len(seeds) > 1
    words: set[str] = set()
    for title, data in (kept | seeds).items():
        try:
            words.update(target.check(data))
        except Exception as error:
            error.add_note(f"fuzz/corpus/{name}/{title}")
            raise
    # A target that says the same of everything shows the engine nothing.
    assert len(words) > 1


@pytest.mark.parametrize("name", NAMES)
def test_a_target_takes_any_bytes(name: str) -> None:
    target = load(name)
    for data in (b"", b"\x00", b"\xff" * 64, b"\xc1", b"a" * target.longest):
        list(target.check(data))


def test_the_corpus_stays_small() -> None:
    folders = {path.name for path in CORPUS.iterdir()}
    assert folders == set(NAMES)
    sizes = [len(data) for name in NAMES for data in corpus(name).values()]
    assert sum(sizes) < LARGEST
