"""One valid node of each operator, to be mutated by the hostile tests and hashed by the golden."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from synnergy.tensor.types import Node


class Seed(NamedTuple):
    """An operator's domain and name, attributes as the loader decodes them, inputs."""

    domain: str
    operator: str
    attributes: dict[str, Any]
    inputs: list[np.ndarray]
    outputs: int = 1
    opset: int = 5


ML = "ai.onnx.ml"
NAN = float("nan")
X = np.array([[0.5, -1.25, 3.0], [2.0, 0.0, NAN], [-7.0, 0.125, 1.0], [0, 0, 0]], np.float32)
KNOWN = np.nan_to_num(X)


def words(*items: str) -> np.ndarray:
    array = np.empty(len(items), object)
    array[:] = items
    return array


def _trees(prefix: str) -> dict[str, Any]:
    """Two trees: a split whose false child splits again, and a single leaf."""
    return {
        "nodes_treeids": [0, 0, 0, 0, 0, 1],
        "nodes_nodeids": [0, 1, 2, 3, 4, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "BRANCH_GT", "LEAF", "LEAF", "LEAF"],
        "nodes_featureids": [0, 0, 2, 0, 0, 0],
        "nodes_values": [0.5, 0.0, 0.25, 0.0, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 3, 0, 0, 0],
        "nodes_falsenodeids": [2, 0, 4, 0, 0, 0],
        "nodes_missing_value_tracks_true": [0, 0, 1, 0, 0, 0],
        f"{prefix}_treeids": [0, 0, 0, 1],
        f"{prefix}_nodeids": [1, 3, 4, 0],
        f"{prefix}_ids": [0, 1, 2, 1],
        f"{prefix}_weights": [0.25, 1.5, -2.0, 0.125],
    }


def _machine() -> dict[str, Any]:
    return {
        "kernel_type": "RBF",
        "kernel_params": [0.5, 0.25, 3.0],
        "support_vectors": [0.5, 1.0, -1.0, 0.25, 0.0, 2.0, 1.5, -0.5, 0.75, -2.0, 0.0, 1.0],
        "rho": [0.1, -0.2, 0.3],
    }


