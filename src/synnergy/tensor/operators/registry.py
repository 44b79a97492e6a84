"""The operator registry: one declaration per ONNX operator, found by (domain, name).

An operator is three pure functions of one node:

    infer(node, inputs, scope) -> list[ValueType]          types of the outputs; raises Refuse
    work(node, inputs, outputs, scope) -> Work             exact, from static values only
    run(node, inputs, scope) -> list[Array]                the reference semantics, bit-exact

`inputs` are positional, None where an optional input is left out. In `infer` and `work` they are
`Value`s (with `.const` where statically known), in `run` arrays. `scope` runs subgraphs; only
operators with a graph attribute use it. `work` may be left out: then one element operation per
input and output element is charged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from synnergy.tensor.types import Array, Graph, Node, Value, ValueType, Work


class Scope(Protocol):
    """Subgraphs as seen from a node; `captured` names resolve in the enclosing graph."""

    def infer_graph(self, graph: Graph, inputs: Sequence[Value]) -> tuple[list[Value], Work]:
        """Output values and total work of one pass over `graph` with these input values."""
        ...

    def run_graph(self, graph: Graph, inputs: Sequence[Array]) -> list[Array]:
        """Output arrays of one pass over `graph`."""
        ...


Infer = Callable[[Node, Sequence[Value | None], Scope], list[ValueType]]
Run = Callable[[Node, Sequence[Array | None], Scope], list[Array]]
ValueOf = Callable[[Node, Sequence[Value | None], Scope], Array | None]
WorkOf = Callable[[Node, Sequence[Value | None], Sequence[ValueType], Scope], Work]


@dataclass(frozen=True, slots=True)
class Operator:
    """`since` is the first opset of the domain that this declaration covers; it reads later
    changes from `node.opset`.

    `static` is False where the work depends on values (NonZero, Loop …): local runs only.
    `value` gives the first output where it is known from the inputs' types alone, although their
    contents aren't (Shape, Size); None where it isn't.
    """

    domain: str
    name: str
    infer: Infer
    run: Run
    work: WorkOf
    since: int = 1
    static: bool = True
    value: ValueOf | None = None


OPERATORS: dict[tuple[str, str], Operator] = {}


def touch_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """One element operation for each input and output element."""
    touched = sum(value.type.elements for value in inputs if value is not None)
    return Work(elements=touched + sum(output.elements for output in outputs))


def register(
    name: str,
    infer: Infer,
    run: Run,
    work: WorkOf = touch_work,
    *,
    domain: str = "",
    since: int = 1,
    static: bool = True,
    value: ValueOf | None = None,
) -> None:
    """Declare an operator. Raises ValueError where (domain, name) is taken."""
    key = (domain, name)
    if key in OPERATORS:
        raise ValueError(f"operator {domain or 'ai.onnx'}::{name} is declared twice")
    OPERATORS[key] = Operator(domain, name, infer, run, work, since, static, value)
