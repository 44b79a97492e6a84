"""A plan at fixed shapes as programs for the kernels, and its runs.

Nodes that are lowered become steps; the others are run by their reference declaration between two
stretches of steps, on views of the same memory. A graph that is lowered whole is one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from synnergy.tensor.casts import canonicalise
from synnergy.tensor.encoding import NamedTensor
from synnergy.tensor.execution import ArrayScope, check_results, run_operator
from synnergy.tensor.inference import Specialised
from synnergy.tensor.kernels.program import DTYPE_CODES, Builder, Operand, Program, Weights
from synnergy.tensor.kernels.runtime import Prepared, Runtime, Session
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.liveness import LifetimeCache, subgraphs
from synnergy.tensor.lowering.registry import LOWERINGS, Site
from synnergy.tensor.operators.registry import OPERATORS
from synnergy.tensor.types import Array, Graph, Node, TensorType, ValueType

#: Element types of which kernels can hold a tensor.
_HELD = frozenset(DTYPE_CODES)


@dataclass(frozen=True, slots=True, eq=False)
class HostNode:
    """A node that its reference declaration runs: `needed` names what it reads, subgraphs
    included; results go to the operands, or stay with the run where one is None."""

    node: Node
    needed: tuple[str, ...]
    results: tuple[Operand | None, ...]
    types: tuple[ValueType, ...] | None


#: Steps begin..end of the program, or a node between them.
Part = tuple[int, int] | HostNode


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """What a run needs. `values` tells where the kernels keep a named tensor."""

    program: Program
    parts: tuple[Part, ...]
    inputs: Mapping[str, Operand]
    values: Mapping[str, Operand]
    constants: Mapping[str, Array]
    outputs: tuple[tuple[str, ValueType], ...]

    @property
    def whole(self) -> bool:
        """Whether every node is lowered: one call of the kernels."""
        return not any(isinstance(part, HostNode) for part in self.parts)


@dataclass(slots=True, eq=False)
class Lowering:
    """One pass over a specialised graph; also the `Followers` of the node at hand."""

    graph: Graph
    specialised: Specialised
    given: Mapping[str, ValueType]
    lifetimes: LifetimeCache
    builder: Builder
    values: dict[str, Operand] = field(default_factory=dict[str, Operand])
    parts: list[Part] = field(default_factory=list[Part])
    done: set[int] = field(default_factory=set[int])
    _begin: int = 0
    _users: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    _at: int = 0
    _next: int = -1

    def __post_init__(self) -> None:
        self.done |= self.specialised.folded
        for index, node in enumerate(self.graph.nodes):
            if index in self.done:
                continue
            for name in node.inputs:
                self._users.setdefault(name, []).append(index)
            for name in self.lifetimes.of(self.graph).needed[index].difference(node.inputs):
                self._users.setdefault(name, []).extend((index, index))  # a capture never fuses
        for name in self.graph.outputs:
            self._users.setdefault(name, []).extend((-1, -1))

    def operand(self, name: str) -> Operand | None:
        """Where a value is for the kernels; None where it is left out or they can't hold it."""
        if not name:
            return None
        known = self.values.get(name)
        if known is None:
            array = self.constant(name)
            if array is not None and str(array.dtype) in _HELD:
                shared = name if name in self.graph.initializers else ""
                known = self.values[name] = self.builder.constant(array, shared)
        return known

    def constant(self, name: str) -> Array | None:
        """Contents that are known before a run; a given input takes an initializer's place."""
        if name in self.given:
            return None
        array = self.specialised.constants.get(name)
        return self.graph.initializers.get(name) if array is None else array

    def run(self) -> None:
        """Lower every node in order."""
        for name, kind in self.given.items():
            if isinstance(kind, TensorType) and kind.dtype in _HELD:
                operand = self.values[name] = self.builder.tensor(kind.dtype, kind.shape)
                self.builder.touch(operand.buffer, 0)
        for index, node in enumerate(self.graph.nodes):
            if index not in self.done:
                self.done.add(index)
                if not self._lower(index, node):
                    self._leave(index, node)

    def _lower(self, index: int, node: Node) -> bool:
        lower = LOWERINGS.get((node.domain, node.operator))
        types = self.specialised.types[index]
        if lower is None or types is None or list(subgraphs(node)):
            return False
        inputs = [self.operand(name) for name in node.inputs]
        given = zip(node.inputs, inputs, strict=True)
        if any(name and operand is None for name, operand in given):
            return False
        kinds = [kind for kind in types if isinstance(kind, TensorType) and kind.dtype in _HELD]
        if len(kinds) != len(types):
            return False
        self._at = index
        results = lower(Site(node, inputs, tuple(kinds), self.builder, self))
        if results is None:
            return False
        last = self.graph.nodes[self._at]
        for name, operand in zip(last.outputs, results, strict=False):
            if name:
                self.values[name] = operand
        return True

    def next(self) -> tuple[Node, list[Operand | None], TensorType] | None:
        node = self.graph.nodes[self._at]
        users = self._users.get(node.outputs[0], []) if node.outputs else []
        if len(users) != 1 or any(self._users.get(name) for name in node.outputs[1:]):
            return None
        (self._next,) = users
        follower, types = self.graph.nodes[self._next], self.specialised.types[self._next]
        if types is None or not isinstance(types[0], TensorType) or len(types) != 1:
            return None
        inputs: list[Operand | None] = []
        for name in follower.inputs:
            operand = None if name == node.outputs[0] else self.operand(name)
            if operand is None and name not in ("", node.outputs[0]):
                return None
            inputs.append(operand)
        return follower, inputs, types[0]

    def take(self) -> None:
        self._at = self._next
        self.done.add(self._next)

    def _leave(self, index: int, node: Node) -> None:
        """The node is for its reference declaration."""
        self.flush()
        types = self.specialised.types[index]
        needed = tuple(sorted(self.lifetimes.of(self.graph).needed[index]))
        results: list[Operand | None] = []
        for position, name in enumerate(node.outputs):
            kind = types[position] if types is not None else None
            operand = None
            if name and isinstance(kind, TensorType) and kind.dtype in _HELD:
                operand = self.builder.tensor(kind.dtype, kind.shape)
            results.append(operand)
            if operand is not None:
                self.values[name] = operand
        read = [self.values[name] for name in needed if name in self.values]
        self.builder.step(None, *read, *results)
        self._begin = len(self.builder.steps)
        self.parts.append(HostNode(node, needed, tuple(results), types))

    def flush(self) -> None:
        """End the stretch of steps at hand."""
        if len(self.builder.steps) > self._begin:
            self.parts.append((self._begin, len(self.builder.steps)))
            self._begin = len(self.builder.steps)


