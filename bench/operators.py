"""One graph for each operator that inference spends its time in, at a shape of ordinary size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from bench.nets import Array, Net, boosted

F32, F64, I64, U8 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.UINT8


@dataclass(frozen=True)
class Case:
    """A model of one operator with the arrays that it is run on."""

    name: str
    model: bytes
    arrays: Mapping[str, Array]


def cases() -> Iterator[Case]:
    """Every case, made when it is asked for."""
    yield from _products()
    yield from _convolutions()
    yield from _elementwise()
    yield from _rows()
    yield from _movement()
    yield from _quantised()
    yield from _recurrent()
    for trees, rows in ((1000, 1), (100, 64), (1000, 64)):
        yield Case(
            f"TreeEnsemble {trees} trees, {rows} rows", boosted(trees), {"x": _normal(rows, 20)}
        )


def _normal(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def _case(name: str, build: Callable[[Net], str], **arrays: Array) -> Case:
    """`build` adds the nodes and gives the output's name; inputs have the arrays' types."""
    kinds = {"float32": F32, "float64": F64, "int64": I64, "uint8": U8}
    net = Net()
    output = build(net)
    inputs = {
        key: (int(kinds[str(array.dtype)]), list[int | str](array.shape))
        for key, array in arrays.items()
    }
    return Case(name, net.model(inputs, output), arrays)


def _products() -> Iterator[Case]:
    for m, k, n in (
        (1, 784, 128),
        (1, 2048, 2048),
        (64, 784, 128),
        (256, 256, 256),
        (128, 384, 1536),
    ):
        yield _case(
            f"MatMul {m}x{k}x{n}",
            lambda net, k=k, n=n: net.add("MatMul", "x", net.weight(k, n)),
            x=_normal(m, k),
        )
    yield _case("Gemm 64x256x256", lambda net: net.linear("x", 256, 256), x=_normal(64, 256))
    yield _case(
        "MatMul computed 12x128x32x128",
        lambda net: net.add("MatMul", "x", "y"),
        x=_normal(12, 128, 32),
        y=_normal(12, 32, 128),
    )
    yield _case(
        "MatMul float64 128x256x128",
        lambda net: net.add("MatMul", "x", "y"),
        x=_normal(128, 256).astype(np.float64),
        y=_normal(256, 128).astype(np.float64),
    )


def _convolutions() -> Iterator[Case]:
    for name, channels, filters, size, stride, groups, edge in (
        ("Conv 3x3", 64, 64, 3, 1, 1, 28),
        ("Conv 1x1", 128, 128, 1, 1, 1, 28),
        ("Conv 7x7 stride 2", 3, 64, 7, 2, 1, 112),
        ("Conv depthwise 3x3", 128, 128, 3, 1, 128, 28),
        ("Conv depthwise 3x3 stride 2", 128, 128, 3, 2, 128, 28),
    ):
        yield _case(
            name,
            lambda net, c=channels, f=filters, s=size, t=stride, g=groups: net.conv(
                "x", c, f, s, t, g
            ),
            x=_normal(1, channels, edge, edge),
        )
    for name in ("MaxPool", "AveragePool"):
        yield _case(
            name,
            lambda net, name=name: net.add(name, "x", kernel_shape=[2, 2], strides=[2, 2]),
            x=_normal(1, 64, 56, 56),
        )
    yield _case(
        "GlobalAveragePool",
        lambda net: net.add("GlobalAveragePool", "x"),
        x=_normal(1, 512, 14, 14),
    )
    yield _case(
        "BatchNormalization",
        lambda net: net.add(
            "BatchNormalization",
            *("x", net.weight(64), net.weight(64), net.weight(64)),
            net.constant(np.ones(64, np.float32)),
        ),
        x=_normal(1, 64, 56, 56),
    )


def _elementwise() -> Iterator[Case]:
    shape = (128, 384)
    for name in ("Add", "Mul", "Sub", "Div", "Min", "Max", "Pow"):
        x, y = np.abs(_normal(*shape)), np.abs(_normal(*shape)) + 1
        yield _case(name, lambda net, name=name: net.add(name, "x", "y"), x=x, y=y)
    yield _case(
        "Add a row", lambda net: net.add("Add", "x", net.weight(shape[1])), x=_normal(*shape)
    )
    for name in (
        *("Relu", "Abs", "Neg", "Floor", "Sqrt", "LeakyRelu", "HardSwish", "Reciprocal"),
        *("Exp", "Log", "Sigmoid", "Tanh", "Erf", "Gelu", "Softplus", "Elu", "Sin"),
        *("Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Atanh", "Selu"),
        *("Celu", "Mish"),
    ):
        x = np.abs(_normal(*shape)) if name in ("Log", "Sqrt") else _normal(*shape)
        yield _case(name, lambda net, name=name: net.add(name, "x"), x=x)
    yield _case(
        "Clip",
        lambda net: net.add(
            "Clip", "x", net.constant(np.float32(-1)), net.constant(np.float32(1))
        ),
        x=_normal(*shape),
    )
    yield _case("Greater", lambda net: net.add("Greater", "x", "y"), x=_normal(*shape), y=x)
    yield _case("Cast", lambda net: net.add("Cast", "x", to=int(I64)), x=_normal(*shape))
    yield _case(
        "Where",
        lambda net: net.add("Where", net.add("Greater", "x", "y"), "x", "y"),
        x=_normal(*shape),
        y=_normal(*shape)[::-1].copy(),
    )


def _rows() -> Iterator[Case]:
    shape = (128, 384)
    for name in ("ReduceSum", "ReduceMean", "ReduceMax"):
        for axis in (0, 1):
            yield _case(
                f"{name} axis {axis}",
                lambda net, name=name, axis=axis: net.add(
                    name, "x", net.constant(np.int64([axis]))
                ),
                x=_normal(*shape),
            )
    for name in ("Softmax", "LogSoftmax"):
        yield _case(name, lambda net, name=name: net.add(name, "x"), x=_normal(*shape))
    yield _case(
        "LayerNormalization",
        lambda net: net.add("LayerNormalization", "x", net.weight(384), net.weight(384)),
        x=_normal(*shape),
    )
    yield _case("ArgMax", lambda net: net.add("ArgMax", "x", axis=1), x=_normal(*shape))


def _movement() -> Iterator[Case]:
    x = _normal(128, 12, 32)
    yield _case("Transpose", lambda net: net.add("Transpose", "x", perm=[1, 0, 2]), x=x)
    yield _case(
        "Transpose matrix", lambda net: net.add("Transpose", "x", perm=[1, 0]), x=_normal(256, 256)
    )
    yield _case("Concat", lambda net: net.add("Concat", "x", "y", axis=1), x=x, y=x)
    yield _case(
        "Slice",
        lambda net: net.add(
            "Slice",
            *("x", net.constant(np.int64([4])), net.constant(np.int64([28]))),
            net.constant(np.int64([2])),
        ),
        x=x,
    )
    yield _case(
        "Gather",
        lambda net: net.add("Gather", net.weight(1000, 384), "i"),
        i=np.arange(128, dtype=np.int64) * 7,
    )
    yield _case(
        "Pad",
        lambda net: net.add("Pad", "x", net.constant(np.int64([0, 0, 1, 1, 0, 0, 1, 1]))),
        x=_normal(1, 64, 28, 28),
    )
    yield _case(
        "Expand",
        lambda net: net.add("Expand", "x", net.constant(np.int64([128, 384]))),
        x=_normal(1, 384),
    )


def _quantised() -> Iterator[Case]:
    def scale(net: Net) -> str:
        return net.constant(np.array(0.02, np.float32))

    def zero(net: Net) -> str:
        return net.constant(np.array(128, np.uint8))

    generator = np.random.default_rng(2)
    weights = generator.integers(-127, 128, (384, 384)).astype(np.int8)
    u8 = generator.integers(0, 256, (128, 384)).astype(np.uint8)
    yield _case(
        "MatMulInteger 128x384x384",
        lambda net: net.add("MatMulInteger", "x", net.constant(weights), zero(net)),
        x=u8,
    )
    yield _case(
        "QuantizeLinear",
        lambda net: net.add("QuantizeLinear", "x", scale(net), zero(net)),
        x=_normal(128, 384),
    )
    yield _case(
        "DequantizeLinear",
        lambda net: net.add("DequantizeLinear", "x", scale(net), zero(net)),
        x=u8,
    )


def _recurrent() -> Iterator[Case]:
    for name, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):

        def build(net: Net, name: str = name, rows: int = gates * 128) -> str:
            w, r = net.weight(1, rows, 64), net.weight(1, rows, 128)
            return net.add(name, "x", w, r, net.weight(1, 2 * rows), hidden_size=128)

        yield _case(f"{name} 20 steps", build, x=_normal(20, 4, 64))
