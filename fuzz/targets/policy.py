"""POL-4 … POL-12: what passes the scanner is read by Cedar as the scanner read it, in 1 MiB.

A text that ends the process, or hangs it, is found by the engine.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from fuzz import mutate
from fuzz.target import Target
from synnergy.policy.scanner import scan
from synnergy.policy.texts import DEFAULT_SET
from synnergy.rejected import Rejected
from tests.policy.hostile_worker import STACK_BYTES, judge
from tests.policy.test_hostile import DEEPEST, LARGEST, VOCABULARY


@contextmanager
def small_stack() -> Generator[None]:
    """Threads begun inside have the stack that POL-12 asks for, and no more."""
    before = threading.stack_size(STACK_BYTES), sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        yield
    finally:
        threading.stack_size(before[0])
        sys.setrecursionlimit(before[1])


def check(data: bytes) -> Iterator[str]:
    scanned = scan(data)
    if isinstance(scanned, Rejected):
        assert scanned.rule.startswith("POL-") and scanned.message
        yield scanned.code
        return
    text = data.decode()
    assert scan(text) == scanned
    with small_stack():
        became = judge(text)
    assert became not in ("raised", "differs"), became
    yield became


def seeds() -> dict[str, bytes]:
    """The default set and each of its policies, and texts as deep as the scanner lets through."""
    heads = scan(DEFAULT_SET)
    assert isinstance(heads, tuple)
    made = {head.id: head.source for head in heads} | {"default": DEFAULT_SET}
    made |= {f"deep-{name}": build(12) for name, build in DEEPEST.items()}
    made |= {f"large-{name}": text[:300] for name, text in LARGEST.items()}
    return {name: text.encode() for name, text in made.items()}


TARGET = Target(
    check,
    seeds,
    longest=12_288,
    mutate=mutate.text,
    dictionary=tuple(sorted({word.encode() for word in VOCABULARY.split()})),
)
