"""Models with inputs and the reference's outputs, for other runners to compare with.

Each is three files: NAME.onnx, NAME.input and NAME.output, the latter two in canonical bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.backend.test.loader import load_model_tests
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import SVC, SVR

from bench import nets
from synnergy.tensor import BadInput, Unsupported, load
from synnergy.tensor.encoding import encode_tensors
from synnergy.tensor.types import DTYPES, TensorType
from tests.acceptance import networks
from tests.tensor.core.test_onnx_node_suite import as_array
from tests.tensor.kernels.same import hostile_floats, model_of

Array = np.ndarray[Any, Any]
Case = tuple[str, bytes, Mapping[str, Array]]

#: How many vectors of ONNX's own node tests the browser's runner computes, at least.
NODE_TESTS = 880


def write(folder: Path, name: str, content: bytes, given: Mapping[str, Array]) -> bool:
    """Write the case, with what the reference computes; not where the reference refuses it."""
    names = {dtype: label for label, dtype in DTYPES.items()}
    try:
        results = load(content).execute(given, kernel="reference")
        inputs = encode_tensors(
            [(key, TensorType(names[one.dtype], one.shape), one) for key, one in given.items()]
        )
        outputs = encode_tensors(results)
    except (Unsupported, BadInput, KeyError, ValueError):
        return False
    for suffix, data in (("onnx", content), ("input", inputs), ("output", outputs)):
        (folder / f"{name}.{suffix}").write_bytes(data)
    return True


def write_all(folder: Path) -> None:
    """Every case; those of our own must all be there."""
    for name, content, given in own_cases():
        assert write(folder, f"own-{name}", content, given), name
    for name, content, given in node_cases():
        write(folder, f"node-{name}", content, given)


def own_cases() -> Iterator[Case]:
    yield from network_cases()
    yield from hand_written_cases()
    yield from estimator_cases()
    yield from product_cases()


def network_cases() -> Iterator[Case]:
    generator = np.random.default_rng(1)
    makers: list[tuple[str, Callable[[], bytes], int]] = [
        ("mlp", lambda: nets.mlp(784, 128, 64, 10), 3),
        ("lenet", nets.lenet, 2),
        ("mobilenet", lambda: nets.mobilenet(32), 1),
        ("encoder", lambda: nets.encoder(1, 100), 2),
    ]
    for name, make, batch in makers:
        content = make()
        given: dict[str, Array] = {}
        for entry in onnx.load_from_string(content).graph.input:
            kind = entry.type.tensor_type
            shape = [
                dimension.dim_value or (batch if position == 0 else 9)
                for position, dimension in enumerate(kind.shape.dim)
            ]
            if kind.elem_type == onnx.TensorProto.FLOAT:
                given[entry.name] = generator.standard_normal(shape).astype(np.float32)
            else:
                given[entry.name] = generator.integers(0, 2, shape).astype(np.int64)
        yield name, content, given


def hand_written_cases() -> Iterator[Case]:
    for name, make in {**networks.SOLD, **networks.RUN}.items():
        model = make()
        yield name.replace(" ", "-"), model.content, model.held_out


def estimator_cases() -> Iterator[Case]:
    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    two = (y > 0).astype(np.int64)
    estimators: list[tuple[str, Any, Array]] = [
        ("logistic", make_pipeline(StandardScaler(), LogisticRegression()), y),
        ("logistic-two", make_pipeline(Normalizer("l2"), LogisticRegression()), two),
        ("normalised", make_pipeline(Normalizer("max"), LinearRegression()), x[:, 0]),
        ("network", make_pipeline(StandardScaler(), MLPClassifier((9,), max_iter=40)), y),
        ("boosted", GradientBoostingClassifier(n_estimators=20, random_state=1), y),
        ("boosted-two", GradientBoostingClassifier(n_estimators=20, random_state=1), two),
        ("regressor", GradientBoostingRegressor(n_estimators=20, random_state=1), x[:, 1]),
        ("forest", RandomForestClassifier(n_estimators=9, random_state=1), y),
        ("neighbours", KNeighborsClassifier(5), y),
        ("machine", SVC(probability=True, random_state=1), y),
        ("machine-two", SVC(kernel="poly"), two),
        ("machine-regressor", SVR(kernel="sigmoid"), x[:, 0]),
    ]
    for name, estimator, target in estimators:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(x, target)
        options = (
            {} if name.endswith(("normalised", "regressor")) else {"zipmap": name == "forest"}
        )
        exported: Any = to_onnx(estimator, x[:1], options=options, target_opset=21)
        yield name, exported.SerializeToString(), {"X": x[::3]}


def product_cases() -> Iterator[Case]:
    """Products of special values; infinite ones stand among the weights, no input may be."""
    helper = onnx.helper
    for m, k, n in ((1, 300, 7), (5, 256, 65), (9, 700, 48)):
        b, c = hostile_floats((k, n), seed=k), hostile_floats((n,), seed=n)
        a = np.random.default_rng(m).standard_normal((m, k)).astype(np.float32)
        a[:, ::7] = np.float32(1e-42)
        node = helper.make_node("Gemm", ["a", "b", "c"], ["y"])
        inputs = {"a": ("float32", (m, k))}
        yield f"gemm-{m}-{k}-{n}", model_of([node], inputs, ["y"], {"b": b, "c": c}), {"a": a}
    functions = ("Exp", "Log", "Sigmoid", "Tanh", "Erf", "Softplus", "Gelu", "Sqrt", "Reciprocal")
    values = np.concatenate([hostile_floats((1500,), seed=3), np.linspace(-30, 30, 1501)])
    wide = np.where(np.isfinite(values), values, 0).astype(np.float32)
    for name in (*functions, "Relu", "Sin", "Elu", "Softmax", "LogSoftmax"):
        # Inputs are finite: what isn't comes from weights.
        nodes = [
            helper.make_node("Add", ["x", "w"], ["z"]),
            helper.make_node(name, ["z"], ["y"], **({"axis": 0} if "oftmax" in name else {})),
        ]
        weights = {"w": np.where(np.arange(wide.size) % 5, 0, values).astype(np.float32)}
        if "oftmax" in name:
            weights["w"] = np.where(np.isnan(weights["w"]), 0, weights["w"])
        model = model_of(nodes, {"x": ("float32", wide.shape)}, ["y"], weights)
        yield name, model, {"x": wide}
    pooled = np.where(np.arange(2 * 3 * 81) % 7, 0, values[: 2 * 3 * 81]).astype(np.float32)
    for name in ("MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"):
        more = {} if "Global" in name else {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
        nodes = [
            helper.make_node("Add", ["x", "w"], ["z"]),
            helper.make_node(name, ["z"], ["y"], **more),
        ]
        weights = {"w": pooled.reshape(2, 3, 9, 9)}
        given = np.random.default_rng(2).standard_normal((2, 3, 9, 9)).astype(np.float32)
        model = model_of(nodes, {"x": ("float32", given.shape)}, ["y"], weights)
        yield name, model, {"x": given}
    for name in ("Add", "Sub", "Mul", "Div", "Min", "Max"):
        node = helper.make_node(name, ["x", "w"], ["y"])
        weights = {"w": hostile_floats(wide.shape, seed=9)}
        yield name, model_of([node], {"x": ("float32", wide.shape)}, ["y"], weights), {"x": wide}


def node_cases() -> Iterator[Case]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tests = load_model_tests(kind="node")
    for test in tests:
        # Inputs that no model of a ledger may have are no cases for a receipt's runner.
        names = [entry.name for entry in test.model.graph.input]
        for inputs, _ in test.data_sets[:1]:
            if not all(isinstance(value, (np.ndarray, onnx.TensorProto)) for value in inputs):
                continue
            arrays = [as_array(value) for value in inputs]
            if any(one.dtype.kind == "f" and not np.isfinite(one).all() for one in arrays):
                continue
            given = dict(zip(names, arrays, strict=False))
            yield test.name, test.model.SerializeToString(), given
