"""No kernel writes beside its operands, nor reads what nothing wrote.

Every case of the self-test runs with each tensor in memory of its own, between walls, and all of
it filled with junk before: a wall that changed was written over, and results that differ from the
reference's came from junk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from synnergy.tensor import BadInput, Plan, Unsupported
from synnergy.tensor.kernels import native, program
from synnergy.tensor.kernels.program import Buffer, Program, aligned
from synnergy.tensor.kernels.selection import builds
from synnergy.tensor.kernels.vectors import FILL
from synnergy.tensor.selftest.case import Case
from synnergy.tensor.selftest.check import REFERENCE, cases, plan_of, results_digest

WALL = 128


@pytest.fixture
def walls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, list[tuple[int, int]]]]]:
    """Workspaces in use, each with the ends of its walls."""
    layouts: dict[int, list[tuple[int, int]]] = {}
    watched: list[tuple[Any, list[tuple[int, int]]]] = []
    latest: list[list[tuple[int, int]]] = []

    def lay_out(buffers: Sequence[Buffer]) -> int:
        place = WALL
        found = [(0, WALL)]
        for buffer in buffers:
            buffer.offset = place
            place += aligned(max(buffer.size, 1)) + WALL
            found.append((place - WALL, place))
        latest.append(found)
        return place

    finish = program.Builder.finish

    def finished(builder: program.Builder) -> Program:
        made = finish(builder)
        layouts[id(made.words)] = latest[-1]
        kept.append(made)
        return made

    kept: list[Program] = []
    begin = native.NativePrepared.__init__

    def prepared(
        self: native.NativePrepared, session: native.NativeSession, made: Program, threads: int
    ) -> None:
        begin(self, session, made, threads)
        self.workspace[...] = FILL
        self.segments[1][...] = FILL
        watched.append((self.workspace, layouts[id(made.words)]))

    monkeypatch.setattr(program, "lay_out", lay_out)
    monkeypatch.setattr(program.Builder, "finish", finished)
    monkeypatch.setattr(native.NativePrepared, "__init__", prepared)
    yield watched


def kernel() -> str:
    """The fastest native build: the one whose vectors are the widest."""
    return next((name for name in builds() if name.startswith("native")), "")


@pytest.mark.skipif(not kernel(), reason="no native kernels are installed")
def test_kernels_stay_within_their_operands(walls: list[Any]) -> None:
    checked = 0
    for case in cases():
        plan = planned(case)
        if plan is None or not plan.static:
            continue
        walls.clear()
        expected = results_digest(plan, case, REFERENCE)
        assert results_digest(plan, case, kernel()) == expected, f"{case.name} reads junk"
        for workspace, ends in walls:
            for start, end in ends:
                assert (workspace[start:end] == FILL).all(), f"{case.name} writes at {start}"
        checked += 1
    assert checked > 1000


def planned(case: Case) -> Plan | None:
    try:
        return plan_of(case)
    except (Unsupported, BadInput):
        return None
