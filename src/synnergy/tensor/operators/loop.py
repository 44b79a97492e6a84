"""Loop, where the number of iterations is known before it runs.

SHAPE-84: planned in one of two ways. Unrolled: up to `UNROLLED` iterations are planned one after
another with what is known of each, so that counters decide conditions and shapes. Steady: a known
trip count above that, a condition that the body keeps true, states that keep their types; the
cost is the body's times the count. Anything else is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.control import UNROLLED, check_levels
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

_COUNTER = TensorType("int64", ())
_CONDITION = TensorType("bool", ())


@dataclass(frozen=True, slots=True)
class _Planned:
    """Types of the final states and of one scanned element each, the iterations, total work."""

    states: list[ValueType]
    elements: list[TensorType]
    count: int
    work: Work


def _body(node: Node, states: int) -> Graph:
    """The body takes a counter, a condition and the states, and gives all but the counter."""
    graph = arguments.subgraph(node, "body")
    check_levels(graph)
    if len(graph.inputs) != states + 2 or len(graph.outputs) != len(node.outputs) + 1:
        raise Refuse("the body's inputs or outputs don't fit the node's")
    if len(node.outputs) < states:
        raise Refuse(f"{len(node.outputs)} outputs for {states} states")
    return graph


def _scalar(value: Value | None, dtype: str, label: str) -> Array | None:
    """The contents of an optional input of one element; refuses one that isn't known."""
    if value is None:
        return None
    arguments.one_of(value, (dtype,), label)
    if value.tensor.elements != 1:
        raise Refuse(f"{label} must be one element, not of shape {value.shape}")
    if value.const is None:
        raise DependsOnValues(
            f"the number of iterations depends on {label}, which isn't known before running"
        )
    return value.const.reshape(())


def _planned(node: Node, inputs: Sequence[Value | None], scope: Scope) -> _Planned:
    arguments.arity(node, inputs, 0, len(inputs), max(len(node.outputs), 1))
    trip = _scalar(arguments.optional(inputs, 0), "int64", "M")
    condition = _scalar(arguments.optional(inputs, 1), "bool", "cond")
    states = [arguments.required(inputs, position) for position in range(2, len(inputs))]
    body = _body(node, len(states))
    limit = None if trip is None else max(int(trip), 0)
    if condition is not None and not condition:
        limit = 0
    if limit is not None and limit > UNROLLED:
        steady = _steady(body, states, limit, scope)
        if steady is not None:
            return steady
    return _unrolled(body, states, limit, scope, len(node.outputs) - len(states))


def _steady(body: Graph, states: list[Value], count: int, scope: Scope) -> _Planned | None:
    """All iterations alike, or None where they aren't."""
    true = Value(_CONDITION, np.array(True))
    given = [Value(_COUNTER), true, *(Value(state.type) for state in states)]
    results, work = scope.infer_graph(body, given)
    kept = [result.type for result in results[1 : len(states) + 1]]
    going = results[0].const
    if going is None or not going.all() or kept != [state.type for state in states]:
        return None
    elements = [result.tensor for result in results[len(states) + 1 :]]
    return _Planned(kept, elements, count, work.times(count))


def _unrolled(
    body: Graph, states: list[Value], limit: int | None, scope: Scope, scanned: int
) -> _Planned:
    work = Work(steps=0)
    elements: list[TensorType] | None = None
    count = 0
    going = True
    while going and (limit is None or count < limit):
        if count == UNROLLED:
            raise DependsOnValues(f"the loop isn't known to end within {UNROLLED} iterations")
        counter = Value(_COUNTER, np.array(count, np.int64))
        true = Value(_CONDITION, np.array(True))
        results, cost = scope.infer_graph(body, [counter, true, *states])
        work += cost
        count += 1
        states = results[1 : len(states) + 1]
        row = [result.tensor for result in results[len(states) + 1 :]]
        if elements is not None and row != elements:
            raise Refuse("scanned outputs change their type from one iteration to the next")
        elements = row
        if results[0].const is None:
            raise DependsOnValues(
                "the number of iterations depends on values that aren't known before running"
            )
        going = bool(results[0].const.all())
    if elements is None and scanned:
        raise Refuse("a loop of no iterations with scanned outputs isn't supported")  # SHAPE-83
    return _Planned([state.type for state in states], elements or [], count, work)


def _loop_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    planned = _planned(node, inputs, scope)
    stacks = [
        arguments.tensor(element.dtype, (planned.count, *element.shape))
        for element in planned.elements
    ]
    return [*planned.states, *stacks]


def _loop_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """The work of all iterations, and the scanned elements moved out."""
    planned = _planned(node, inputs, scope)
    moved = sum(output.elements for output in outputs[len(planned.states) :])
    return Work(elements=moved) + planned.work


def _loop_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    trip, condition = arguments.given(inputs, 0), arguments.given(inputs, 1)
    states = [arguments.present(inputs, position) for position in range(2, len(inputs))]
    body = _body(node, len(states))
    limit = None if trip is None else int(trip.reshape(-1)[0])
    going = condition is None or bool(condition.reshape(-1)[0])
    rows: list[list[Array]] = []
    while going and (limit is None or len(rows) < limit):
        counter = np.array(len(rows), np.int64)
        results = scope.run_graph(body, [counter, np.array(True), *states])
        going = bool(results[0].reshape(-1)[0])
        states = results[1 : len(states) + 1]
        rows.append(results[len(states) + 1 :])
    scanned = len(node.outputs) - len(states)
    return [*states, *(np.stack([row[k] for row in rows]) for k in range(scanned))]


register("Loop", _loop_infer, _loop_run, _loop_work)
