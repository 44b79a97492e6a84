"""Runs every case on every path of this machine and compares with what is recorded. TENSOR-64"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synnergy.tensor.encoding import encode_tensors
from synnergy.tensor.kernels.selection import builds
from synnergy.tensor.plan import Plan, load
from synnergy.tensor.selftest.case import Case
from synnergy.tensor.selftest.models import models
from synnergy.tensor.selftest.node_suite import node_suite
from synnergy.tensor.selftest.operators import operators
from synnergy.tensor.types import Array, BadInput, TensorType, Unsupported

DIGESTS = Path(__file__).with_name("digests.json")
REFERENCE = "reference"

_THREADS = 3


@dataclass(slots=True)
class Outcome:
    """What one path gave: cases that were equal, and of their nodes those kernels ran."""

    name: str
    equal: int = 0
    different: list[str] = field(default_factory=list[str])
    nodes: int = 0
    lowered: int = 0


@dataclass(frozen=True, slots=True)
class Recorded:
    """The digest of a case itself, by which it is known to be the same, and of its results."""

    case: str
    results: str


@dataclass(slots=True)
class Report:
    """A self-test's outcome. unknown: cases that differ from the recorded or aren't recorded."""

    paths: list[Outcome]
    cases: int = 0
    unknown: list[str] = field(default_factory=list[str])
    missing: list[str] = field(default_factory=list[str])

    @property
    def held(self) -> bool:
        wrong = any(path.different for path in self.paths)
        return not wrong and not self.missing and not self.unknown and self.cases > 0


def cases() -> Iterator[Case]:
    """Every case, by family: own graphs, whole models, ONNX's node tests."""
    yield from operators()
    yield from models()
    yield from node_suite()


def paths_here(kernel: str = "auto") -> tuple[str, ...]:
    """The paths of this machine that `kernel` stands for; auto for all, the reference too."""
    if kernel == "auto":
        return (REFERENCE, *builds())
    return tuple(name for name in builds() if name.startswith(kernel)) or (REFERENCE,)


def recorded() -> dict[str, Recorded]:
    """The digests that came with the package."""
    lines: dict[str, str] = json.loads(DIGESTS.read_text("utf-8"))
    return {name: Recorded(*line.split()) for name, line in lines.items()}


def check(
    paths: Iterable[str],
    every: Iterable[Case],
    known: Mapping[str, Recorded],
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Compare each case's results on each path with the digest known; `tell` gets mismatches."""
    report = Report([Outcome(name) for name in paths])
    left = dict(known)
    for case in every:
        try:
            plan = plan_of(case)
        except Unsupported:
            if left.pop(case.name, None) is not None:
                report.unknown.append(case.name)
            continue
        report.cases += 1
        wanted = left.pop(case.name, None)
        if wanted is None or wanted.case != case_digest(case):
            report.unknown.append(case.name)
            tell(f"{case.name}: {'not recorded' if wanted is None else 'another case here'}")
            continue
        for path in report.paths:
            if path.name != REFERENCE and not plan.static:
                continue
            _count(path, plan, case)
            if results_digest(plan, case, path.name) == wanted.results:
                path.equal += 1
            else:
                path.different.append(case.name)
                tell(f"{case.name}: {path.name} gives other bits")
    report.missing = list(left)
    return report


def _count(path: Outcome, plan: Plan, case: Case) -> None:
    if path.name == REFERENCE:
        return
    shapes = {name: array.shape for name, array in case.feeds[0].items()}
    left = plan.left_to_reference(shapes, path.name)
    path.nodes += len(plan.model.graph.nodes)
    path.lowered += len(plan.model.graph.nodes) - len(left)


def plan_of(case: Case) -> Plan:
    """The plan at the shapes of the case's inputs. Raises Unsupported."""
    return load(case.model, shapes={name: a.shape for name, a in case.feeds[0].items()})


def record(every: Iterable[Case]) -> dict[str, str]:
    """What `recorded` reads, made by the reference; cases that it refuses are left out."""
    made: dict[str, str] = {}
    for case in every:
        try:
            plan = plan_of(case)
        except Unsupported:
            continue
        if case.name in made:
            raise ValueError(f"two cases are called {case.name}")
        made[case.name] = f"{case_digest(case)} {results_digest(plan, case, REFERENCE)}"
    return dict(sorted(made.items()))


def case_digest(case: Case) -> str:
    """The start of a SHA-256 over a model and its inputs."""
    total = hashlib.sha256(case.model)
    for feed in case.feeds:
        total.update(_encoded(feed))
    return total.hexdigest()[:16]


def _encoded(feed: Mapping[str, Array]) -> bytes:
    kinds = {
        name: TensorType("string" if array.dtype == object else str(array.dtype), array.shape)
        for name, array in feed.items()
    }
    return encode_tensors([(name, kinds[name], array) for name, array in feed.items()])


def results_digest(plan: Plan, case: Case, path: str) -> str:
    """SHA-256 over the canonical bytes of what each feed gives, by one thread and by three."""
    total = hashlib.sha256()
    for feed in case.feeds:
        alone = outcome(plan, feed, path, 1)
        together = alone if path == REFERENCE else outcome(plan, feed, path, _THREADS)
        total.update(alone if alone == together else b"threads")
    return total.hexdigest()


def outcome(plan: Plan, feed: Mapping[str, Array], path: str, threads: int) -> bytes:
    """The canonical bytes of a run's results, or that its inputs are refused."""
    try:
        return encode_tensors(plan.execute(feed, path, threads))
    except (BadInput, Unsupported) as refused:
        return type(refused).__name__.encode()
    except Exception as error:  # whatever it is, it is another answer than the reference's
        if path == REFERENCE:
            raise
        return f"{type(error).__name__}: {error}".encode()
