"""Forests from the attributes of TreeEnsembleClassifier, -Regressor (ML-29) and TreeEnsemble."""

from __future__ import annotations

import numpy as np

from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.operators import ml_forest as forests
from synnergy.tensor.operators.ml_forest import EQ, LEAF, Forest, Nodes
from synnergy.tensor.types import Array, Node, Refuse

_MODES = {
    "BRANCH_LEQ": forests.LEQ,
    "BRANCH_LT": forests.LT,
    "BRANCH_GTE": forests.GTE,
    "BRANCH_GT": forests.GT,
    "BRANCH_EQ": forests.EQ,
    "BRANCH_NEQ": forests.NEQ,
    "LEAF": forests.LEAF,
}
_MEMBER = 6  # TreeEnsemble's number for membership; there leaves are listed apart.

#: Nodes and weights of a model, at most.
_MOST_NODES = 1 << 26


def numbers(node: Node, name: str, dtype: np.dtype[np.floating]) -> Array:
    """`name` or `name`_as_tensor (not both) as `dtype`; a tensor must have that very type."""
    plain, array = read.floats(node, name), read.tensor(node, f"{name}_as_tensor")
    if array is None or len(array) == 0:
        return plain.astype(dtype)
    if len(plain):
        raise Refuse(f"both {name} and {name}_as_tensor are given")
    if array.dtype != dtype:
        raise Refuse(f"{name}_as_tensor has type {array.dtype.name}, not {dtype.name}")
    return array


class _Names:
    """Numbers of the nodes that (tree id, node id) pairs name."""

    def __init__(self, trees: Array, nodes: Array) -> None:
        self._trees, tree_ranks = np.unique(trees, return_inverse=True)
        self._nodes, node_ranks = np.unique(nodes, return_inverse=True)
        keys = tree_ranks.reshape(-1) * len(self._nodes) + node_ranks.reshape(-1)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        if (self._keys[1:] == self._keys[:-1]).any():
            raise Refuse("two nodes of a tree have the same id")

    def find(self, trees: Array, nodes: Array) -> Array:
        """Raises Refuse where a pair names no node."""
        rank = np.minimum(np.searchsorted(self._trees, trees), len(self._trees) - 1)
        place = np.minimum(np.searchsorted(self._nodes, nodes), len(self._nodes) - 1)
        key = rank * len(self._nodes) + place
        at = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        found = (self._trees[rank] == trees) & (self._nodes[place] == nodes)
        if not (found & (self._keys[at] == key)).all():
            raise Refuse("a child or a weight names a node that does not exist")
        return self._order[at]


def _lengths(count: int, **attributes: Array | tuple[str, ...]) -> None:
    for name, values in attributes.items():
        if len(values) != count:
            raise Refuse(f"{name} has {len(values)} entries, nodes_treeids {count}")


def _missing(node: Node, count: int) -> Array:
    tracks = read.integers(node, "nodes_missing_value_tracks_true")
    if len(tracks) not in (0, count):
        raise Refuse("nodes_missing_value_tracks_true does not fit the number of nodes")
    return tracks == 1 if len(tracks) else np.zeros(count, bool)


def _roots(trees: Array) -> Array:
    """The first node of each run of one tree id; a tree's nodes must be listed together."""
    roots = np.flatnonzero(np.concatenate([[True], trees[1:] != trees[:-1]]))
    if len(np.unique(trees)) != len(roots):
        raise Refuse("the nodes of a tree are not listed together")
    return roots


def listed(node: Node, prefix: str, targets: int, dtype: np.dtype[np.floating]) -> Forest:
    """Forest of the operators up to version 3; `prefix` is "class" or "target". Raises Refuse."""
    trees, ids = read.integers(node, "nodes_treeids"), read.integers(node, "nodes_nodeids")
    count = len(trees)
    if not 0 < count <= _MOST_NODES:
        raise Refuse(f"{count} nodes")
    names = read.strings(node, "nodes_modes")
    true_ids = read.integers(node, "nodes_truenodeids")
    false_ids = read.integers(node, "nodes_falsenodeids")
    feature = read.integers(node, "nodes_featureids")
    threshold = numbers(node, "nodes_values", dtype)
    _lengths(
        count,
        nodes_nodeids=ids,
        nodes_modes=names,
        nodes_truenodeids=true_ids,
        nodes_falsenodeids=false_ids,
        nodes_featureids=feature,
        nodes_values=threshold,
    )
    unknown = sorted(set(names) - set(_MODES))
    if unknown:
        raise Refuse(f"node mode {unknown[0]!r}")
    mode = np.array([_MODES[name] for name in names], np.int64)
    inner = mode != LEAF
    find = _Names(trees, ids).find
    true_child, false_child = np.zeros(count, np.int64), np.zeros(count, np.int64)
    true_child[inner] = find(trees[inner], true_ids[inner])
    false_child[inner] = find(trees[inner], false_ids[inner])
    nodes = Nodes(feature, threshold, mode, _missing(node, count), true_child, false_child)

    weight_trees = read.integers(node, f"{prefix}_treeids")
    weight_nodes = read.integers(node, f"{prefix}_nodeids")
    target = read.integers(node, f"{prefix}_ids")
    value = numbers(node, f"{prefix}_weights", dtype)
    if not len(weight_trees) == len(weight_nodes) == len(target) == len(value):
        raise Refuse(f"the attributes {prefix}_* differ in length")
    place = find(weight_trees, weight_nodes)
    # Some exporters weigh inner nodes too; those weights never count.
    at_leaf = mode[place] == LEAF
    weights = forests.sorted_weights(
        place[at_leaf], target[at_leaf], value[at_leaf], count, targets
    )
    return forests.build(_roots(trees), nodes, weights)


