"""Subgraphs: If and Scan, whose cost is known before they run.

SHAPE-80: a subgraph inside another counts as a level; more than `LEVELS` are refused, so that
planning stays proportional to the model's size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import (
    Array,
    DependsOnValues,
    Graph,
    Node,
    Refuse,
    TensorType,
    Value,
    ValueType,
    Work,
)

#: How deep subgraphs may be nested.
LEVELS = 4
#: How many iterations of a Loop are planned one by one.
UNROLLED = 64


def _subgraphs(graph: Graph) -> Iterator[Graph]:
    for node in graph.nodes:
        for value in node.attributes.values():
            if isinstance(value, Graph):
                yield value


def check_levels(graph: Graph, left: int = LEVELS) -> None:
    """Refuse a subgraph that nests more than `left` levels. SHAPE-80"""
    if left <= 0:
        raise Refuse(f"subgraphs are nested more than {LEVELS} deep")
    for inner in _subgraphs(graph):
        check_levels(inner, left - 1)


def _body(node: Node, name: str, inputs: int | None, outputs: int) -> Graph:
    """A subgraph attribute with these numbers of inputs and outputs (at least)."""
    graph = arguments.subgraph(node, name)
    check_levels(graph)
    if inputs is not None and len(graph.inputs) != inputs:
        raise Refuse(f"subgraph {name} has {len(graph.inputs)} inputs where {inputs} belong")
    if len(graph.outputs) != outputs:
        raise Refuse(f"subgraph {name} has {len(graph.outputs)} outputs where {outputs} belong")
    return graph


def _branches(node: Node) -> tuple[Graph, Graph]:
    count = len(node.outputs)
    return _body(node, "then_branch", 0, count), _body(node, "else_branch", 0, count)


def _condition(value: Value) -> Array | None:
    arguments.one_of(value, ("bool",), "cond")
    if value.tensor.elements != 1:
        raise Refuse(f"cond must be one element, not of shape {value.shape}")
    return value.const


def _chosen(node: Node, inputs: Sequence[Value | None]) -> list[Graph]:
    """The branch that a known condition picks, else both. SHAPE-81"""
    arguments.arity(node, inputs, 1, 1, len(node.outputs))
    condition = _condition(arguments.required(inputs, 0))
    then, otherwise = _branches(node)
    if condition is None:
        return [then, otherwise]
    return [then if condition.reshape(-1)[0] else otherwise]


def _if_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    results = [
        [value.type for value in scope.infer_graph(graph, [])[0]]
        for graph in _chosen(node, inputs)
    ]
    if results[0] != results[-1]:
        raise DependsOnValues("the branches give different types, and the condition isn't known")
    return results[0]


def _if_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """The known branch's work, or the larger of both in every unit."""
    costs = [scope.infer_graph(graph, [])[1] for graph in _chosen(node, inputs)]
    return Work() + Work(
        max(cost.macs for cost in costs),
        max(cost.elements for cost in costs),
        max(cost.functions for cost in costs),
        max(cost.steps for cost in costs),
    )


def _if_value(node: Node, inputs: Sequence[Value | None], scope: Scope) -> Array | None:
    chosen = _chosen(node, inputs)
    return scope.infer_graph(chosen[0], [])[0][0].const if len(chosen) == 1 else None


def _if_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    condition = arguments.present(inputs, 0).reshape(-1)[0]
    then, otherwise = _branches(node)
    return scope.run_graph(then if condition else otherwise, [])


@dataclass(frozen=True, slots=True)
class _Scan:
    """A Scan node's parts: axes count from the front; directions are True where backwards."""

    body: Graph
    states: int
    length: int
    input_axes: tuple[int, ...]
    input_backwards: tuple[bool, ...]
    output_axes: tuple[int, ...]
    output_backwards: tuple[bool, ...]


def _per(node: Node, name: str, count: int) -> tuple[int, ...]:
    """A list attribute with an int for each of `count` inputs or outputs, 0 by default."""
    listed = arguments.integers(node, name)
    if listed is not None and len(listed) != count:
        raise Refuse(f"attribute {name} has {len(listed)} items where {count} belong")
    return listed or (0,) * count


def _directions(node: Node, name: str, count: int) -> tuple[bool, ...]:
    directions = _per(node, name, count)
    if not set(directions) <= {0, 1}:
        raise Refuse(f"attribute {name} holds other directions than 0 and 1")
    return tuple(direction == 1 for direction in directions)


