"""Trees against onnxruntime, and against a walk written node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

from synnergy.tensor.types import Refuse
from tests.tensor.ml.forests import MODES, Shape, forest, rows
from tests.tensor.ml.oracle import agree, assert_close, oracle, ours

OPSETS = {"": 15, "ai.onnx.ml": 3}
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
@pytest.mark.parametrize("targets", [1, 3])
def test_regressors_agree_with_the_oracle(targets: int, aggregate: str, dtype: str) -> None:
    # ML-31, ML-32, ML-33
    rng = np.random.default_rng([targets, len(aggregate), len(dtype)])
    for round_, transform in enumerate(TRANSFORMS):
        for base in ([], [0.25] * targets):
            shape = Shape(
                trees=1 + round_,
                targets=range(targets),
                missing=bool(round_ % 2),
                dense=bool(base) or round_ % 3 > 0,
                whole=round_ % 2 == 0,
                modes=MODES if round_ % 2 else MODES[round_ : round_ + 1],
            )
            attributes = forest(rng, shape, "target")
            if base:
                attributes["base_values"] = base
            agree(
                "TreeEnsembleRegressor",
                rows(rng, shape).astype(dtype),
                opsets=OPSETS,
                n_targets=targets,
                aggregate_function=aggregate,
                post_transform=transform,
                **attributes,
            )


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32"])
@pytest.mark.parametrize("targets", [(0,), (1,), (0, 1, 2), (0, 1, 2, 3, 4)])
@pytest.mark.parametrize("positive", [False, True])
def test_classifiers_agree_with_the_oracle(
    positive: bool, targets: tuple[int, ...], dtype: str
) -> None:
    # ML-34, ML-35
    rng = np.random.default_rng([positive, len(targets), len(dtype), targets[0]])
    count = max(2, len(targets))
    for round_, transform in enumerate(TRANSFORMS[: 4 if count == 2 else 5]):
        for base in ([], [0.25, -0.5, 0.125, 1.0, 0.0][:count], [0.375]):
            if len(base) == 1 and count > 2:
                continue
            shape = Shape(
                trees=2 + round_, targets=targets, positive=positive, whole=dtype[:3] == "int"
            )
            attributes = forest(rng, shape, "class")
            if base:
                attributes["base_values"] = base
            labels: dict[str, Any] = {"classlabels_int64s": list(range(7, 7 + count))}
            if round_ % 2:
                labels = {"classlabels_strings": list("abcde"[:count])}
            x = rows(rng, shape)
            if dtype[:3] == "int":
                x = np.nan_to_num(x)
            agree(
                "TreeEnsembleClassifier",
                x.astype(dtype),
                opsets=OPSETS,
                outputs=2,
                post_transform=transform,
                **attributes,
                **labels,
            )


def test_both_of_two_classes_weighed() -> None:
    # ML-35: the oracle's scores; its labels are 1 and 0 whatever the classes are called
    rng = np.random.default_rng(5)
    shape = Shape(trees=4, targets=(0, 1))
    attributes = forest(rng, shape, "class")
    x = rows(rng, shape).astype(np.float32)
    keywords: dict[str, Any] = {**attributes, "classlabels_int64s": [7, 8], "outputs": 2}
    labels, scores = ours("TreeEnsembleClassifier", x, opsets=OPSETS, **keywords)
    assert_close(scores, oracle("TreeEnsembleClassifier", x, opsets=OPSETS, **keywords)[1])
    assert labels.tolist() == [8 if second > first else 7 for first, second in scores]


def test_single_sums_are_in_tree_order() -> None:
    # ML-32: 1e8 + 1 - 1e8 is 0 in this order of float32 additions, 1 in another
    weights = [1e8, 1.0, -1e8, 0.5]
    attributes = {
        "nodes_treeids": [0, 1, 2, 3],
        "nodes_nodeids": [0] * 4,
        "nodes_modes": ["LEAF"] * 4,
        "nodes_featureids": [0] * 4,
        "nodes_values": [0.0] * 4,
        "nodes_truenodeids": [0] * 4,
        "nodes_falsenodeids": [0] * 4,
        "target_treeids": [0, 1, 2, 3],
        "target_nodeids": [0] * 4,
        "target_ids": [0] * 4,
        "target_weights": weights,
        "n_targets": 1,
    }
    x = np.zeros((2, 1), np.float32)
    (result,) = ours("TreeEnsembleRegressor", x, opsets=OPSETS, **attributes)
    assert result.tolist() == [[0.5], [0.5]]
    # -0 alone must not come out as -0: sums start from +0
    attributes["target_weights"] = [-0.0] * 4
    (zero,) = ours("TreeEnsembleRegressor", x, opsets=OPSETS, **attributes)
    assert not np.signbit(zero).any()


def _tensor(values: Any, dtype: str) -> Any:
    return numpy_helper.from_array(np.array(values, dtype=dtype))


def _ensemble(**changes: Any) -> dict[str, Any]:
    """A node x0 <= 0.5 over a membership test of x1 and a leaf."""
    attributes: dict[str, Any] = {
        "n_targets": 2,
        "tree_roots": [0],
        "nodes_featureids": [0, 1],
        "nodes_modes": _tensor([0, 6], "uint8"),
        "nodes_splits": _tensor([0.5, 0.0], "float32"),
        "nodes_truenodeids": [1, 0],
        "nodes_trueleafs": [0, 1],
        "nodes_falsenodeids": [1, 2],
        "nodes_falseleafs": [1, 1],
        "leaf_weights": _tensor([1.0, 2.0, 4.0], "float32"),
        "leaf_targetids": [0, 1, 1],
        "membership_values": _tensor([3.0, -1.0, 7.0, np.nan], "float32"),
    }
    return {**attributes, **changes}


ENSEMBLE_ROWS = np.array(
    [[0, 3], [0, 4], [0, -1], [1, 3], [0.5, 7], [np.nan, 3], [0, np.nan], [0, -0.0]], np.float32
)


def test_tree_ensemble_with_membership() -> None:
    # ML-36
    agree("TreeEnsemble", ENSEMBLE_ROWS, **_ensemble())
    tracked = _ensemble(nodes_missing_value_tracks_true=[1, 1], aggregate_function=0)
    agree("TreeEnsemble", ENSEMBLE_ROWS, **tracked)
    # The oracle takes SOFTMAX (1) for LOGISTIC (2) and the other way round.
    for mine, theirs in ((1, 2), (2, 1), (3, 3), (4, 4)):
        assert_close(
            ours("TreeEnsemble", ENSEMBLE_ROWS, post_transform=mine, **tracked)[0],
            oracle("TreeEnsemble", ENSEMBLE_ROWS, post_transform=theirs, **tracked)[0],
        )
    (result,) = ours("TreeEnsemble", ENSEMBLE_ROWS, **_ensemble())
    assert result[:, 0].tolist() == [1, 0, 1, 0, 1, 0, 0, 0]


def test_tree_ensemble_in_float64() -> None:
    wide = {
        name: _tensor(numpy_helper.to_array(value), "float64")
        for name, value in _ensemble().items()
        if name in ("nodes_splits", "leaf_weights", "membership_values")
    }
    agree("TreeEnsemble", ENSEMBLE_ROWS.astype(np.float64), **_ensemble(**wide))


def test_an_empty_set_holds_for_nothing() -> None:
    changed = _ensemble(membership_values=_tensor([np.nan], "float32"))
    (result,) = ours("TreeEnsemble", ENSEMBLE_ROWS, **changed)
    assert result[:, 0].tolist() == [0] * len(ENSEMBLE_ROWS)


def _chain(length: int, **changes: Any) -> dict[str, Any]:
    """A tree whose false children form a path of `length` comparisons."""
    nodes = 2 * length + 1
    modes, true, false = ["LEAF"] * nodes, [0] * nodes, [0] * nodes
    for index in range(length):
        modes[index] = "BRANCH_EQ"
        true[index] = length + index
        false[index] = index + 1 if index + 1 < length else 2 * length
    attributes: dict[str, Any] = {
        "nodes_treeids": [0] * nodes,
        "nodes_nodeids": list(range(nodes)),
        "nodes_modes": modes,
        "nodes_featureids": [0] * nodes,
        "nodes_values": [float(i) for i in range(nodes)],
        "nodes_truenodeids": true,
        "nodes_falsenodeids": false,
        "target_treeids": [0] * (length + 1),
        "target_nodeids": list(range(length, nodes)),
        "target_ids": [0] * (length + 1),
        "target_weights": [float(i) for i in range(length + 1)],
        "n_targets": 1,
    }
    return {**attributes, **changes}


def test_long_chains_up_to_the_limit() -> None:
    # ML-30
    x = np.array([[0.0], [4000.0], [5000.0], [np.nan]], np.float32)
    (result,) = ours("TreeEnsembleRegressor", x, opsets=OPSETS, **_chain(4096))
    assert result[:, 0].tolist() == [0.0, 4000.0, 4096.0, 4096.0]
    with pytest.raises(Refuse, match="more than 4096"):
        ours("TreeEnsembleRegressor", x, opsets=OPSETS, **_chain(4097))


REFUSED = {
    "cycle": ({"nodes_falsenodeids": [1, 0, 4, 0, 0, 0, 0][:7]}, "leads back"),
    "self": ({"nodes_falsenodeids": [0, 2, 6, 0, 0, 0, 0]}, "leads back"),
    "no such child": ({"nodes_truenodeids": [3, 4, 99, 0, 0, 0, 0]}, "does not exist"),
    "repeated id": ({"nodes_nodeids": [0, 1, 2, 3, 4, 5, 5]}, "same id"),
    "apart": ({"nodes_treeids": [0, 0, 0, 0, 0, 0, 1]}, "does not exist"),
    "short list": ({"nodes_values": [0.0] * 6}, "entries"),
    "unknown mode": ({"nodes_modes": ["BRANCH"] * 7}, "node mode"),
    "negative feature": ({"nodes_featureids": [-1] * 7}, "negative feature"),
    "feature too large": ({"nodes_featureids": [9] * 7}, "compares feature 9 of 1"),
    "target too large": ({"target_ids": [3, 0, 0, 0]}, "outside"),
    "weight of no node": ({"target_nodeids": [3, 4, 5, 70]}, "does not exist"),
    "no targets": ({"n_targets": 0}, "n_targets"),
    "float ids": ({"nodes_nodeids": [0.5] * 7}, "not a list of integers"),
    "huge ids": ({"nodes_truenodeids": [2**63 - 1] * 7}, "does not exist"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_broken_trees_are_refused(name: str) -> None:
    # ML-1, ML-30
    changes, reason = REFUSED[name]
    with pytest.raises(Refuse, match=reason):
        ours(
            "TreeEnsembleRegressor",
            np.zeros((1, 1), np.float32),
            opsets=OPSETS,
            **_chain(3, **changes),
        )


def test_shared_children_are_walked() -> None:
    # ML-30: LightGBM's categories lead to one node from several
    changes = {"nodes_truenodeids": [3, 3, 3, 0, 0, 0, 0]}
    x = np.array([[0.0], [1.0], [2.0], [3.0]], np.float32)
    (result,) = ours("TreeEnsembleRegressor", x, opsets=OPSETS, **_chain(3, **changes))
    assert result[:, 0].tolist() == [0.0, 0.0, 0.0, 3.0]


def test_rows_are_independent_of_the_batch() -> None:
    # Chunking bounds memory only.
    rng = np.random.default_rng(11)
    shape = Shape(trees=30, targets=(0, 1, 2), depth=6)
    attributes = forest(rng, shape, "target")
    x = np.tile(rows(rng, shape, 50), (800, 1)).astype(np.float32)
    keywords: dict[str, Any] = {"opsets": OPSETS, "n_targets": 3, **attributes}
    (together,) = ours("TreeEnsembleRegressor", x, **keywords)
    (first,) = ours("TreeEnsembleRegressor", x[:50], **keywords)
    assert together.tobytes() == np.tile(first, (800, 1)).tobytes()
