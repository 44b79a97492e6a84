"""The reference executor: each node's `run` in order, values dropped when dead. TENSOR-42"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from synnergy.tensor.liveness import LifetimeCache
from synnergy.tensor.operators.registry import OPERATORS, Operator, Scope
from synnergy.tensor.types import (
    DTYPES,
    Array,
    BadInput,
    Graph,
    MapsType,
    Node,
    Refuse,
    Value,
    ValueType,
    Work,
)

#: What a declaration may raise on attributes or values that it did not foresee.
BROKEN = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, Refuse)


@dataclass(slots=True, eq=False)
class ArrayScope:
    """The arrays of one pass over a graph; the `Scope` that `run` sees."""

    lifetimes: LifetimeCache
    outer: ArrayScope | None
    graph: Graph
    values: dict[str, Array] = field(default_factory=dict[str, Array])

    def lookup(self, name: str) -> Array:
        if name in self.values:
            return self.values[name]
        if name in self.graph.initializers:
            return self.graph.initializers[name]
        if self.outer is None:
            raise BadInput(f"the value {name!r} is missing")
        return self.outer.lookup(name)

    def run_graph(self, graph: Graph, inputs: Sequence[Array]) -> list[Array]:
        """Output arrays of one pass over `graph`. Raises BadInput."""
        if len(inputs) != len(graph.inputs):
            raise BadInput(f"a subgraph takes {len(graph.inputs)} inputs, not {len(inputs)}")
        names = (entry.name for entry in graph.inputs)
        values = dict(zip(names, inputs, strict=True))
        scope = ArrayScope(self.lifetimes, self, graph, values)
        run_nodes(scope)
        return [scope.lookup(name) for name in graph.outputs]

    def infer_graph(self, graph: Graph, inputs: Sequence[Value]) -> tuple[list[Value], Work]:
        raise Refuse("types are inferred before a run, not during one")


def run_nodes(
    scope: ArrayScope,
    skipped: AbstractSet[int] = frozenset(),
    types: Sequence[tuple[ValueType, ...] | None] = (),
) -> None:
    """Run the nodes of the scope's graph in order, except those `skipped`. Raises BadInput.

    Results must have the `types` that were planned, where these are given.
    """
    lifetimes = scope.lifetimes.of(scope.graph)
    for index, node in enumerate(scope.graph.nodes):
        if index not in skipped:
            operator = OPERATORS[(node.domain, node.operator)]
            inputs = [scope.lookup(name) if name else None for name in node.inputs]
            results = run_operator(operator, node, inputs, scope)
            planned = types[index] if types else None
            if planned is not None:
                check_results(node, results, planned)
            for name, result in zip(node.outputs, results, strict=False):
                if name:
                    scope.values[name] = result
        for name in lifetimes.released[index]:
            scope.values.pop(name, None)


def run_operator(
    operator: Operator, node: Node, inputs: Sequence[Array | None], scope: Scope
) -> list[Array]:
    """One node's results. A value that breaks the declaration becomes BadInput, not a crash."""
    try:
        return operator.run(node, inputs, scope)
    except BROKEN as error:
        reason = f"{title(node)} ({node.name}) can't compute these values"
        raise BadInput(f"{reason} ({type(error).__name__}: {error})") from error


def check_results(node: Node, results: Sequence[Array], types: Sequence[ValueType]) -> None:
    """Raise BadInput unless a node's results have the types that were planned."""
    if len(results) < len(node.outputs):
        raise BadInput(f"{title(node)} ({node.name}) gave {len(results)} results")
    for result, kind in zip(results, types, strict=False):
        shape = (kind.rows, len(kind.labels)) if isinstance(kind, MapsType) else kind.shape
        if result.dtype != DTYPES[kind.dtype] or result.shape != shape:
            raise BadInput(
                f"{title(node)} ({node.name}) gave {result.dtype}{list(result.shape)}"
                f" where {kind.dtype}{list(shape)} was planned"
            )


def title(node: Node) -> str:
    """An operator's name with its domain, as problems show it."""
    return f"{node.domain}::{node.operator}" if node.domain else node.operator
