"""Preprocessing and maps against onnxruntime, and the cases it does not cover by their rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

from synnergy.tensor.types import BadInput, Refuse
from tests.tensor.ml.oracle import agree, ours

NAN = float("nan")
DTYPES = ("float32", "float64", "int64", "int32")


def _x(dtype: str) -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(7, 4)) * (10 if dtype[:3] == "int" else 1)
    return x.astype(dtype)


def _words(*items: str) -> np.ndarray:
    array = np.empty(len(items), object)
    array[:] = items
    return array


@pytest.mark.parametrize("dtype", DTYPES)
def test_preprocessing(dtype: str) -> None:
    # ML-10, ML-11, ML-14, ML-15
    x = _x(dtype)
    agree("Scaler", x, scale=[1.0, 2.0, 0.3, 4.0], offset=[0.1, 0.2, 0.3, 0.4])
    agree("Scaler", x, scale=[1.3], offset=[0.1])
    for norm in ("MAX", "L1", "L2"):
        agree("Normalizer", x, norm=norm)
        agree("Normalizer", x[0], norm=norm)
        agree("Normalizer", np.zeros_like(x), norm=norm)
    agree("FeatureVectorizer", x, x[:, :2].copy(), inputdimensions=[3, 4])
    agree("ArrayFeatureExtractor", x, np.array([2, 0, 2]))
    agree("ArrayFeatureExtractor", x[0], np.array([[3, 1]]))


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_normalizer_on_strange_numbers(norm: str) -> None:
    x = np.array(
        [[NAN, 1, 2, -3], [np.inf, 1, 0, 1], [-1, -2, -4, -8], [-0.0, 0, 0, 0], [NAN] * 4],
        np.float32,
    )
    agree("Normalizer", x, norm=norm)


def test_imputer() -> None:
    # ML-12
    x = np.where(_x("float32") > 0, _x("float32"), np.float32(NAN))
    each: dict[str, Any] = {"imputed_value_floats": [1.0, 2.0, 3.0, 4.0]}
    agree("Imputer", x, replaced_value_float=NAN, **each)
    agree(
        "Imputer", np.array([[0.0, -0.0, NAN, 1.0]], np.float32), replaced_value_float=0.0, **each
    )
    agree("Imputer", _x("int64"), imputed_value_int64s=[7], replaced_value_int64=3)
    wide = np.array([[NAN, 1.0]])
    assert ours("Imputer", wide, imputed_value_floats=[0.1], replaced_value_float=NAN)[
        0
    ].tolist() == [[float(np.float32(0.1)), 1.0]]
    with pytest.raises(Refuse, match="do not fit"):
        ours("Imputer", _x("int32"), imputed_value_int64s=[2**40])


def test_binarizer() -> None:
    # ML-13
    x = np.array([[0.25, np.inf, -np.inf, 0.26, -0.0]], np.float32)
    agree("Binarizer", x, threshold=0.25)
    for dtype in DTYPES[1:]:
        (result,) = ours("Binarizer", np.array([[0, 1, 2]], dtype), threshold=1.5)
        assert result.tolist() == [[0, 0, 1]]
        assert result.dtype == dtype


def test_extractor_checks_its_indices() -> None:
    # ML-15
    for index in (4, -1):
        with pytest.raises(BadInput, match="outside"):
            ours("ArrayFeatureExtractor", _x("float32"), np.array([index]))
    agree("ArrayFeatureExtractor", _words("a", "b").reshape(1, 2), np.array([1]))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_one_hot_of_numbers(dtype: str) -> None:
    # ML-19
    agree("OneHotEncoder", _x(dtype), cats_int64s=[-1, 0, 5, 3])


def test_one_hot_of_words_and_strange_numbers() -> None:
    agree("OneHotEncoder", _words("a", "b", "zz").reshape(3, 1), cats_strings=["b", "a"])
    x = np.array([NAN, np.inf, -np.inf, 1e30, -0.9, 1.9], np.float32)
    (result,) = ours("OneHotEncoder", x, cats_int64s=[0, 1, -(2**63)])
    assert result.tolist() == [[0, 0, 0]] * 4 + [[1, 0, 0], [0, 1, 0]]
    with pytest.raises(BadInput, match="none of the categories"):
        ours("OneHotEncoder", x, cats_int64s=[0], zeros=0)


OLD, OLDER = {"": 11, "ai.onnx.ml": 2}, {"": 11, "ai.onnx.ml": 1}
TENSOR = numpy_helper.from_array
ENCODERS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "positions of words": (
        _words("a", "b", "q"),
        {"classes_strings": ["a", "b"], "opsets": OLDER},
    ),
    "words of positions": (np.array([0, 1, 2]), {"classes_strings": ["a", "b"], "opsets": OLDER}),
    "words to words": (_words("a", "q"), {"keys_strings": ["a"], "values_strings": ["x"]}),
    "words to floats": (_words("a", "q"), {"keys_strings": ["a"], "values_floats": [1.5]}),
    "whole to words": (np.array([1, 2]), {"keys_int64s": [1], "values_strings": ["x"]}),
    "whole to floats": (
        np.array([1, 2]),
        {"keys_int64s": [1], "values_floats": [2.5], "default_float": -1.5},
    ),
    "floats, zero and NaN": (
        np.array([1.5, NAN, 0.0, -0.0, 3.0], np.float32),
        {"keys_floats": [1.5, NAN, 0.0], "values_int64s": [1, 2, 3]},
    ),
    "floats before version 4": (
        np.array([1.5, NAN, 0.0], np.float32),
        {"keys_floats": [1.5, NAN, 0.0], "values_int64s": [1, 2, 3], "opsets": OLD},
    ),
    "repeated keys": (
        np.array([1.5, NAN], np.float32),
        {"keys_floats": [1.5, 1.5, NAN, NAN], "values_int64s": [1, 2, 3, 4]},
    ),
    "float64 tensors": (
        np.array([1.5, NAN, 2.0]),
        {
            "keys_tensor": TENSOR(np.array([1.5, NAN])),
            "values_tensor": TENSOR(np.array([0.25, 0.5])),
            "default_tensor": TENSOR(np.array([-2.5])),
        },
    ),
    "words to int16": (
        _words("a", "q"),
        {
            "keys_tensor": TENSOR(_words("a", "b")),
            "values_tensor": TENSOR(np.array([1, 2], np.int16)),
            "default_tensor": TENSOR(np.array([-2], np.int16)),
        },
    ),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_label_encoders(name: str) -> None:
    # ML-16, ML-17
    x, keywords = ENCODERS[name]
    agree("LabelEncoder", x, **keywords)


def test_category_mapper() -> None:
    # ML-18
    table: dict[str, Any] = {"cats_strings": ["a", "b"], "cats_int64s": [4, 3]}
    agree("CategoryMapper", _words("a", "b", "q"), **table)
    agree("CategoryMapper", np.array([4, 3, 9]), default_string="?", **table)


@pytest.mark.parametrize(
    ("operator", "keywords"),
    [
        ("LabelEncoder", {}),
        ("LabelEncoder", {"keys_int64s": [1], "values_int64s": [1, 2]}),
        ("LabelEncoder", {"keys_floats": [1.0], "values_int64s": [1]}),
        ("LabelEncoder", {"keys_int64s": [1], "keys_floats": [1.0], "values_int64s": [1]}),
        ("CategoryMapper", {"cats_strings": ["a"]}),
        ("OneHotEncoder", {"cats_strings": ["a"]}),
        ("OneHotEncoder", {}),
        ("ZipMap", {"classlabels_int64s": [1, 2]}),
        ("DictVectorizer", {"int64_vocabulary": [1]}),
        ("CastMap", {}),
    ],
)
def test_maps_refused(operator: str, keywords: dict[str, Any]) -> None:
    with pytest.raises(Refuse):
        ours(operator, np.array([[1, 2]]), **keywords)


def test_zip_map_keeps_the_matrix() -> None:
    # ML-20
    x = np.array([[0.25, 0.75]], np.float32)
    assert ours("ZipMap", x, classlabels_strings=["no", "yes"])[0].tolist() == x.tolist()
    with pytest.raises(Refuse, match="twice"):
        ours("ZipMap", x, classlabels_int64s=[1, 1])