# TreeEnsemble (version 5). ML-36


def _typed_tensor(node: Node, name: str, dtype: np.dtype[np.generic]) -> Array:
    array = read.tensor(node, name)
    if array is None:
        return np.zeros(0, dtype)
    if array.dtype != dtype:
        raise Refuse(f"{name} has type {array.dtype.name}, not {dtype.name}")
    return array


def _member_sets(values: Array, count: int) -> list[Array]:
    """The sets of membership_values, which NaN ends one after another."""
    ends = np.flatnonzero(np.isnan(values))
    if len(ends) == count - 1 and len(values) and not np.isnan(values[-1]):
        ends = np.append(ends, len(values))
    if len(ends) != count or (count and ends[-1] < len(values) - 1):
        raise Refuse(f"membership_values has {len(ends)} sets for {count} nodes")
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    return [values[begin:end] for begin, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def _children(node: Node, branch: str, count: int, leaf_count: int) -> Array:
    """Node numbers of the children: inner nodes first, then leaves."""
    ids = read.integers(node, f"nodes_{branch}nodeids")
    leaf = read.integers(node, f"nodes_{branch}leafs")
    _lengths(count, **{f"nodes_{branch}nodeids": ids, f"nodes_{branch}leafs": leaf})
    limit = np.where(leaf != 0, leaf_count, count)
    if ((ids < 0) | (ids >= limit)).any():
        raise Refuse(f"nodes_{branch}nodeids names a node or leaf that does not exist")
    return np.where(leaf != 0, ids + count, ids)


def indexed(node: Node, targets: int, dtype: np.dtype[np.floating]) -> Forest:
    """Forest of TreeEnsemble; a membership test becomes a chain of equality tests."""
    feature = read.integers(node, "nodes_featureids")
    count = len(feature)
    mode = _typed_tensor(node, "nodes_modes", np.dtype(np.uint8)).astype(np.int64)
    split = _typed_tensor(node, "nodes_splits", dtype)
    value = _typed_tensor(node, "leaf_weights", dtype)
    target = read.integers(node, "leaf_targetids")
    if not 0 < count + len(value) <= _MOST_NODES:
        raise Refuse(f"{count} nodes and {len(value)} leaves")
    _lengths(count, nodes_modes=mode, nodes_splits=split)
    if len(target) != len(value):
        raise Refuse(f"{len(target)} leaf_targetids for {len(value)} leaf_weights")
    if mode.size and mode.max() > _MEMBER:
        raise Refuse(f"node mode {mode.max()}")
    roots = read.integers(node, "tree_roots")
    if len(roots) == 0 or roots.min() < 0 or roots.max() >= count:
        raise Refuse("tree_roots names a node that does not exist")
    true_child = _children(node, "true", count, len(value))
    false_child = _children(node, "false", count, len(value))
    leaf_modes = np.full(len(value), LEAF)
    padding = np.zeros(len(value), np.int64)
    nodes = Nodes(
        np.concatenate([feature, padding]),
        np.concatenate([split, padding.astype(dtype)]),
        np.concatenate([np.where(mode == _MEMBER, EQ, mode), leaf_modes]),
        np.concatenate([_missing(node, count), padding == 1]),
        np.concatenate([true_child, padding]),
        np.concatenate([false_child, padding]),
    )
    members = np.flatnonzero(mode == _MEMBER)
    sets = _member_sets(_typed_tensor(node, "membership_values", dtype), len(members))
    nodes = _chained(nodes, members, sets, dtype)
    total = len(nodes.mode)
    place = np.arange(count, count + len(value))
    weights = forests.sorted_weights(place, target, value, total, targets)
    return forests.build(roots, nodes, weights)


def _chained(
    nodes: Nodes, members: Array, sets: list[Array], dtype: np.dtype[np.floating]
) -> Nodes:
    """Turn each membership test into as many equality tests, the rest of them new nodes."""
    threshold, false_child = nodes.threshold.copy(), nodes.false_child.copy()
    extra_of: list[int] = []
    extra_threshold: list[Array] = []
    extra_false: list[int] = []
    following = len(nodes.mode)
    for place, values in zip(members.tolist(), sets, strict=True):
        if len(values) == 0:
            threshold[place] = np.nan  # equal to nothing
            continue
        otherwise = int(false_child[place])
        threshold[place] = values[0]
        rest = len(values) - 1
        if rest:
            false_child[place] = following
            extra_of.extend([place] * rest)
            extra_threshold.append(values[1:])
            extra_false.extend([*range(following + 1, following + rest), otherwise])
            following += rest
    if not extra_of:
        return Nodes(
            nodes.feature,
            threshold,
            nodes.mode,
            nodes.missing_true,
            nodes.true_child,
            false_child,
        )
    of = np.array(extra_of)
    return Nodes(
        np.concatenate([nodes.feature, nodes.feature[of]]),
        np.concatenate([threshold, *extra_threshold]).astype(dtype),
        np.concatenate([nodes.mode, nodes.mode[of]]),
        np.concatenate([nodes.missing_true, nodes.missing_true[of]]),
        np.concatenate([nodes.true_child, nodes.true_child[of]]),
        np.concatenate([false_child, np.array(extra_false, np.int64)]),
    )
