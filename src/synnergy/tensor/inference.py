"""Abstract interpretation of a graph at concrete shapes: types, constants, work, peak memory.

TENSOR-40: every operator's `infer` runs on `Value`s; a node whose inputs are all known is folded
through its own `run`, within a cap, and its work is counted as if it ran every time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from synnergy.tensor.execution import (
    BROKEN,
    ArrayScope,
    check_results,
    run_operator,
    title,
)
from synnergy.tensor.limits import FUNCTION_WEIGHT, Limits
from synnergy.tensor.liveness import (
    STRING_BYTES,
    LifetimeCache,
    array_bytes,
    every_graph,
)
from synnergy.tensor.operators.registry import OPERATORS, Operator
from synnergy.tensor.rates import rate_of
from synnergy.tensor.types import (
    DTYPES,
    Array,
    BadInput,
    DependsOnValues,
    Graph,
    MapsType,
    Node,
    Problem,
    Refuse,
    TensorType,
    Value,
    ValueType,
    Work,
)


class UnknownTypes(DependsOnValues):
    """Types are unknown, for a reason already recorded."""


#: Stands for a value of which not even the type is known.
UNKNOWN: Final = None

Inferred = Value | None


@dataclass(frozen=True, slots=True, eq=False)
class Specialised:
    """A plan at fixed input shapes.

    work: what one run costs. memory: peak bytes, weights included. outputs: names and types.
    static: whether every cost follows from the shapes; where it doesn't, `work`, `memory` and
    `outputs` cover only what is known before a run. types: of each node's outputs, None where
    unknown. constants: contents of folded values that the other nodes need. folded: indices of
    the nodes that need not run.
    """

    work: Work
    memory: int
    outputs: tuple[tuple[str, ValueType], ...]
    static: bool
    types: tuple[tuple[ValueType, ...] | None, ...]
    constants: Mapping[str, Array]
    folded: frozenset[int]


@dataclass(slots=True)
class Inference:
    """What accumulates over one specialisation, subgraphs included."""

    limits: Limits
    lifetimes: LifetimeCache
    problems: dict[Problem, None] = field(default_factory=dict[Problem, None])
    dynamic: dict[Problem, None] = field(default_factory=dict[Problem, None])
    visited: int = 0
    folded_work: int = 0
    folded_bytes: int = 0
    live: int = 0
    peak: int = 0

    def hold(self, amount: int) -> None:
        self.live += amount
        self.peak = max(self.peak, self.live)


@dataclass(slots=True, eq=False)
class ValueScope:
    """The values of one pass over a graph; the `Scope` that `infer` and `work` see."""

    inference: Inference
    outer: ValueScope | None
    graph: Graph
    values: dict[str, Inferred] = field(default_factory=dict[str, Inferred])
    constants: dict[str, Array] = field(default_factory=dict[str, Array])
    folded: list[int] = field(default_factory=list[int])
    types: list[tuple[ValueType, ...] | None] = field(
        default_factory=list["tuple[ValueType, ...] | None"]
    )

    def lookup(self, name: str) -> Inferred:
        if name in self.values:
            return self.values[name]
        if name in self.graph.initializers:
            value = value_of(self.graph.initializers[name])
            self.values[name] = value
            return value
        return UNKNOWN if self.outer is None else self.outer.lookup(name)

    def infer_graph(self, graph: Graph, inputs: Sequence[Value]) -> tuple[list[Value], Work]:
        """Output values and work of one pass over `graph`. Raises Refuse."""
        if len(inputs) != len(graph.inputs):
            raise Refuse(f"its subgraph takes {len(graph.inputs)} inputs, not {len(inputs)}")
        names = (entry.name for entry in graph.inputs)
        values: dict[str, Inferred] = dict(zip(names, inputs, strict=True))
        scope = ValueScope(self.inference, self, graph, values)
        before = self.inference.live
        self.inference.hold(sum(type_bytes(value.type) for value in inputs))
        work = infer_nodes(scope)
        self.inference.live = before
        outputs = [scope.lookup(name) for name in graph.outputs]
        if any(output is UNKNOWN for output in outputs):
            raise UnknownTypes("its subgraph has outputs of unknown type")
        return [output for output in outputs if output is not None], work

    def run_graph(self, graph: Graph, inputs: Sequence[Array]) -> list[Array]:
        raise Refuse("a graph does not run during inference")


def value_of(array: Array) -> Value:
    """A value whose contents are known."""
    return Value(TensorType(_NAMES[array.dtype], array.shape), array)


_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def type_bytes(kind: ValueType) -> int:
    """Memory of a value of this type."""
    each = STRING_BYTES if kind.dtype == "string" else DTYPES[kind.dtype].itemsize
    return kind.elements * each


def infer_main(inference: Inference, graph: Graph, inputs: Mapping[str, ValueType]) -> Specialised:
    """Interpret the main graph at these input types; problems are left in `inference`."""
    values: dict[str, Inferred] = {name: Value(kind) for name, kind in inputs.items()}
    scope = ValueScope(inference, None, graph, values)
    weights = (array for inner in every_graph(graph) for array in inner.initializers.values())
    inference.hold(sum(array_bytes(array) for array in weights))
    inference.hold(sum(type_bytes(kind) for kind in inputs.values()))
    work = infer_nodes(scope)
    # Inputs are copied to where kernels work, outputs from there. WORK-2
    work += Work(elements=sum(kind.elements for kind in inputs.values()), steps=0)
    outputs = [(name, scope.lookup(name)) for name in graph.outputs]
    known = tuple((name, value.type) for name, value in outputs if value is not None)
    work += Work(elements=sum(kind.elements for _, kind in known), steps=0)
    folded = frozenset(scope.folded)
    lifetimes = inference.lifetimes.of(graph)
    wanted = set(graph.outputs).union(
        *(names for index, names in enumerate(lifetimes.needed) if index not in folded)
    )
    constants = {name: array for name, array in scope.constants.items() if name in wanted}
    static = not inference.dynamic and not inference.problems
    memory = inference.peak + sum(array_bytes(array) for array in constants.values())
    return Specialised(work, memory, known, static, tuple(scope.types), constants, folded)


def infer_nodes(scope: ValueScope) -> Work:
    """Interpret the nodes of the scope's graph in order; the sum of their work."""
    inference = scope.inference
    lifetimes = inference.lifetimes.of(scope.graph)
    total = Work(steps=0)
    for index, node in enumerate(scope.graph.nodes):
        inference.visited += 1
        if inference.visited > inference.limits.inferences:
            raise Refuse(f"its subgraphs take more than {inference.limits.inferences} steps")
        try:
            outputs, work = _infer_node(scope, index, node)
            total = total + work
        except UnknownTypes:
            outputs = [UNKNOWN] * len(node.outputs)
        except DependsOnValues as refusal:
            inference.dynamic[Problem(node.name, title(node), str(refusal))] = None
            outputs = [UNKNOWN] * len(node.outputs)
        except Refuse as refusal:
            inference.problems[Problem(node.name, title(node), str(refusal))] = None
            outputs = [UNKNOWN] * len(node.outputs)
        types = tuple(output.type for output in outputs if output is not None)
        scope.types.append(types if len(types) == len(outputs) else None)
        for name, output in zip(node.outputs, outputs, strict=False):
            if name:
                scope.values[name] = output
                inference.hold(0 if output is None else type_bytes(output.type))
        for name in lifetimes.released[index]:
            released = scope.values.pop(name, UNKNOWN)
            inference.live -= 0 if released is None else type_bytes(released.type)
    return total


