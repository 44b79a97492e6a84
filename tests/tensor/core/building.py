"""Small models for tests, and pseudo-random numbers that no library version can change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

#: Newest opset for which the installed onnxruntime promises support.
NEWEST = onnx.defs.onnx_opset_version()


def random_bytes(seed: str, count: int) -> bytes:
    """SHA-256 in counter mode."""
    blocks = -(-count // 32)
    stream = b"".join(hashlib.sha256(f"{seed}/{i}".encode()).digest() for i in range(blocks))
    return stream[:count]


def uniform(seed: str, shape: Sequence[int], dtype: str = "float32", scale: float = 4.0) -> Any:
    """Numbers in [-scale / 2, scale / 2), or integers in -50..49, from `random_bytes`."""
    count = int(np.prod(shape, dtype=np.int64))
    words = np.frombuffer(random_bytes(seed, 4 * count), "<u4").astype(np.int64)
    if np.dtype(dtype).kind == "f":
        return ((words / 2.0**32 - 0.5) * scale).astype(dtype).reshape(shape)
    if dtype == "bool":
        return (words % 2 == 0).reshape(shape)
    return (words % 100 - (50 if np.dtype(dtype).kind == "i" else 0)).astype(dtype).reshape(shape)


def bits(seed: str, count: int, dtype: str) -> Any:
    """Numbers of random bits: every exponent, subnormals, infinities and NaN among them."""
    size = np.dtype(dtype).itemsize
    return np.frombuffer(
        random_bytes(seed, size * count), np.dtype(dtype).newbyteorder("<")
    ).astype(dtype)


def value_info(name: str, dtype: Any, shape: Sequence[Any] | None) -> onnx.ValueInfoProto:
    code = helper.np_dtype_to_tensor_dtype(np.dtype(dtype)) if dtype is not object else 8
    return helper.make_tensor_value_info(name, code, shape)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[Any, Sequence[Any] | None]],
    outputs: Sequence[str],
    initializers: Mapping[str, Any] | None = None,
    opset: int = 17,
    ml: int | None = None,
    ir: int = 10,
) -> onnx.ModelProto:
    """A model of these nodes; inputs map to (numpy dtype, shape)."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [value_info(name, dtype, shape) for name, (dtype, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, 1, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in (initializers or {}).items()],
    )
    imports = [helper.make_opsetid("", opset)]
    if ml is not None:
        imports.append(helper.make_opsetid("ai.onnx.ml", ml))
    return helper.make_model(graph, opset_imports=imports, ir_version=ir)


def single(
    operator: str,
    arrays: Sequence[Any],
    opset: int = 17,
    outputs: int = 1,
    constants: Sequence[int] = (),
    **attributes: Any,
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """A model of one node and its inputs by name; inputs numbered in `constants` are weights."""
    names = ["" if array is None else f"x{i}" for i, array in enumerate(arrays)]
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(operator, names, results, **attributes)
    fed = {
        name: array
        for i, (name, array) in enumerate(zip(names, arrays, strict=True))
        if array is not None and i not in constants
    }
    weights = {f"x{i}": arrays[i] for i in constants}
    kinds = {name: (array.dtype, array.shape) for name, array in fed.items()}
    return model([node], kinds, results, weights, opset), fed
