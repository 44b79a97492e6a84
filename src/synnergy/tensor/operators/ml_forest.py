"""A forest as flat arrays: checked once, then walked by all rows and trees together.

Nodes are numbered 0 … N - 1 over all trees. Checks (ML-30) make the walk safe: children exist,
paths end, features are in range; they take time linear in the number of nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.types import Array, Refuse

LEQ, LT, GTE, GT, EQ, NEQ, LEAF = range(7)

#: Comparisons on a path, at most. Gradient boosting on categories chains one for each category.
MOST_DEEP = 4096

# Positions (row × tree) that are walked at once.
_POSITIONS = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Leaf weights sorted by node: node n adds values[start[n]:start[n + 1]] to their targets.

    `turn` counts the earlier weights of the same node for the same target; `turns` bounds it.
    """

    start: Array
    target: Array
    value: Array
    turn: Array
    turns: int


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """`features` is one more than the largest feature that is asked for; `depth` is the sum over
    the trees of the comparisons on the longest path; `most` the most weights of a leaf."""

    roots: Array
    feature: Array
    threshold: Array
    mode: Array
    missing_true: Array
    true_child: Array
    false_child: Array
    weights: Weights
    features: int
    depth: int
    most: int

    @property
    def trees(self) -> int:
        return len(self.roots)

    @property
    def dtype(self) -> np.dtype[np.floating]:
        return self.threshold.dtype

    def rows_at_once(self) -> int:
        """Rows of a chunk, so that memory stays bounded."""
        return max(1, _POSITIONS // max(1, self.trees, self.most))


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """What `build` is given: arrays of one length; children are node numbers, unused in leaves."""

    feature: Array
    threshold: Array
    mode: Array
    missing_true: Array
    true_child: Array
    false_child: Array


def build(roots: Array, nodes: Nodes, weights: Weights) -> Forest:
    """Check the structure and complete it. Raises Refuse."""
    count = len(nodes.mode)
    leaf = nodes.mode == LEAF
    inner = ~leaf
    if len(roots) == 0:
        raise Refuse("no trees")
    heights = _heights(leaf, nodes.true_child, nodes.false_child)
    depth = int(heights[roots].sum())
    asked = nodes.feature[inner]
    if asked.size and asked.min() < 0:
        raise Refuse("a node compares a negative feature")
    here = np.arange(count)
    per_leaf = np.diff(weights.start)
    return Forest(
        roots=roots,
        feature=np.where(inner, nodes.feature, 0),
        threshold=nodes.threshold,
        mode=nodes.mode,
        missing_true=nodes.missing_true,
        true_child=np.where(inner, nodes.true_child, here),
        false_child=np.where(inner, nodes.false_child, here),
        weights=weights,
        features=int(asked.max()) + 1 if asked.size else 0,
        depth=depth,
        most=int(per_leaf.max()) if len(per_leaf) else 0,
    )


def _heights(leaf: Array, true_child: Array, false_child: Array) -> Array:
    """Longest path from each node to a leaf, in comparisons; refuses cycles and deep trees.

    Leaves first: a node is taken when both its children have been, so that each is taken once.
    """
    count = len(leaf)
    inner = np.flatnonzero(~leaf)
    parents = np.concatenate([inner, inner])
    children = np.concatenate([true_child[inner], false_child[inner]])
    order = np.argsort(children, kind="stable")
    parents = parents[order]
    begin = np.searchsorted(children[order], np.arange(count + 1))
    waiting = np.where(leaf, 0, 2)
    heights = np.full(count, -1, np.int64)
    ready = np.flatnonzero(leaf)
    height = 0
    while ready.size:
        if height > MOST_DEEP:
            raise Refuse(f"a path has more than {MOST_DEEP} comparisons")
        heights[ready] = height
        height += 1
        lengths = begin[ready + 1] - begin[ready]
        above = parents[_ranges(begin[ready], lengths)]
        above, times = np.unique(above, return_counts=True)
        waiting[above] -= times
        ready = above[waiting[above] == 0]
    if (heights < 0).any():
        raise Refuse("a path leads back to its own start")
    return heights


def _ranges(starts: Array, lengths: Array) -> Array:
    """Concatenation of starts[i] … starts[i] + lengths[i] - 1."""
    total = int(lengths.sum())
    ends = np.cumsum(lengths)
    return np.arange(total) + np.repeat(starts - (ends - lengths), lengths)


def sorted_weights(node: Array, target: Array, value: Array, count: int, targets: int) -> Weights:
    """Weights by node, in the order in which they were listed. Raises Refuse."""
    if target.size and (target.min() < 0 or target.max() >= targets):
        raise Refuse(f"a weight is for a target outside the {targets}")
    order = np.argsort(node, kind="stable")
    node, target, value = node[order], target[order], value[order]
    keys = node * targets + target
    by_key = np.argsort(keys, kind="stable")
    first = np.searchsorted(keys[by_key], keys[by_key])
    turn = np.zeros(len(keys), np.int64)
    turn[by_key] = np.arange(len(keys)) - first
    turns = int(turn.max()) + 1 if turn.size else 0
    return Weights(np.searchsorted(node, np.arange(count + 1)), target, value, turn, turns)


@quiet
def _goes_true(mode: Array, x: Array, threshold: Array) -> Array:
    """Result of each comparison; NaN is unequal to everything. ML-31"""
    first = int(mode[0])
    if (mode == first).all():
        return _compare(first, x, threshold)
    result = np.zeros(len(x), bool)
    for kind in range(LEAF):
        which = mode == kind
        if which.any():
            result[which] = _compare(kind, x[which], threshold[which])
    return result


def _compare(kind: int, x: Array, threshold: Array) -> Array:
    if kind == LEQ:
        return x <= threshold
    if kind == LT:
        return x < threshold
    if kind == GTE:
        return x >= threshold
    if kind == GT:
        return x > threshold
    return x == threshold if kind == EQ else x != threshold


def leaves(forest: Forest, x: Array) -> Array:
    """Trees × rows of the leaf that each row of x (of the forest's dtype) reaches."""
    rows = len(x)
    current = np.repeat(forest.roots, rows)
    active = np.flatnonzero(forest.mode[current] != LEAF)
    while active.size:
        node = current[active]
        value = x[active % rows, forest.feature[node]]
        true = _goes_true(forest.mode[node], value, forest.threshold[node])
        true |= forest.missing_true[node] & np.isnan(value)
        node = np.where(true, forest.true_child[node], forest.false_child[node])
        current[active] = node
        active = active[forest.mode[node] != LEAF]
    return current.reshape(forest.trees, rows)


@quiet
def _only(forest: Forest, reached: Array, how: str) -> Array:
    """Rows × 1: the only target's weights taken tree after tree.

    A leaf without a weight gives +0, one with several its first.
    """
    weights = forest.weights
    nodes = reached.reshape(-1)
    has = weights.start[nodes + 1] > weights.start[nodes]
    flat: Array = np.zeros(len(nodes), forest.dtype)
    flat[has] = weights.value[weights.start[nodes[has]]]
    terms: Array = flat.reshape(reached.shape)
    if how == "SUM":
        # Addition starts from +0: -0 alone must not come out as -0.
        started = np.concatenate([np.zeros((1, terms.shape[1]), forest.dtype), terms])
        return np.add.accumulate(started, axis=0, dtype=forest.dtype)[-1][:, None]
    best: Array = terms[0]
    for term in terms[1:]:
        best = np.where(term < best if how == "MIN" else term > best, term, best)
    return best[:, None]


@quiet
def aggregate(forest: Forest, reached: Array, targets: int, how: str) -> tuple[Array, Array]:
    """(rows × targets of scores, whether any leaf gave one), tree after tree. ML-32

    `how` is SUM, MIN or MAX; a score that no leaf gave is +0.
    """
    rows = reached.shape[1]
    weights = forest.weights
    if targets == 1:
        return _only(forest, reached, how), np.ones((rows, 1), bool)
    score = np.zeros((rows, targets), forest.dtype)
    seen = np.zeros((rows, targets), bool)
    every: Array = np.arange(rows, dtype=np.int64)
    for nodes in reached:
        lengths = weights.start[nodes + 1] - weights.start[nodes]
        entries = _ranges(weights.start[nodes], lengths)
        row: Array = np.repeat(every, lengths)
        # Within a turn no row meets a target twice, so that indexed assignment is exact.
        for turn in range(weights.turns):
            now = weights.turn[entries] == turn
            place = (row[now], weights.target[entries[now]])
            value, so_far = weights.value[entries[now]], score[place]
            if how == "SUM":
                score[place] = so_far + value
            else:
                better = value < so_far if how == "MIN" else value > so_far
                score[place] = np.where(better | ~seen[place], value, so_far)
            seen[place] = True
    return score, seen
