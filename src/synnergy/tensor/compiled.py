"""A plan at fixed shapes as programs for the kernels, and its runs.

Nodes that are lowered become steps; the others are run by their reference declaration between two
stretches of steps, on views of the same memory. A graph that is lowered whole is one call.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import numpy as np

from synnergy.tensor.casts import canonicalise
from synnergy.tensor.encoding import NamedTensor
from synnergy.tensor.environment import check_environment, quiet
from synnergy.tensor.execution import ArrayScope, check_results, run_operator
from synnergy.tensor.inference import Specialised
from synnergy.tensor.kernels.program import DTYPE_CODES, Builder, Operand, Program, Weights
from synnergy.tensor.kernels.runtime import Prepared, Session
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.liveness import LifetimeCache, subgraphs
from synnergy.tensor.lowering.registry import LABELLING, LOWERINGS, Site
from synnergy.tensor.operators.registry import OPERATORS
from synnergy.tensor.types import DTYPES, Array, Graph, Node, TensorType, ValueType

#: Inputs of a node that may follow another: no lowering takes one of more.
_FOLLOWER_INPUTS = 8
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
    """What a run needs. `values` tells where the kernels keep a named tensor.

    whole: whether every node is lowered and every output is in the kernels' memory, NaN already
    canonicalised: then a run is one call of them.
    """

    program: Program
    parts: tuple[Part, ...]
    inputs: Mapping[str, Operand]
    values: Mapping[str, Operand]
    labels: Mapping[str, Array]
    constants: Mapping[str, Array]
    outputs: tuple[tuple[str, ValueType], ...]
    whole: bool


def _plain(kind: ValueType) -> TensorType:
    """A type as kernels see it: maps are the matrix of their numbers."""
    if isinstance(kind, TensorType):
        return kind
    return TensorType(kind.dtype, (kind.rows, len(kind.labels)))


@dataclass(slots=True, eq=False)
class Lowering:
    """One pass over a specialised graph; also the `Followers` of the node at hand."""

    graph: Graph
    specialised: Specialised
    given: Mapping[str, ValueType]
    lifetimes: LifetimeCache
    builder: Builder
    values: dict[str, Operand] = field(default_factory=dict[str, Operand])
    labels: dict[str, Array] = field(default_factory=dict[str, Array])
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

    def operand(self, name: str, labelling: bool = False) -> Operand | None:
        """Where a value is for the kernels; None where it is left out or they can't hold it.

        Texts are places in `labels`, for those who know of these.
        """
        if not name or (name in self.labels and not labelling):
            return None
        known = self.values.get(name)
        array = self.constant(name) if known is None else None
        if array is None:
            return known
        if str(array.dtype) in _HELD:
            shared = name if name in self.graph.initializers else ""
            known = self.values[name] = self.builder.constant(array, shared)
        elif labelling:
            places: Array = np.arange(array.size, dtype=np.int64)
            known = self.values[name] = self.builder.constant(places.reshape(array.shape))
            self.labels[name] = array.reshape(-1)
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
        labelling = (node.domain, node.operator) in LABELLING
        inputs = [self.operand(name, labelling) for name in node.inputs]
        given = zip(node.inputs, inputs, strict=True)
        if any(name and operand is None for name, operand in given):
            return False
        kinds = tuple(_plain(kind) for kind in types)
        if not labelling and any(kind.dtype not in _HELD for kind in kinds):
            return False
        self._at = index
        texts = {
            place: self.labels[name]
            for place, name in enumerate(node.inputs)
            if name in self.labels
        }
        site = Site(node, inputs, kinds, self.builder, self, texts)
        results = lower(site)
        if results is None:
            return False
        for place, labels in site.labels.items():
            self.labels[node.outputs[place]] = labels
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
        if len(follower.inputs) > _FOLLOWER_INPUTS:
            return None  # a million of them would be gone through after each node that gives one
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

    def canonical(self, name: str, kind: ValueType) -> bool:
        """Give an output's NaN their one form where kernels can; whether they could."""
        operand = self.values.get(name)
        if operand is None or self.constant(name) is not None:
            return False
        if DTYPES[kind.dtype].kind == "f" and operand.elements:
            self.builder.step(Step.CANONICALISE, operand.code, operand, operand.elements)
        self.builder.touch(operand.buffer, len(self.builder.steps))
        return True

    def flush(self) -> None:
        """End the stretch of steps at hand."""
        if len(self.builder.steps) > self._begin:
            self.parts.append((self._begin, len(self.builder.steps)))
            self._begin = len(self.builder.steps)


#: What a program may need beyond the limit, or twice what the graph costs, for padded layouts.
_SPARE = 256 << 20


