"""Forests by the kernels: ML-29 to ML-36."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from tests.tensor.kernels.same import assert_same, hostile_floats, model_of
from tests.tensor.ml.forests import MODES, Shape, forest, rows

TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def _model(
    operator: str, dtype: str, features: int, outputs: list[str], **attributes: Any
) -> bytes:
    node = helper.make_node(operator, ["x"], outputs, domain="ai.onnx.ml", **attributes)
    return model_of([node], {"x": (dtype, ("n", features))}, outputs, ml=3)


def _inputs(rng: np.random.Generator, shape: Shape, dtype: str, count: int) -> np.ndarray:
    x = rows(rng, shape, count)
    if dtype.startswith("int"):
        return np.nan_to_num(x * 2).astype(dtype)
    hostile = hostile_floats(x.shape, dtype, seed=count)
    return np.where(rng.random(x.shape) < 0.2, hostile, x).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32"])
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
def test_regressors(aggregate: str, targets: int, dtype: str) -> None:
    rng = np.random.default_rng([targets, len(aggregate), len(dtype)])
    for turn, transform in enumerate(TRANSFORMS):
        shape = Shape(
            trees=1 + 5 * turn,
            targets=range(targets),
            depth=3 + turn,
            missing=turn % 2 == 1,
            dense=turn % 3 > 0,
            whole=turn % 2 == 0,
            modes=MODES if turn == 4 else MODES[turn : turn + 1],
        )
        attributes = forest(rng, shape, "target")
        if turn % 2:
            attributes["base_values"] = [0.25] * targets
        content = _model(
            "TreeEnsembleRegressor",
            dtype,
            shape.features,
            ["y"],
            n_targets=targets,
            aggregate_function=aggregate,
            post_transform=transform,
            **attributes,
        )
        assert_same(content, {"x": _inputs(rng, shape, dtype, 1 + 5 * turn)})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("targets", [(0,), (1,), (0, 1), (0, 1, 2, 3, 4)])
@pytest.mark.parametrize("positive", [False, True])
def test_classifiers(positive: bool, targets: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng([positive, len(targets), len(dtype), targets[0]])
    count = max(2, len(targets))
    for turn, transform in enumerate(TRANSFORMS[: 4 if count == 2 else 5]):
        for base in ([], [0.25, -0.5, 0.125, 1.0, 0.0][:count], [0.375]):
            if len(base) == 1 and count > 2:
                continue
            shape = Shape(
                trees=2 + turn,
                targets=targets,
                dense=turn % 2 == 0,
                positive=positive,
                modes=["BRANCH_LEQ", "BRANCH_GT"],
                missing=True,
            )
            content = _model(
                "TreeEnsembleClassifier",
                dtype,
                shape.features,
                ["label", "scores"],
                classlabels_int64s=list(range(7, 7 + count)),
                post_transform=transform,
                **({"base_values": base} if base else {}),
                **forest(rng, shape, "class"),
            )
            assert_same(content, {"x": _inputs(rng, shape, dtype, 11)})


def test_thresholds_that_meet_every_kind_of_number() -> None:
    """Each mode compares each special value with each: the keys' order is the floats'."""
    special = hostile_floats((400,), seed=5)
    special = np.unique(special[:200].view(np.int32)).view(np.float32)
    for mode in MODES:
        attributes: dict[str, list[Any]] = {
            "nodes_treeids": [],
            "nodes_nodeids": [],
            "nodes_modes": [],
            "nodes_values": [],
            "nodes_truenodeids": [],
            "nodes_falsenodeids": [],
            "nodes_featureids": [],
            "nodes_missing_value_tracks_true": [],
            "target_treeids": [],
            "target_nodeids": [],
            "target_ids": [],
            "target_weights": [],
        }
        for tree, threshold in enumerate(special.tolist()):
            attributes["nodes_treeids"] += [tree] * 3
            attributes["nodes_nodeids"] += [0, 1, 2]
            attributes["nodes_modes"] += [mode, "LEAF", "LEAF"]
            attributes["nodes_values"] += [threshold, 0.0, 0.0]
            attributes["nodes_truenodeids"] += [1, 0, 0]
            attributes["nodes_falsenodeids"] += [2, 0, 0]
            attributes["nodes_featureids"] += [0, 0, 0]
            attributes["nodes_missing_value_tracks_true"] += [tree % 2, 0, 0]
            attributes["target_treeids"] += [tree]
            attributes["target_nodeids"] += [1]
            attributes["target_ids"] += [tree]
            attributes["target_weights"] += [1.0]
        content = _model(
            "TreeEnsembleRegressor", "float32", 1, ["y"], n_targets=len(special), **attributes
        )
        assert_same(content, {"x": special[:, None]})


def test_features_beyond_small_numbers() -> None:
    rng = np.random.default_rng(1)
    shape = Shape(trees=9, features=3, modes=["BRANCH_LT"])
    attributes = forest(rng, shape, "target")
    attributes["nodes_featureids"] = [70_000 + each for each in attributes["nodes_featureids"]]
    content = _model("TreeEnsembleRegressor", "float32", 70_003, ["y"], n_targets=1, **attributes)
    x = np.zeros((9, 70_003), np.float32)
    x[:, 70_000:] = rows(rng, shape, 9)
    assert_same(content, {"x": x})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ensembles_with_members_and_shared_leaves(dtype: str) -> None:
    code = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    node = helper.make_node(
        "TreeEnsemble",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=2,
        aggregate_function=1,
        nodes_featureids=[0, 0, 1],
        nodes_modes=helper.make_tensor("m", 2, (3,), [0, 6, 6]),
        nodes_splits=helper.make_tensor("s", code, (3,), [1.0, 0.0, 0.0]),
        membership_values=helper.make_tensor(
            "v", code, (8,), [1.2, 3.7, 8.0, 9.0, np.nan, 12.0, 7.0, np.nan]
        ),
        nodes_truenodeids=[1, 0, 1],
        nodes_trueleafs=[0, 1, 1],
        nodes_falsenodeids=[2, 2, 3],
        nodes_falseleafs=[0, 1, 1],
        leaf_targetids=[0, 1, 0, 1],
        leaf_weights=helper.make_tensor("w", code, (4,), [5.23, 12.12, -12.23, 7.21]),
        tree_roots=[0],
    )
    content = model_of([node], {"x": (dtype, ("n", 2))}, ["y"])
    x = np.array([[1.2, 7.0], [3.7, 12.0], [0.5, 1.0], [9.0, np.nan], [np.nan, 7.0]])
    assert_same(content, {"x": np.concatenate([x, -x, x]).astype(dtype)})
