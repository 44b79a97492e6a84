"""Execution of graphs whose shapes or work depend on values: `tensor run` only. TENSOR-43

Types are inferred node by node from the arrays at hand, then the node runs; what cannot be
inferred before it runs (NonZero, a loop until a condition) takes its types from its results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synnergy.tensor.execution import check_results, run_operator, title
from synnergy.tensor.inference import (
    ValueScope,
    infer_types,
    value_of,
)
from synnergy.tensor.operators.registry import OPERATORS
from synnergy.tensor.types import (
    Array,
    BadInput,
    DependsOnValues,
    Graph,
    Node,
    Refuse,
    Value,
    ValueType,
)


@dataclass(slots=True, eq=False)
class DynamicScope(ValueScope):
    """A scope in which every value's contents are known, so that subgraphs can run in it."""

    def run_graph(self, graph: Graph, inputs: Sequence[Array]) -> list[Array]:
        """Output arrays of one pass over `graph`. Raises BadInput."""
        if len(inputs) != len(graph.inputs):
            raise BadInput(f"a subgraph takes {len(graph.inputs)} inputs, not {len(inputs)}")
        names = (entry.name for entry in graph.inputs)
        values = {name: value_of(array) for name, array in zip(names, inputs, strict=True)}
        scope = DynamicScope(self.inference, self, graph, {**values})
        run_dynamic(scope)
        return [contents(scope, name) for name in graph.outputs]


def contents(scope: ValueScope, name: str) -> Array:
    """The array behind a name. Raises BadInput."""
    value = scope.lookup(name)
    if value is None or value.const is None:
        raise BadInput(f"the value {name!r} is missing")
    return value.const


def run_dynamic(scope: DynamicScope) -> None:
    """Run the nodes of the scope's graph in order, inferring as it goes. Raises BadInput."""
    lifetimes = scope.inference.lifetimes.of(scope.graph)
    for index, node in enumerate(scope.graph.nodes):
        for name, value in zip(node.outputs, _run_node(scope, node), strict=False):
            if name:
                scope.values[name] = value
        for name in lifetimes.released[index]:
            scope.values.pop(name, None)


def _run_node(scope: DynamicScope, node: Node) -> list[Value]:
    arrays = [contents(scope, name) if name else None for name in node.inputs]
    inputs = [scope.lookup(name) if name else None for name in node.inputs]
    types: list[ValueType] | None = None
    operator = OPERATORS[(node.domain, node.operator)]
    try:
        if operator.static:
            types, _ = infer_types(operator, node, inputs, scope)
    except DependsOnValues:
        types = None
    except Refuse as refusal:
        raise BadInput(f"{title(node)} ({node.name}): {refusal}") from refusal
    results = run_operator(operator, node, arrays, scope)
    if types is None:
        return [value_of(result) for result in results]
    check_results(node, results, types)
    return [Value(kind, result) for kind, result in zip(types, results, strict=False)]