def find_operator(node: Node) -> Operator:
    """The declaration that covers a node. Raises Refuse."""
    operator = OPERATORS.get((node.domain, node.operator))
    if operator is None:
        raise Refuse("this operator isn't supported")
    if node.opset < operator.since:
        raise Refuse(f"opset {node.opset} of it isn't supported; {operator.since} and later are")
    return operator


def infer_types(
    operator: Operator, node: Node, inputs: Sequence[Inferred], scope: ValueScope
) -> tuple[list[ValueType], Work]:
    """Checked output types and work of one node. Raises Refuse.

    A declaration meets attributes written by strangers: where one breaks it, the node is refused
    and the process lives on.
    """
    try:
        types = operator.infer(node, inputs, scope)
        counted = operator.work(node, inputs, types, scope)
        work = rate_of(node.domain, node.operator).of(counted)
    except Refuse:
        raise
    except BROKEN as error:
        reason = f"its attributes or inputs don't fit ({type(error).__name__}: {error})"
        raise Refuse(reason) from error
    if len(types) < len(node.outputs):
        raise Refuse(f"it has {len(node.outputs)} outputs where {len(types)} belong")
    for kind in types:
        _check_type(kind, scope.inference.limits)
    return types, work


def _check_type(kind: ValueType, limits: Limits) -> None:
    shape = (kind.rows, len(kind.labels)) if isinstance(kind, MapsType) else kind.shape
    product = 1
    for dimension in shape:
        if dimension < 0:
            raise Refuse(f"an output's shape {list(shape)} has a negative dimension")
        product *= max(dimension, 1)
    if len(shape) > limits.rank or product > limits.elements:
        raise Refuse(f"an output of {product} elements and rank {len(shape)} is above the limits")


