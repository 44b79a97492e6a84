"""What the tensor engine's stages exchange: element types, static values, nodes, graphs, work.

Shape inference runs on *concrete* input shapes (a plan is specialised per shape), so every shape
below is a tuple of plain ints. Strings are numpy object arrays whose elements are `str`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

#: Element types by name; `string` is numpy's object dtype holding `str`.
DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("float32"),
    "float64": np.dtype("float64"),
    "int32": np.dtype("int32"),
    "int64": np.dtype("int64"),
    "bool": np.dtype("bool"),
    "string": np.dtype("object"),
    # TENSOR-2: only inside graphs (casts, masks, quantised weights), never as a ledger input.
    "int8": np.dtype("int8"),
    "uint8": np.dtype("uint8"),
    "int16": np.dtype("int16"),
    "uint16": np.dtype("uint16"),
    "uint32": np.dtype("uint32"),
    "uint64": np.dtype("uint64"),
    "float16": np.dtype("float16"),
}


#: TensorProto.DataType codes of the element types we have.
DTYPE_OF_CODE: dict[int, str] = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a graph cannot be planned: node name (or index), operator, sentence."""

    node: str
    operator: str
    reason: str

    def __str__(self) -> str:
        return f"{self.operator} ({self.node}): {self.reason}"


class Unsupported(Exception):
    """The model is outside what the engine computes; `problems` names every offender at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class BadInput(Exception):
    """An input array does not fit the model (name, type, shape, missing or non-finite values)."""


@dataclass(frozen=True, slots=True)
class TensorType:
    """Element type name (a key of `DTYPES`) and concrete shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        count = 1
        for dimension in self.shape:
            count *= dimension
        return count


@dataclass(frozen=True, slots=True)
class MapsType:
    """ZipMap's output: `rows` maps from each of `labels` (all int64 or all string) to a number.

    Its run-time value is an array of shape (rows, len(labels)) of `dtype`; labels are static.
    """

    dtype: str
    rows: int
    labels: tuple[int, ...] | tuple[str, ...]

    @property
    def elements(self) -> int:
        return self.rows * len(self.labels)


ValueType = TensorType | MapsType


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A graph value during inference: its type and, where statically known, its contents."""

    type: ValueType
    const: Array | None = None

    @property
    def tensor(self) -> TensorType:
        if not isinstance(self.type, TensorType):
            raise Refuse("a sequence of maps can only be an output of the graph")
        return self.type

    @property
    def dtype(self) -> str:
        return self.tensor.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensor.shape


class Refuse(Exception):
    """Raised by an operator's `infer`: this node is refused, and why (becomes a `Problem`)."""


class DependsOnValues(Refuse):
    """A type or a cost follows from values that aren't known before running. SHAPE-2"""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operator application. `inputs`/`outputs` are value names, "" where one is left out.

    `attributes` are decoded: int, float, str (UTF-8), bytes (not UTF-8), Array (tensor), Graph,
    or lists of those. `opset` is the imported version of the node's domain.
    """

    name: str
    domain: str
    operator: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)


@dataclass(frozen=True, slots=True, eq=False)
class GraphInput:
    """A declared graph input; a dimension is an int, a symbol's name, or None when unknown."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A parsed (sub)graph: topologically ordered nodes, initializers, inputs and output names."""

    name: str
    inputs: tuple[GraphInput, ...]
    outputs: tuple[str, ...]
    initializers: Mapping[str, Array]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """What running a node costs, in units that the gas table prices (GAS-7).

    macs: multiply-adds of dot products; elements: simple element operations (moves, compares,
    arithmetic, each element touched once); functions: evaluations of exp, log, tanh, erf, pow,
    sqrt and the like; steps: node-by-node dispatches (1 per node executed, more under Scan).
    """

    macs: int = 0
    elements: int = 0
    functions: int = 0
    steps: int = 1

    def __add__(self, other: Work) -> Work:
        return Work(
            self.macs + other.macs,
            self.elements + other.elements,
            self.functions + other.functions,
            self.steps + other.steps,
        )

    def times(self, count: int) -> Work:
        return Work(
            self.macs * count,
            self.elements * count,
            self.functions * count,
            self.steps * count,
        )
