"""TfIdfVectorizer: counts of n-grams. Semantics: ML-42 of spec/tensor-ml.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, TensorType, Value, ValueType, Work

_MODES = ("TF", "IDF", "TFIDF")
_MOST_COLUMNS = 1 << 24
_LONGEST = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Vectorizer:
    """`columns` maps each n-gram (a tuple) to its column; `weights` has one for each column."""

    textual: bool
    mode: str
    shortest: int
    longest: int
    skips: int
    columns: dict[tuple[Any, ...], int]
    prefixes: frozenset[tuple[Any, ...]]
    width: int
    weights: Array | None

    def spread(self, tokens: int) -> int:
        """Distances between the items of an n-gram that can occur among so many tokens."""
        return min(self.skips + 1, max(1, tokens)) if self.longest > 1 else 1


def _pool(node: Node) -> tuple[bool, list[Any]]:
    texts, numbers = read.strings(node, "pool_strings"), read.integers(node, "pool_int64s")
    if (len(texts) > 0) == (len(numbers) > 0):
        raise Refuse("exactly one of pool_strings and pool_int64s must be given")
    return len(texts) > 0, list(texts) if texts else numbers.tolist()


def _grams(node: Node, pool: list[Any]) -> list[tuple[Any, ...]]:
    """All n-grams of the pool, from the shortest on."""
    bounds = [*read.integers(node, "ngram_counts").tolist(), len(pool)]
    grams: list[tuple[Any, ...]] = []
    for length, (begin, end) in enumerate(pairwise(bounds), start=1):
        if not 0 <= begin <= end <= len(pool) or (end - begin) % length:
            raise Refuse(f"ngram_counts does not bound whole {length}-grams of the pool")
        grams.extend(tuple(pool[at : at + length]) for at in range(begin, end, length))
    return grams


@lru_cache(maxsize=32)
def _vectorizer(node: Node) -> _Vectorizer:
    mode = read.choice(node, "mode", "", _MODES)
    shortest = read.integer(node, "min_gram_length", 0)
    longest = read.integer(node, "max_gram_length", 0)
    skips = read.integer(node, "max_skip_count", 0)
    counts = len(read.integers(node, "ngram_counts"))
    if not 1 <= shortest <= longest <= min(counts, _LONGEST) or skips < 0:
        raise Refuse(f"n-grams of length {shortest} to {longest} with {skips} skips")
    textual, pool = _pool(node)
    grams = _grams(node, pool)
    indexes = read.integers(node, "ngram_indexes")
    if len(indexes) != len(grams) or len(grams) == 0:
        raise Refuse(f"{len(indexes)} ngram_indexes for {len(grams)} n-grams")
    if indexes.min() < 0 or indexes.max() >= _MOST_COLUMNS:
        raise Refuse("an ngram_index is negative or too large")
    given = read.floats(node, "weights")
    if len(given) not in (0, len(grams)):
        raise Refuse(f"{len(given)} weights for {len(grams)} n-grams")
    width = int(indexes.max()) + 1
    weights = None
    if len(given) and mode != "TF":
        if len(np.unique(indexes)) != len(indexes):
            raise Refuse("two n-grams with a weight share a column")
        weights = np.zeros(width, np.float32)
        weights[indexes] = given
    used = [
        (gram, column)
        for gram, column in zip(grams, indexes.tolist(), strict=True)
        if shortest <= len(gram) <= longest
    ]
    columns = dict(used)
    if len(columns) != len(used):
        raise Refuse("an n-gram is listed twice")
    prefixes = frozenset(gram[:end] for gram in columns for end in range(1, len(gram)))
    return _Vectorizer(textual, mode, shortest, longest, skips, columns, prefixes, width, weights)


def _rows_and_tokens(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) > 2:
        raise Refuse(f"input has rank {len(shape)}, not 1 or 2")
    if len(shape) == 2:
        return shape[0], shape[1]
    return 1, shape[0] if shape else 1


def _infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    given = read.typed(x, ("string", "int64", "int32"))
    model = _vectorizer(node)
    if model.textual != (given.dtype == "string"):
        raise Refuse(f"the pool does not fit an input of type {given.dtype}")
    rows, _ = _rows_and_tokens(given.shape)
    leading = (rows,) if len(given.shape) == 2 else ()
    return [TensorType("float32", (*leading, model.width))]


def _work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """Every n-gram that can begin at each token is tried; two passes over the output."""
    (x,) = read.required(inputs, 1)
    rows, tokens = _rows_and_tokens(x.shape)
    model = _vectorizer(node)
    tries = rows * tokens * model.spread(tokens) * model.longest
    return Work(elements=tries + 2 * outputs[0].elements)


def _count(model: _Vectorizer, tokens: list[Any], counts: Array) -> None:
    """Add the n-grams of one row to its counts."""
    columns, prefixes = model.columns, model.prefixes
    if model.shortest == 1:
        for token in tokens:
            column = columns.get((token,))
            if column is not None:
                counts[column] += 1
    if model.longest == 1:
        return
    shortest = max(2, model.shortest)
    for distance in range(1, model.spread(len(tokens)) + 1):
        for start in range(len(tokens) - distance * (shortest - 1)):
            gram = (tokens[start],)
            at = start + distance
            while gram in prefixes and at < len(tokens):
                gram = (*gram, tokens[at])
                at += distance
                column = columns.get(gram)
                if column is not None:
                    counts[column] += 1


@quiet
def _run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = read.given(inputs)
    model = _vectorizer(node)
    rows, tokens = _rows_and_tokens(x.shape)
    counts = np.zeros((rows, model.width), np.int64)
    for row, items in enumerate(x.reshape(rows, tokens).tolist()):
        _count(model, items, counts[row])
    present = counts > 0 if model.mode == "IDF" else counts
    result = present.astype(np.float32)
    if model.weights is not None:
        result = result * model.weights
    return [result if x.ndim == 2 else result[0]]


register("TfIdfVectorizer", _infer, _run, _work, since=9)