def _infer_node(scope: ValueScope, index: int, node: Node) -> tuple[list[Inferred], Work]:
    inference = scope.inference
    operator = find_operator(node)
    inputs: list[Inferred] = []
    for name in node.inputs:
        value = scope.lookup(name) if name else None
        if name and value is UNKNOWN:
            raise UnknownTypes("an input is of unknown type")
        inputs.append(value)
    needed = {
        name: scope.lookup(name) for name in inference.lifetimes.of(scope.graph).needed[index]
    }
    if any(value is UNKNOWN for value in needed.values()):
        raise UnknownTypes("a captured value is of unknown type")
    known = all(value is not None and value.const is not None for value in needed.values())
    if not operator.static and not known:
        reason = "its work depends on the values it is given"
        inference.dynamic[Problem(node.name, title(node), reason)] = None
        raise UnknownTypes(reason)
    types, work = infer_types(operator, node, inputs, scope)
    outputs: list[Inferred] = [Value(kind) for kind in types]
    if known:
        _fold(scope, index, operator, node, inputs, outputs, work)
    elif operator.value is not None and outputs:
        first = operator.value(node, inputs, scope)
        if first is not None:
            outputs[0] = Value(types[0], first)
            _keep(scope, node, outputs)
            if len(node.outputs) == 1:
                scope.folded.append(index)
    return outputs, work


def _fold(
    scope: ValueScope,
    index: int,
    operator: Operator,
    node: Node,
    inputs: Sequence[Inferred],
    outputs: list[Inferred],
    work: Work,
) -> None:
    """Fill in the contents of `outputs`, unless that would take too much work. TENSOR-41"""
    inference = scope.inference
    types = [value.type for value in outputs if value is not None]
    if not all(isinstance(kind, TensorType) for kind in types):
        return
    cost = work.macs + work.elements + FUNCTION_WEIGHT * work.functions
    cost += sum(kind.elements for kind in types)
    size = sum(map(type_bytes, types))
    if (
        inference.folded_work + cost > inference.limits.folded_work
        or inference.folded_bytes + size > inference.limits.memory
    ):
        return
    inference.folded_work += cost
    inference.folded_bytes += size
    arrays = [None if value is None else value.const for value in inputs]
    captured = {
        name: value.const
        for name in inference.lifetimes.of(scope.graph).needed[index]
        if (value := scope.lookup(name)) is not None and value.const is not None
    }
    try:
        inner = ArrayScope(inference.lifetimes, None, scope.graph, captured)
        results = run_operator(operator, node, arrays, inner)
        check_results(node, results, types)
    except BadInput as error:
        raise Refuse(str(error)) from error
    outputs[:] = [Value(kind, array) for kind, array in zip(types, results, strict=False)]
    _keep(scope, node, outputs)
    scope.folded.append(index)


def _keep(scope: ValueScope, node: Node, outputs: Sequence[Inferred]) -> None:
    for name, value in zip(node.outputs, outputs, strict=False):
        if name and value is not None and value.const is not None:
            scope.constants[name] = value.const
