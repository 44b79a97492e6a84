"""One line of the benchmark table, and how its figures are taken."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """Our `value` and the peer's, both in `unit`; `ratio` is ours / the peer's.

    The ratio is the median of those of rounds in turn, so it need not be that of the two medians.
    """

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Taken:
    """Median seconds of ours and of the peer's, and the median of peer's / ours."""

    ours: float
    peer: float
    ratio: float


def interleaved(ours: Callable[[], object], peer: Callable[[], object], rounds: int) -> Taken:
    """Time both in turn, so that what else the machine does meets both alike."""
    ours()
    peer()
    taken = [(seconds(ours), seconds(peer)) for _ in range(rounds)]
    return Taken(
        statistics.median(mine for mine, _ in taken),
        statistics.median(theirs for _, theirs in taken),
        statistics.median(theirs / mine for mine, theirs in taken),
    )


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(statistics.fmean(math.log(value) for value in values))