def _scan(node: Node, shapes: Sequence[Sequence[int]]) -> _Scan:
    sequences = arguments.integer(node, "num_scan_inputs", low=1, high=len(shapes))
    states = len(shapes) - sequences
    results = len(node.outputs) - states
    if results < 0:
        raise Refuse(f"{len(node.outputs)} outputs for {states} states")
    axes = tuple(
        arguments.axis_of(axis, len(shape))
        for axis, shape in zip(
            _per(node, "scan_input_axes", sequences), shapes[states:], strict=True
        )
    )
    lengths = {shape[axis] for shape, axis in zip(shapes[states:], axes, strict=True)}
    if len(lengths) != 1:
        raise Refuse(f"scanned inputs of different lengths {sorted(lengths)}")
    length = lengths.pop()
    if length == 0:
        raise Refuse("a scan over no elements isn't supported")  # SHAPE-83
    return _Scan(
        _body(node, "body", len(shapes), len(node.outputs)),
        states,
        length,
        axes,
        _directions(node, "scan_input_directions", sequences),
        _per(node, "scan_output_axes", results),
        _directions(node, "scan_output_directions", results),
    )


def _scan_pass(
    node: Node, inputs: Sequence[Value | None], scope: Scope
) -> tuple[_Scan, list[TensorType], Work]:
    """The scan, the types that one pass over its body gives, and that pass's work. SHAPE-82"""
    values = [arguments.required(inputs, position) for position in range(len(inputs))]
    scan = _scan(node, [value.shape for value in values])
    given = [Value(value.type) for value in values[: scan.states]]
    for value, axis in zip(values[scan.states :], scan.input_axes, strict=True):
        shape = (*value.shape[:axis], *value.shape[axis + 1 :])
        given.append(Value(TensorType(value.dtype, shape)))
    results, work = scope.infer_graph(scan.body, given)
    for before, after in zip(given[: scan.states], results[: scan.states], strict=True):
        if before.type != after.type:
            raise Refuse(f"a state of type {before.type} becomes {after.type}")
    return scan, [result.tensor for result in results], work


def _stacked(element: TensorType, axis: int, length: int) -> TensorType:
    place = arguments.axis_of(axis, len(element.shape) + 1)
    shape = (*element.shape[:place], length, *element.shape[place:])
    return arguments.tensor(element.dtype, shape)


def _scan_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    scan, types, _ = _scan_pass(node, inputs, scope)
    return [
        *types[: scan.states],
        *(
            _stacked(element, axis, scan.length)
            for element, axis in zip(types[scan.states :], scan.output_axes, strict=True)
        ),
    ]


def _scan_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """The body's work for each element of the sequence, and the elements moved in and out."""
    scan, _, work = _scan_pass(node, inputs, scope)
    moved = sum(value.tensor.elements for value in inputs[scan.states :] if value is not None)
    moved += sum(output.elements for output in outputs[scan.states :])
    return Work(elements=moved) + work.times(scan.length)


def _scan_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    arrays = [arguments.present(inputs, position) for position in range(len(inputs))]
    scan = _scan(node, [array.shape for array in arrays])
    states = arrays[: scan.states]
    sequences = [
        np.flip(np.moveaxis(array, axis, 0), 0) if backwards else np.moveaxis(array, axis, 0)
        for array, axis, backwards in zip(
            arrays[scan.states :], scan.input_axes, scan.input_backwards, strict=True
        )
    ]
    collected: list[list[Array]] = []
    for step in range(scan.length):
        results = scope.run_graph(scan.body, [*states, *(_item(s, step) for s in sequences)])
        states = results[: scan.states]
        collected.append(results[scan.states :])
    stacks = [
        np.stack(parts[::-1] if backwards else parts, axis)
        for parts, axis, backwards in zip(
            ([row[k] for row in collected] for k in range(len(scan.output_axes))),
            scan.output_axes,
            scan.output_backwards,
            strict=True,
        )
    ]
    return [*states, *stacks]


def _item(sequence: Array, step: int) -> Array:
    """An element of a sequence, as an array even where it's a scalar."""
    return np.asarray(sequence[step], sequence.dtype)


register("If", _if_infer, _if_run, _if_work, value=_if_value)
register("Scan", _scan_infer, _scan_run, _scan_work, since=9)