def compile_graph(
    graph: Graph,
    specialised: Specialised,
    inputs: Mapping[str, ValueType],
    lifetimes: LifetimeCache,
    session: Session,
    weights: Weights,
) -> Compiled:
    """Lower a graph at these input types; its weights are placed in the session."""
    builder = Builder(weights)
    lowering = Lowering(graph, specialised, inputs, lifetimes, builder)
    lowering.run()
    end = len(builder.steps)
    for name, kind in specialised.outputs:
        operand = lowering.values.get(name)
        if operand is None or lowering.constant(name) is not None:
            continue
        if kind.dtype == "float32" and operand.elements:
            builder.step(Step.CANONICALISE_F32, operand, operand.elements)
        builder.touch(operand.buffer, max(end, len(builder.steps)))
    lowering.flush()
    program = builder.finish()
    if builder.placed_bytes:
        session.place(builder)
        weights.segments += 1
    parts = tuple(
        part if isinstance(part, HostNode) else (program.marks[part[0]], program.marks[part[1]])
        for part in lowering.parts
    )
    given = {name: lowering.values[name] for name in inputs if name in lowering.values}
    known = {**graph.initializers, **specialised.constants}
    constants = {name: array for name, array in known.items() if name not in inputs}
    return Compiled(program, parts, given, lowering.values, constants, specialised.outputs)


@dataclass(slots=True, eq=False)
class RunScope:
    """The named values of one run, as the reference declarations of its nodes ask for them."""

    compiled: Compiled
    prepared: Prepared
    kept: dict[str, Array]

    def lookup(self, name: str) -> Array:
        if name in self.kept:
            return self.kept[name]
        constant = self.compiled.constants.get(name)
        return self.prepared.array(self.compiled.values[name]) if constant is None else constant


def run_host(part: HostNode, scope: RunScope, graph: Graph, lifetimes: LifetimeCache) -> None:
    """Run one node by its reference declaration. Raises BadInput."""
    node = part.node
    values = {name: scope.lookup(name) for name in part.needed}
    inner = ArrayScope(lifetimes, None, graph, values)
    inputs = [values[name] if name else None for name in node.inputs]
    results = run_operator(OPERATORS[(node.domain, node.operator)], node, inputs, inner)
    if part.types is not None:
        check_results(node, results, part.types)
    for name, operand, result in zip(node.outputs, part.results, results, strict=False):
        if operand is not None:
            scope.prepared.array(operand)[...] = result
        elif name:
            scope.kept[name] = result


def run_compiled(
    compiled: Compiled,
    prepared: Prepared,
    arrays: Mapping[str, Array],
    graph: Graph,
    lifetimes: LifetimeCache,
) -> list[NamedTensor]:
    """Outputs of one run, their own memory, NaN canonicalised. Raises BadInput."""
    with prepared:
        scope = RunScope(compiled, prepared, {})
        for name, array in arrays.items():
            operand = compiled.inputs.get(name)
            if operand is None:
                scope.kept[name] = array
            else:
                prepared.array(operand)[...] = array
        for part in compiled.parts:
            if isinstance(part, HostNode):
                run_host(part, scope, graph, lifetimes)
            else:
                prepared.run(*part)
        return [
            (name, kind, canonicalise(np.array(scope.lookup(name), order="C")))
            for name, kind in compiled.outputs
        ]


@dataclass(slots=True, eq=False)
class Kernelled:
    """A plan's programs on one build of the kernels: its weights, and workspaces that are free."""

    runtime: Runtime
    session: Session
    weights: Weights = field(default_factory=Weights)
    compiled: dict[Specialised, Compiled] = field(default_factory=dict[Specialised, Compiled])
    free: dict[tuple[Compiled, int], list[Prepared]] = field(
        default_factory=dict["tuple[Compiled, int]", "list[Prepared]"]
    )

    def acquire(self, compiled: Compiled, threads: int) -> Prepared:
        try:
            return self.free[(compiled, threads)].pop()
        except (KeyError, IndexError):
            return self.session.prepare(compiled.program, threads)

    def release(self, compiled: Compiled, threads: int, prepared: Prepared) -> None:
        self.free.setdefault((compiled, threads), []).append(prepared)

    def forget(self, alive: Sequence[Specialised]) -> None:
        """Drop programs of shapes that the plan no longer remembers."""
        for specialised in self._stale(alive):
            compiled = self.compiled.pop(specialised)
            for key in [key for key in self.free if key[0] is compiled]:
                del self.free[key]

    def _stale(self, alive: Sequence[Specialised]) -> Iterator[Specialised]:
        kept = set(alive)
        yield from [each for each in self.compiled if each not in kept]
