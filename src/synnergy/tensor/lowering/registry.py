"""The registry of lowerings, found by (domain, name) like the operators that they stand for.

    lower(site) -> list[Operand] | None

A lowering adds steps to `site.builder` and gives the node's results, or gives None before it added
any where the kernels don't cover the node's attributes or types. It may take followers of the node
along (`site.follower`), where that keeps every bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from synnergy.tensor.kernels.program import Builder, Operand
from synnergy.tensor.types import Array, Node, TensorType


class Followers(Protocol):
    """What comes after a node."""

    def next(self) -> tuple[Node, list[Operand | None], TensorType] | None:
        """The only node that uses the result, if there is one and it gives one tensor: the node,
        its inputs (None where the result itself goes in), and its type. The result must not be
        an output of the graph."""
        ...

    def take(self) -> None:
        """That node is done by this lowering; its result is the new result."""
        ...


@dataclass(slots=True, eq=False)
class Site:
    """A node to lower: its inputs, the types of its outputs, and where the steps go.

    Texts are for kernels an int64 tensor of places in an array of labels: texts has those of
    inputs, labels those of outputs.
    """

    node: Node
    inputs: list[Operand | None]
    outputs: tuple[TensorType, ...]
    builder: Builder
    followers: Followers
    texts: Mapping[int, Array] = field(default_factory=dict[int, Array])
    labels: dict[int, Array] = field(default_factory=dict[int, Array])

    def result(self, position: int = 0) -> Operand:
        """Fresh memory for an output."""
        kind = self.outputs[position]
        return self.builder.tensor(kind.dtype, kind.shape)


Lower = Callable[[Site], "list[Operand] | None"]

LOWERINGS: dict[tuple[str, str], Lower] = {}
#: Operators whose lowerings know of texts.
LABELLING: set[tuple[str, str]] = set()


def lowers(*names: str, domain: str = "", labelling: bool = False) -> Callable[[Lower], Lower]:
    """Declare a lowering for these operators. Raises ValueError where one is taken."""

    def declare(lower: Lower) -> Lower:
        for name in names:
            if (domain, name) in LOWERINGS:
                raise ValueError(f"operator {domain or 'ai.onnx'}::{name} is lowered twice")
            LOWERINGS[(domain, name)] = lower
            if labelling:
                LABELLING.add((domain, name))
        return lower

    return declare
