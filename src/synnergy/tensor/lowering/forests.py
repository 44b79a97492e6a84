"""Forests as the kernels walk them: every comparison is `key <= above`, by whole numbers.

A float's key is its bits in the order of the floats, so that "below t" is "at most the key before
t's". Tests of equality become two nodes. Where each node has one parent and numbers are small,
siblings lie side by side and a node takes 8 bytes. ML-31
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synnergy.tensor.operators.ml_forest import EQ, GT, GTE, LEAF, LT, NEQ, Forest
from synnergy.tensor.types import Array

#: Walks that kernels have under way together; WALKS in c/trees.c.
WALKS = 8

#: What kernels store of a node: see NarrowNode, WideNode and WideNode64 in c/trees.c.
NARROW = np.dtype([("above", np.int32), ("key", np.uint16), ("left", np.uint16)])
WIDE = np.dtype([(name, np.int32) for name in ("above", "key", "left", "right")])
WIDE_64 = np.dtype(
    [
        ("above", np.int64),
        *((name, np.int32) for name in ("key", "left", "right", "unused")),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What a step reads. `origin` is each node's number in the forest it was made of.

    roots has WALKS entries more than trees; depths has an entry for each WALKS trees more.
    sides: 1 where NaN goes right everywhere, 2 where left, 3 where that differs by node.
    """

    nodes: Array
    roots: Array
    depths: Array
    origin: Array
    sides: int


@dataclass(frozen=True, slots=True, eq=False)
class _Tests:
    """`key(x) <= above` leads left, else right; NaN left where `nan_left`. Leaves: both itself."""

    above: Array
    feature: Array
    left: Array
    right: Array
    nan_left: Array
    leaf: Array
    origin: Array


def tables(forest: Forest) -> Tables:
    """The forest in the smallest form that holds it."""
    tests = _tests(forest)
    inner = ~tests.leaf
    asked = tests.nan_left[inner]
    sides = 3 if asked.any() and not asked.all() else 2 if asked.any() else 1
    key = tests.feature + (forest.features * tests.nan_left if sides == 3 else 0)
    key = np.where(inner, key, 0)
    if forest.dtype == np.float32 and (narrow := _narrow(forest.roots, tests, key)) is not None:
        nodes, roots, depths, origin = narrow
    else:
        nodes = np.zeros(len(key), WIDE if forest.dtype == np.float32 else WIDE_64)
        nodes["above"], nodes["key"] = tests.above, key
        nodes["left"], nodes["right"] = tests.left, tests.right
        roots, origin = forest.roots, tests.origin
        depths = _depths(roots, tests)
    padded = np.concatenate([roots, np.repeat(roots[-1:], WALKS)]).astype(np.int32)
    groups = np.zeros(-(-len(depths) // WALKS) * WALKS, np.int64)
    groups[: len(depths)] = depths
    joint = groups.reshape(-1, WALKS).max(axis=1)
    return Tables(nodes, padded, np.concatenate([depths, joint]).astype(np.int32), origin, sides)


def _keys(values: Array) -> Array:
    """Bits of floats as integers in the order of the floats; -0 as +0. NaN has no place in it."""
    whole = np.dtype(f"i{values.itemsize}")
    known = np.where(np.isnan(values), values.dtype.type(0), values) + values.dtype.type(0)
    signed = np.ascontiguousarray(known).view(whole)
    return np.where(signed < 0, signed ^ np.iinfo(whole).max, signed).astype(whole)


def _tests(forest: Forest) -> _Tests:
    mode, threshold = forest.mode, forest.threshold
    whole = np.dtype(f"i{threshold.itemsize}")
    least, most = np.iinfo(whole).min, np.iinfo(whole).max
    infinity = _keys(np.array([np.inf], threshold.dtype))[0]
    key = _keys(threshold)
    unknown = np.isnan(threshold)
    leaf, swapped = mode == LEAF, (mode == GT) | (mode == GTE)
    above = np.where((mode == LT) | (mode == GTE), key - 1, key)
    # No number is below, above or equal to NaN.
    above = np.where(unknown, np.where(swapped, infinity, least), above)
    above = np.where(leaf, most, above).astype(whole)
    left = np.where(swapped, forest.false_child, forest.true_child)
    right = np.where(swapped, forest.true_child, forest.false_child)
    nan_left = (forest.missing_true & (mode != NEQ)) ^ swapped
    nan_left &= ~leaf
    # x == t: not above t, and then above the key before t's.
    here = np.arange(len(mode))
    equal = np.flatnonzero((mode == EQ) | (mode == NEQ))
    is_equal = mode[equal] == EQ
    second = len(mode) + np.arange(len(equal))
    same = np.where(is_equal, forest.true_child[equal], forest.false_child[equal])
    other = np.where(is_equal, forest.false_child[equal], forest.true_child[equal])
    left, right = left.copy(), right.copy()
    left[equal], right[equal] = second, other
    before = np.where(unknown[equal], least, key[equal] - 1).astype(whole)
    return _Tests(
        np.concatenate([above, before]),
        np.concatenate([forest.feature, forest.feature[equal]]),
        np.concatenate([left, other]),
        np.concatenate([right, same]),
        np.concatenate([nan_left, np.zeros(len(equal), bool)]),
        np.concatenate([leaf, np.zeros(len(equal), bool)]),
        np.concatenate([here, equal]),
    )


def _narrow(roots: Array, tests: _Tests, key: Array) -> tuple[Array, Array, Array, Array] | None:
    """(nodes, roots, depths, origin) with siblings side by side, tree after tree in order of
    depth; None where children are shared or a number takes more than 16 bits."""
    inner = np.flatnonzero(~tests.leaf)
    referred = np.concatenate([roots, tests.left[inner], tests.right[inner]])
    if len(np.unique(referred)) != len(referred) or (len(key) and key.max() >= 1 << 16):
        return None
    trees = np.arange(len(roots))
    levels, owners = [roots], [trees]
    depths = np.zeros(len(roots), np.int64)
    while True:
        level, owner = levels[-1], owners[-1]
        asking = ~tests.leaf[level]
        parents, owner = level[asking], owner[asking]
        if not len(parents):
            break
        depths[np.unique(owner)] += 1
        levels.append(np.stack([tests.left[parents], tests.right[parents]], 1).reshape(-1))
        owners.append(np.repeat(owner, 2))
    order = np.concatenate(levels)[np.argsort(np.concatenate(owners), kind="stable")]
    place = np.zeros(len(key), np.int64)
    place[order] = np.arange(len(order))
    leaf = tests.leaf[order]
    left = np.where(leaf, 0, place[tests.left[order]] - np.arange(len(order)))
    if left.max() >= 1 << 16:
        return None
    nodes = np.zeros(len(order), NARROW)
    nodes["above"], nodes["key"], nodes["left"] = tests.above[order], key[order], left
    return nodes, place[roots], depths, tests.origin[order]


def _depths(roots: Array, tests: _Tests) -> Array:
    """Comparisons on each tree's longest path."""
    height = np.zeros(len(tests.leaf), np.int64)
    level, depth = np.unique(roots), 0
    # A node's height is settled by its lowest descendant: go down, then take heights upwards.
    levels: list[Array] = []
    while len(level):
        inner = level[~tests.leaf[level]]
        levels.append(inner)
        level = np.unique(np.concatenate([tests.left[inner], tests.right[inner]]))
        depth += 1
    for inner in reversed(levels):
        below = np.maximum(height[tests.left[inner]], height[tests.right[inner]])
        height[inner] = below + 1
    return height[roots]
