"""One line of the benchmark table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """Our `value` and the peer's, both in `unit`; `ratio` is ours / the peer's."""

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float

    @property
    def ratio(self) -> float:
        return self.value / self.peer_value


def seconds(work: Callable[[], object], rounds: int = 5) -> float:
    """Median duration of `work` after one round that isn't counted."""
    work()
    taken: list[float] = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)
