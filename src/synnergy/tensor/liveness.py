"""When a graph's values are last used, captures by subgraphs included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from synnergy.tensor.types import Array, Graph, Node


def subgraphs(node: Node) -> Iterator[Graph]:
    """The graphs among a node's attributes."""
    for value in node.attributes.values():
        items = cast(list[Any], value) if isinstance(value, list) else [value]
        yield from (item for item in items if isinstance(item, Graph))


def captured_names(graph: Graph) -> set[str]:
    """Names that `graph` uses from the graphs around it."""
    names = set(graph.outputs)
    own = {entry.name for entry in graph.inputs} | set(graph.initializers)
    for node in graph.nodes:
        names |= used_names(node)
        own.update(node.outputs)
    return names - own


def used_names(node: Node) -> set[str]:
    """Names that a node needs: its inputs and what its subgraphs capture."""
    names = {name for name in node.inputs if name}
    for graph in subgraphs(node):
        names |= captured_names(graph)
    return names


def every_graph(graph: Graph) -> Iterator[Graph]:
    """`graph` and all graphs inside it."""
    yield graph
    for node in graph.nodes:
        for inner in subgraphs(node):
            yield from every_graph(inner)


@dataclass(frozen=True, slots=True, eq=False)
class Lifetimes:
    """For each node, the names it needs and those that are dead after it."""

    needed: tuple[frozenset[str], ...]
    released: tuple[tuple[str, ...], ...]


def lifetimes_of(graph: Graph) -> Lifetimes:
    needed = [frozenset(used_names(node)) for node in graph.nodes]
    last: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        last.update(dict.fromkeys((name for name in node.outputs if name), index))
        last.update(dict.fromkeys(sorted(needed[index]), index))
    # Weights stay for the next run, and what a surrounding graph owns isn't ours to release.
    own = {entry.name for entry in graph.inputs}
    own.update(name for node in graph.nodes for name in node.outputs)
    keep = set(graph.outputs) | set(graph.initializers)
    released: list[list[str]] = [[] for _ in graph.nodes]
    for name, index in last.items():
        if name in own and name not in keep:
            released[index].append(name)
    return Lifetimes(tuple(needed), tuple(tuple(names) for names in released))


@dataclass(slots=True)
class LifetimeCache:
    """Lifetimes of the graphs of one model, each computed once."""

    _known: dict[Graph, Lifetimes] = field(default_factory=dict[Graph, Lifetimes])

    def of(self, graph: Graph) -> Lifetimes:
        known = self._known.get(graph)
        if known is None:
            known = self._known[graph] = lifetimes_of(graph)
        return known


def array_bytes(array: Array) -> int:
    """Memory of an array; a string is counted as STRING_BYTES."""
    return array.size * STRING_BYTES if array.dtype.kind == "O" else int(array.nbytes)


#: What a string is taken to need in memory, whatever its length.
STRING_BYTES = 64