SEEDS: dict[str, Seed] = {
    "Scaler": Seed(ML, "Scaler", {"scale": [1.5, 2.0, 0.3], "offset": [0.1, 0.0, -1.0]}, [X]),
    "Normalizer": Seed(ML, "Normalizer", {"norm": "L2"}, [KNOWN]),
    "Imputer": Seed(
        ML, "Imputer", {"imputed_value_floats": [9.5], "replaced_value_float": NAN}, [X]
    ),
    "Binarizer": Seed(ML, "Binarizer", {"threshold": 0.25}, [X]),
    "FeatureVectorizer": Seed(ML, "FeatureVectorizer", {"inputdimensions": [2, 4]}, [X, X]),
    "ArrayFeatureExtractor": Seed(ML, "ArrayFeatureExtractor", {}, [X, np.array([2, 0])]),
    "LabelEncoder": Seed(
        ML,
        "LabelEncoder",
        {"keys_floats": [0.5, NAN], "values_strings": ["é", "none"], "default_string": "?"},
        [X],
    ),
    "LabelEncoder tensors": Seed(
        ML,
        "LabelEncoder",
        {
            "keys_tensor": np.array([1, 2]),
            "values_tensor": np.array([0.5, 0.25]),
            "default_tensor": np.array([-1.0]),
        },
        [np.array([1, 2, 3])],
    ),
    "LabelEncoder positions": Seed(
        ML, "LabelEncoder", {"classes_strings": ["a", "b"]}, [words("b", "c")], opset=1
    ),
    "CategoryMapper": Seed(
        ML,
        "CategoryMapper",
        {"cats_strings": ["a", "b"], "cats_int64s": [4, 3], "default_int64": -7},
        [words("a", "z")],
    ),
    "OneHotEncoder": Seed(ML, "OneHotEncoder", {"cats_int64s": [0, 2, -7], "zeros": 1}, [X]),
    "ZipMap": Seed(ML, "ZipMap", {"classlabels_strings": ["a", "b", "c"]}, [KNOWN]),
    "LinearClassifier": Seed(
        ML,
        "LinearClassifier",
        {
            "coefficients": [0.5, -1.0, 2.0, 0.25, 0.0, -0.5],
            "intercepts": [0.1, -0.2],
            "classlabels_ints": [3, 7],
            "post_transform": "SOFTMAX",
            "multi_class": 1,
        },
        [KNOWN],
        2,
    ),
    "LinearRegressor": Seed(
        ML,
        "LinearRegressor",
        {"coefficients": [0.5, -1.0, 2.0], "intercepts": [0.1], "targets": 1},
        [KNOWN],
    ),
    "SVMClassifier": Seed(
        ML,
        "SVMClassifier",
        {
            **_machine(),
            "vectors_per_class": [1, 2, 1],
            "coefficients": [0.5, 1.0, -0.25, 0.5, -1.0, 0.125, 2.0, -0.5],
            "prob_a": [-1.0, -1.5, -0.5],
            "prob_b": [0.1, 0.0, -0.1],
            "classlabels_strings": ["a", "b", "c"],
        },
        [KNOWN],
        2,
    ),
    "SVMRegressor": Seed(
        ML,
        "SVMRegressor",
        {
            **_machine(),
            "rho": [0.1],
            "n_supports": 4,
            "coefficients": [0.5, 1.0, -0.25, 0.5],
            "one_class": 0,
        },
        [KNOWN],
    ),
    "TreeEnsembleClassifier": Seed(
        ML,
        "TreeEnsembleClassifier",
        {
            **_trees("class"),
            "classlabels_int64s": [1, 2, 3],
            "base_values": [0.0, 0.5, 0.25],
            "post_transform": "SOFTMAX",
        },
        [X],
        2,
    ),
    "TreeEnsembleRegressor": Seed(
        ML,
        "TreeEnsembleRegressor",
        {**_trees("target"), "n_targets": 3, "aggregate_function": "AVERAGE"},
        [X.astype(np.float64)],
    ),
    "TreeEnsemble": Seed(
        ML,
        "TreeEnsemble",
        {
            "n_targets": 2,
            "tree_roots": [0],
            "nodes_featureids": [0, 1],
            "nodes_modes": np.array([0, 6], np.uint8),
            "nodes_splits": np.array([0.5, 0.0], np.float32),
            "nodes_truenodeids": [1, 0],
            "nodes_trueleafs": [0, 1],
            "nodes_falsenodeids": [1, 2],
            "nodes_falseleafs": [1, 1],
            "leaf_weights": np.array([1.0, 2.0, 4.0], np.float32),
            "leaf_targetids": [0, 1, 1],
            "membership_values": np.array([0.125, -1.25, NAN], np.float32),
            "aggregate_function": 1,
            "post_transform": 2,
        },
        [X],
    ),
    "StringNormalizer": Seed(
        "",
        "StringNormalizer",
        {"case_change_action": "UPPER", "stopwords": ["the"], "is_case_sensitive": 0},
        [words("ångström")],
        opset=18,
    ),
    "Tokenizer": Seed(
        "com.microsoft",
        "Tokenizer",
        {"tokenexp": r"\w{2,}", "pad_value": "#", "mark": 1, "mincharnum": 1},
        [words("one, two", "")],
        opset=1,
    ),
    "Tokenizer separators": Seed(
        "com.microsoft",
        "Tokenizer",
        {"separators": [" ", "[.,]"], "pad_value": "#", "mark": 0, "mincharnum": 2},
        [words("one, two", "")],
        opset=1,
    ),
    "StringConcat": Seed("", "StringConcat", {}, [words("a", "b"), words("c")], opset=20),
    "TfIdfVectorizer": Seed(
        "",
        "TfIdfVectorizer",
        {
            "mode": "TFIDF",
            "min_gram_length": 1,
            "max_gram_length": 2,
            "max_skip_count": 1,
            "ngram_counts": [0, 2],
            "ngram_indexes": [2, 0, 1],
            "pool_int64s": [1, 2, 1, 2],
            "weights": [0.5, 0.25, 0.125],
        },
        [np.array([[1, 2, 1, 2, 3], [3, 3, 2, 2, 1]])],
        opset=18,
    ),
}


def node_of(seed: Seed, attributes: dict[str, Any] | None = None) -> Node:
    """The seed's node, with other attributes where they are given."""
    return Node(
        "node",
        seed.domain,
        seed.operator,
        seed.opset,
        tuple(f"x{i}" for i in range(len(seed.inputs))),
        tuple(f"y{i}" for i in range(seed.outputs)),
        seed.attributes if attributes is None else attributes,
    )
