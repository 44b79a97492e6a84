"""Einsum as a fixed sequence of diagonals, sums and matrix products.

SHAPE-70: spaces are ignored; an ellipsis stands for dimensions of each operand that are aligned
at the right and broadcast; without `->` the output is the ellipsis and then, in alphabetical
order, the letters that occur once. A letter's dimensions must be equal or 1.
SHAPE-71: an operand's repeated letter takes its diagonal. Operands are contracted from left to
right: letters that only one of the two has and nothing later needs are summed first (TENSOR-12),
then the shared ones that nothing later needs are contracted by one matrix product (TENSOR-10),
in the order in which the left operand has them. At the end unneeded letters are summed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import DTYPES, Array, Node, Refuse, Value, ValueType, Work

Labels = tuple[str, ...]

_TYPES = ("int32", "int64", "uint32", "uint64", "float16", "float32", "float64")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_EQUATION_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Equation:
    """Labels of each operand and of the output (an ellipsis' dimensions are "0", "1"…); sizes."""

    operands: tuple[Labels, ...]
    output: Labels
    sizes: dict[str, int]


def _term(term: str, hidden: Sequence[str]) -> Labels:
    """The labels of a term, its ellipsis replaced by `hidden`."""
    before, dots, after = term.partition("...")
    if not set(before + after) <= _LETTERS:
        raise Refuse(f"term {term[:40]!r} of the equation isn't made of letters and one ellipsis")
    return (*before, *(hidden if dots else ()), *after)


def _operand(term: str, shape: Sequence[int]) -> Labels:
    """The labels of an operand's dimensions; hidden ones are numbered from the right."""
    letters = len(term) - 3 if "..." in term else len(term)
    extra = len(shape) - letters
    if extra < 0 or (extra > 0 and "..." not in term):
        raise Refuse(f"term {term[:40]!r} doesn't name the {len(shape)} dimensions of its operand")
    return _term(term, [str(place) for place in reversed(range(extra))])


def parsed(node: Node, shapes: Sequence[Sequence[int]]) -> Equation:
    text = node.attribute("equation")
    if not isinstance(text, str) or len(text) > _EQUATION_LIMIT:
        raise Refuse("attribute equation isn't a short text")
    left, arrow, right = "".join(text.split()).partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise Refuse(f"an equation of {len(terms)} operands for {len(shapes)} inputs")
    operands = tuple(_operand(term, shape) for term, shape in zip(terms, shapes, strict=True))
    sizes: dict[str, int] = {}
    for labels, shape in zip(operands, shapes, strict=True):
        for label, size in zip(labels, shape, strict=True):
            if sizes.get(label, 1) != 1 and size not in (1, sizes[label]):
                raise Refuse(f"dimension {label} is both {sizes[label]} and {size}")
            sizes[label] = size if sizes.get(label, 1) == 1 else sizes[label]
    hidden = sorted((label for label in sizes if label.isdigit()), key=int, reverse=True)
    if arrow:
        output = _term(right, hidden)
        if len(set(output)) != len(output) or not set(output) <= set(sizes):
            raise Refuse("the equation's output repeats a letter or names one of no operand")
    else:
        seen = [label for labels in operands for label in labels if not label.isdigit()]
        output = (*hidden, *sorted(label for label in set(seen) if seen.count(label) == 1))
    return Equation(operands, output, sizes)


@dataclass(frozen=True, slots=True)
class Product:
    """How the labels of two operands take part in one matrix product."""

    batch: Labels
    rows: Labels
    terms: Labels
    columns: Labels

    @property
    def result(self) -> Labels:
        return (*self.batch, *self.rows, *self.columns)


def _needed(equation: Equation, position: int) -> set[str]:
    """Labels that the output or an operand from `position` on still needs."""
    later = {label for labels in equation.operands[position:] for label in labels}
    return later | set(equation.output)


def _product(left: Sequence[str], right: Sequence[str], needed: set[str]) -> Product:
    """Split labels by role; those of one operand only are all needed (summed before)."""
    shared = [label for label in left if label in right]
    return Product(
        tuple(label for label in shared if label in needed),
        tuple(label for label in left if label not in right),
        tuple(label for label in shared if label not in needed),
        tuple(label for label in right if label not in left),
    )


def _unique(labels: Labels) -> Labels:
    return tuple(dict.fromkeys(labels))


def schedule(equation: Equation) -> list[tuple[Labels, Labels, Product]]:
    """For each product: labels left of both operands once the lone ones are summed; the roles."""
    steps: list[tuple[Labels, Labels, Product]] = []
    left = _unique(equation.operands[0])
    for position in range(1, len(equation.operands)):
        right = _unique(equation.operands[position])
        needed = _needed(equation, position + 1)
        left_kept = tuple(label for label in left if label in right or label in needed)
        right_kept = tuple(label for label in right if label in left or label in needed)
        product = _product(left_kept, right_kept, needed)
        steps.append((left_kept, right_kept, product))
        left = product.result
    return steps


def _dtype(node: Node, inputs: Sequence[Value | None]) -> tuple[str, Equation]:
    arguments.arity(node, inputs, 1, None)
    values = [arguments.required(inputs, position) for position in range(len(inputs))]
    dtype = arguments.same_dtype(values)
    arguments.one_of(values[0], _TYPES, "an operand")
    return dtype, parsed(node, [value.shape for value in values])


def _einsum_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    dtype, equation = _dtype(node, inputs)
    for labels in equation.operands:
        arguments.tensor(dtype, [equation.sizes[label] for label in _unique(labels)])
    for _, _, product in schedule(equation):
        arguments.tensor(dtype, [equation.sizes[label] for label in product.result])
    return [arguments.tensor(dtype, [equation.sizes[label] for label in equation.output])]


def _einsum_work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A multiply-add for each term of a product; each element moved or summed on the way."""
    _, equation = _dtype(node, inputs)

    def count(labels: Labels) -> int:
        return math.prod(equation.sizes[label] for label in labels)

    work = Work(elements=outputs[0].elements)
    for labels in equation.operands:
        work += Work(elements=count(labels), steps=0)
    for _, _, product in schedule(equation):
        macs = count((*product.result, *product.terms))
        work += Work(macs=macs, elements=count(product.result), steps=0)
    return work


def _spread(array: Array, labels: Labels, sizes: dict[str, int]) -> tuple[Array, Labels]:
    """The operand at its labels' full sizes, each label once (diagonals taken)."""
    full = np.broadcast_to(array, [sizes[label] for label in labels])
    kept = _unique(labels)
    strides = [
        sum(stride for stride, other in zip(full.strides, labels, strict=True) if other == label)
        for label in kept
    ]
    shape = [sizes[label] for label in kept]
    return np.lib.stride_tricks.as_strided(full, shape, strides, writeable=False), kept


def _summed(array: Array, labels: Labels, kept: Sequence[str]) -> Array:
    """Sum out the labels that aren't kept."""
    axes = tuple(axis for axis, label in enumerate(labels) if label not in kept)
    return numerics.ordered_sum(array, axes) if axes else array


def _arranged(array: Array, labels: Labels, groups: Sequence[Labels]) -> Array:
    """The array with its axes in the order of the groups, each group after the first one axis."""
    order = [labels.index(label) for group in groups for label in group]
    moved = array.transpose(order)
    cut = len(groups[0])
    sizes: list[int] = list(moved.shape[:cut])
    for group in groups[1:]:
        sizes.append(math.prod(moved.shape[cut : cut + len(group)]))
        cut += len(group)
    return moved.reshape(sizes)


def _einsum_run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    arrays = [arguments.present(inputs, position) for position in range(len(inputs))]
    dtype = arrays[0].dtype
    equation = parsed(node, [array.shape for array in arrays])
    sizes = equation.sizes
    # A small float is widened once for the whole expression, and rounded once at its end.
    wide = np.dtype(np.float32) if dtype == DTYPES["float16"] else dtype
    left, labels = _spread(arrays[0].astype(wide), equation.operands[0], sizes)
    for position, (left_kept, right_kept, product) in enumerate(schedule(equation), 1):
        right, right_labels = _spread(
            arrays[position].astype(wide), equation.operands[position], sizes
        )
        left = _summed(left, labels, left_kept)
        right = _summed(right, right_labels, right_kept)
        result = numerics.matmul(
            _arranged(left, left_kept, (product.batch, product.rows, product.terms)),
            _arranged(right, right_kept, (product.batch, product.terms, product.columns)),
        )
        labels = product.result
        left = result.reshape([sizes[label] for label in labels])
    left = _summed(left, labels, equation.output)
    labels = tuple(label for label in labels if label in equation.output)
    final = left.transpose([labels.index(label) for label in equation.output])
    return [final.astype(dtype)]


register("Einsum", _einsum_infer, _einsum_run, _einsum_work, since=12)