def compile_graph(
    graph: Graph,
    specialised: Specialised,
    inputs: Mapping[str, ValueType],
    lifetimes: LifetimeCache,
    session: Session,
    weights: Weights,
    memory: int,
) -> Compiled:
    """Lower a graph at these input types; its weights are placed in the session.

    Raises MemoryError where that takes far more than `memory`, the limit on a run, and than the
    graph costs. Whatever it raises, session and weights are of no more use then.
    """
    builder = Builder(weights)
    lowering = Lowering(graph, specialised, inputs, lifetimes, builder)
    lowering.run()
    canonical = [lowering.canonical(name, kind) for name, kind in specialised.outputs]
    lowering.flush()
    program = builder.finish()
    needed = program.workspace + program.scratch + builder.placed_bytes
    if needed > max(memory, 2 * specialised.memory) + _SPARE:
        raise MemoryError(f"the kernels would need {needed} bytes")
    if builder.placed:
        session.place(builder)
        if weights.segments:
            weights.later_bytes += builder.placed_bytes
        else:
            weights.first_bytes = builder.placed_bytes
        weights.segments += 1
    parts = tuple(
        part if isinstance(part, HostNode) else (program.marks[part[0]], program.marks[part[1]])
        for part in lowering.parts
    )
    given = {name: lowering.values[name] for name in inputs if name in lowering.values}
    known = {**graph.initializers, **specialised.constants}
    constants = {name: array for name, array in known.items() if name not in inputs}
    whole = all(canonical) and len(given) == len(inputs)
    whole = whole and not any(isinstance(part, HostNode) for part in parts)
    values = lowering.values
    labels = lowering.labels
    return Compiled(program, parts, given, values, labels, constants, specialised.outputs, whole)


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
        if constant is not None:
            return constant
        array = self.prepared.array(self.compiled.values[name])
        labels = self.compiled.labels.get(name)
        return array if labels is None else labels[array]


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
    with prepared as memory:
        if compiled.whole:
            for name, operand in compiled.inputs.items():
                memory.array(operand)[...] = arrays[name]
            memory.run(0, len(compiled.program.words))
            values = compiled.values
            results = [
                (name, kind, memory.array(values[name]).copy()) for name, kind in compiled.outputs
            ]
            return _labelled(results, compiled.labels) if compiled.labels else results
        return _run_parts(compiled, memory, arrays, graph, lifetimes)


def _labelled(results: list[NamedTensor], labels: Mapping[str, Array]) -> list[NamedTensor]:
    """Texts in the place of their numbers."""
    return [
        (name, kind, labels[name][array] if name in labels else array)
        for name, kind, array in results
    ]


@quiet
def _run_parts(
    compiled: Compiled,
    memory: Prepared,
    arrays: Mapping[str, Array],
    graph: Graph,
    lifetimes: LifetimeCache,
) -> list[NamedTensor]:
    check_environment()
    scope = RunScope(compiled, memory, {})
    for name, array in arrays.items():
        operand = compiled.inputs.get(name)
        if operand is None:
            scope.kept[name] = array
        else:
            memory.array(operand)[...] = array
    for part in compiled.parts:
        if isinstance(part, HostNode):
            run_host(part, scope, graph, lifetimes)
        else:
            memory.run(*part)
    check_environment()
    return [
        (name, kind, canonicalise(np.array(scope.lookup(name), order="C")))
        for name, kind in compiled.outputs
    ]


@dataclass(slots=True, eq=False)
class Kernelled:
    """A plan's weights on one build of the kernels, and its programs by input shapes.

    None stands for shapes that are left to the reference.
    """

    session: Session
    weights: Weights = field(default_factory=Weights)
    compiled: dict[Specialised, Compiled | None] = field(
        default_factory=dict[Specialised, "Compiled | None"]
    )

    @property
    def outgrown(self) -> bool:
        """Whether weights of shapes that may be forgotten outweigh those of the first shape."""
        first, later = self.weights.first_bytes, self.weights.later_bytes
        return later > max(first, _LEAST_LATER) or self.weights.segments >= _SEGMENTS

    def forget(self, alive: AbstractSet[Specialised]) -> None:
        """Drop programs of shapes that the plan no longer remembers."""
        for specialised in [each for each in self.compiled if each not in alive]:
            del self.compiled[specialised]


#: Bytes and segments of weights that later shapes may add before a plan begins anew.
_LEAST_LATER, _SEGMENTS = 16 << 20, 64
#: Scratch memory of all threads together; fewer compute where they would need more.
_ALL_SCRATCH = 256 << 20
#: A workspace of more bytes is kept only until a run of other shapes wants one as large.
_SMALL = 32 << 20


def threads_within(program: Program, threads: int) -> int:
    """As many of these threads as there is scratch memory for."""
    return min(threads, max(1, _ALL_SCRATCH // max(1, program.scratch)))


@dataclass(slots=True, eq=False)
class Ready:
    """What runs of one signature share: their program, and workspaces that no run is using.

    large: the one large workspace that a plan keeps, with whose it is.
    """

    compiled: Compiled
    session: Session
    threads: int
    texts: bool
    large: list[tuple[Ready, Prepared]]
    free: list[Prepared] = field(default_factory=list[Prepared])

    def run(
        self, arrays: Mapping[str, Array], graph: Graph, lifetimes: LifetimeCache
    ) -> list[NamedTensor]:
        """`run_compiled` in a workspace of its own."""
        prepared = self._acquire()
        results = run_compiled(self.compiled, prepared, arrays, graph, lifetimes)
        program = self.compiled.program
        if program.workspace + program.scratch * self.threads <= _SMALL:
            self.free.append(prepared)
        else:
            self.large[:] = [(self, prepared)]
        return results

    def _acquire(self) -> Prepared:
        """Threads may meet here: taking from a list is one operation."""
        try:
            return self.free.pop()
        except IndexError:
            pass
        try:
            owner, prepared = self.large.pop()
        except IndexError:
            owner, prepared = None, None
        if owner is self and prepared is not None:
            return prepared
        return self.session.prepare(self.compiled.program, self.threads)
