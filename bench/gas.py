"""Gas for each nanosecond, operator by operator: `python -m bench.gas`.

The price of tensor work is a formula of shapes, so it can be fair only as far as every operator
takes about as long for its gas as any other. This tells how far it is, on this machine and the
fastest kernels here: the aim is that none is more than twice from the middle.
"""

from __future__ import annotations

import statistics
import sys
import timeit
from collections.abc import Sequence
from dataclasses import dataclass

from bench.operators import Case, cases
from synnergy import tensor
from synnergy.gas.schedule import load_schedule


@dataclass(frozen=True, slots=True)
class Rate:
    """An operator's gas, and what a run of it takes."""

    name: str
    gas: int
    nanoseconds: float

    @property
    def rate(self) -> float:
        return self.gas / self.nanoseconds


def rates(rounds: int = 40) -> list[Rate]:
    """The rate of every case, by its fastest run."""
    return [_rate(case, rounds) for case in cases()]


def _rate(case: Case, rounds: int) -> Rate:
    shapes = {name: array.shape for name, array in case.arrays.items()}
    plan = tensor.load(case.model, shapes=shapes)
    work = plan.cost.work
    gas = load_schedule(1).tensor_gas(work.macs, work.elements, work.functions, work.steps)

    def run() -> object:
        return plan.run(case.arrays)

    run()
    once = timeit.timeit(run, number=1)
    number = max(1, int(0.002 / once))
    taken = min(timeit.repeat(run, number=number, repeat=rounds)) / number
    return Rate(case.name, gas, taken * 1e9)


def spread(measured: Sequence[Rate]) -> float:
    """How many times the median rate the furthest operator is from it."""
    middle = statistics.median(each.rate for each in measured)
    return max(max(each.rate / middle, middle / each.rate) for each in measured)


def main() -> int:
    measured = rates()
    middle = statistics.median(each.rate for each in measured)
    for each in sorted(measured, key=lambda each: each.rate):
        print(
            f"{each.name:34} {each.gas:>12,} gas {each.nanoseconds / 1000:>10,.1f} µs"
            f" {each.rate:8.3f} gas/ns {each.rate / middle:6.2f} of the median"
        )
    print(f"median {middle:.3f} gas/ns; furthest from it: {spread(measured):.2f} times")
    return 0


if __name__ == "__main__":
    sys.exit(main())
