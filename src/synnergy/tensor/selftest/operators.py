"""Cases of single operators at sizes that fill and overflow vectors, blocks and tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from synnergy.tensor.selftest.case import Case, model, node
from synnergy.tensor.selftest.values import below, hostile, ordinary
from synnergy.tensor.types import Array

FLOATS = ("float32", "float64", "float16")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")

Values = Callable[[str, Sequence[int], str], Array]


def single(
    name: str,
    operator: str,
    run: Sequence[tuple[Sequence[int], str]],
    constants: Sequence[Array | None] = (),
    outputs: int = 1,
    domain: str = "",
    **attributes: Any,
) -> Case:
    """One node: inputs of these shapes and types, ordinary and hostile, then constants."""
    names = [f"x{place}" for place in range(len(run))]

    def feed(make: Values) -> Mapping[str, Array]:
        return {
            key: make(f"{name}/{key}", shape, dtype)
            for key, (shape, dtype) in zip(names, run, strict=True)
        }

    feeds = [feed(ordinary)]
    if any(dtype in FLOATS for _, dtype in run):
        feeds.append(feed(hostile))
    weights = {f"c{place}": array for place, array in enumerate(constants) if array is not None}
    given = [
        *names,
        *(f"c{place}" if each is not None else "" for place, each in enumerate(constants)),
    ]
    results = [f"y{place}" for place in range(outputs)]
    made = node(operator, given, results, domain, **attributes)
    return Case(name, model([made], feeds[0], results, weights), tuple(feeds))


def operators() -> Iterator[Case]:
    """Every family."""
    yield from _elementwise()
    yield from _conversions()
    yield from _products()
    yield from _windows()
    yield from _reductions()
    yield from _normalisations()
    yield from _movement()
    yield from _quantised()


_UNARY = (
    *("Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Sqrt", "Reciprocal", "Exp", "Log"),
    *("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Acosh"),
    *("Atanh", "Erf", "Sigmoid", "Softplus", "Softsign", "Relu", "LeakyRelu", "Elu", "Selu"),
    *("Celu", "HardSigmoid", "HardSwish", "Mish", "Gelu", "ThresholdedRelu", "Identity"),
)
_BINARY = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")
_COMPARISONS = ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")


def _elementwise() -> Iterator[Case]:
    for operator in _UNARY:
        for dtype in FLOATS:
            yield single(f"{operator}/{dtype}", operator, [((3, 139), dtype)])
    for operator in ("IsNaN", "IsInf"):
        yield single(operator, operator, [((3, 67), "float32")])
    for operator in (*_BINARY, *_COMPARISONS):
        for dtype in ("float32", "float64", "int32", "int64"):
            if operator == "Pow" and dtype.startswith("int"):
                continue
            pair = [((2, 5, 67), dtype), ((5, 1), dtype)]
            yield single(f"{operator}/{dtype}", operator, pair)
    for dtype in INTEGERS:
        for operator in ("Add", "Mul", "Div", "BitwiseXor"):
            pair = [((4, 33), dtype), ((33,), dtype)]
            yield single(f"{operator}/{dtype}/row", operator, pair)
    yield single("Mod", "Mod", [((4, 33), "int32"), ((33,), "int32")])
    yield single("Fmod", "Mod", [((4, 33), "float32"), ((33,), "float32")], fmod=1)
    for operator in ("And", "Or", "Xor"):
        yield single(operator, operator, [((4, 33), "bool"), ((33,), "bool")])
    for dtype in ("float32", "int64"):
        three = [((4, 1, 33), "bool"), ((5, 33), dtype), ((4, 5, 1), dtype)]
        yield single(f"Where/{dtype}", "Where", three)
    bounds = [np.array(-0.75, np.float32), np.array(1.5, np.float32)]
    yield single("Clip", "Clip", [((5, 61), "float32")], bounds)
    yield single("PRelu", "PRelu", [((5, 61), "float32"), ((5, 1), "float32")])


_TYPE_CODES = {"float32": 1, "float16": 10, "float64": 11, "int8": 3, "int32": 6, "int64": 7}


def _conversions() -> Iterator[Case]:
    for source in (*FLOATS, "int64", "uint8", "int8", "bool"):
        for place, target in enumerate(
            ("float32", "float16", "float64", "int8", "int32", "int64")
        ):
            to = (1, 10, 11, 3, 6, 7)[place]
            yield single(f"Cast/{source}/{target}", "Cast", [((7, 45), source)], to=to)


def _products() -> Iterator[Case]:
    for dtype in FLOATS:
        for m, k, n in ((1, 784, 33), (9, 257, 70), (33, 520, 19), (7, 1, 1)):
            name = f"MatMul/{dtype}/{m}x{k}x{n}"
            weights = ordinary(f"{name}/w", (k, n), dtype)
            yield single(name, "MatMul", [((m, k), dtype)], [weights])
    weights = hostile("MatMul/hostile/w", (300, 50))
    yield single("MatMul/hostile", "MatMul", [((6, 300), "float32")], [weights])
    both = [((2, 3, 5, 300), "float32"), ((3, 300, 21), "float32")]
    yield single("MatMul/batch", "MatMul", both)
    yield single("MatMul/vector", "MatMul", [((70,), "float32"), ((4, 70, 9), "float32")])
    for across in (0, 1):
        for down in (0, 1):
            shape = (261, 5) if across else (5, 261)
            name = f"Gemm/{across}{down}"
            weights = ordinary(f"{name}/w", (17, 261) if down else (261, 17))
            bias = ordinary(f"{name}/b", (17,))
            constants = [weights, bias]
            given = [(shape, "float32")]
            yield single(name, "Gemm", given, constants, transA=across, transB=down)
    scaled = [ordinary("Gemm/w", (30, 20)), ordinary("Gemm/c", (5, 1))]
    yield single("Gemm/scaled", "Gemm", [((5, 30), "float32")], scaled, alpha=0.3, beta=1.7)
    pair = [((3, 40), "float32"), ((40, 7), "float32")]
    yield single("Einsum", "Einsum", pair, equation="ij,jk->ki")


def _windows() -> Iterator[Case]:
    image, wide = ((2, 5, 13, 17), "float32"), ((1, 70, 9, 9), "float32")
    more: dict[str, Any]
    for name, given, weights, more in (
        ("3x3", image, (7, 5, 3, 3), {"pads": [1, 1, 1, 1]}),
        ("stride", image, (7, 5, 3, 3), {"strides": [2, 2], "pads": [0, 1, 1, 0]}),
        ("dilated", image, (6, 5, 3, 2), {"dilations": [2, 3]}),
        ("1x1", wide, (33, 70, 1, 1), {}),
        ("deep", wide, (17, 70, 3, 3), {"pads": [1, 1, 1, 1]}),
        ("depthwise", wide, (70, 1, 3, 3), {"group": 70, "pads": [1, 1, 1, 1]}),
        ("groups", wide, (20, 35, 2, 2), {"group": 2}),
        ("line", ((2, 6, 50), "float32"), (9, 6, 5), {"pads": [2, 2]}),
        ("volume", ((1, 3, 5, 6, 7), "float32"), (4, 3, 2, 2, 2), {}),
    ):
        label = f"Conv/{name}"
        constants = [ordinary(f"{label}/w", weights), ordinary(f"{label}/b", weights[:1])]
        yield single(label, "Conv", [given], constants, **more)
    transposed = [ordinary("ConvTranspose/w", (5, 4, 3, 3)), ordinary("ConvTranspose/b", (4,))]
    yield single("ConvTranspose", "ConvTranspose", [image], transposed, strides=[2, 2])
    pool: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    yield single("MaxPool", "MaxPool", [image], **pool)
    yield single("MaxPool/indices", "MaxPool", [image], outputs=2, **pool)
    yield single("MaxPool/ceil", "MaxPool", [image], ceil_mode=1, **pool)
    yield single("AveragePool", "AveragePool", [image], **pool)
    yield single("AveragePool/padding", "AveragePool", [image], count_include_pad=1, **pool)
    yield single("LpPool", "LpPool", [image], **pool)
    yield single("GlobalAveragePool", "GlobalAveragePool", [image])
    yield single("GlobalMaxPool", "GlobalMaxPool", [image])


_SUMS = ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp")


def _reductions() -> Iterator[Case]:
    for kind in _SUMS:
        for label, axes in (("last", [-1]), ("first", [0]), ("middle", [1]), ("two", [0, 2])):
            operator = f"Reduce{kind}"
            axis = [np.array(axes, np.int64)]
            yield single(f"{operator}/{label}", operator, [((3, 7, 83), "float32")], axis)
    axis = [np.array([-1], np.int64)]
    for dtype in ("float64", "float16", "int32", "int64"):
        for kind in ("Sum", "Mean", "Max"):
            yield single(f"Reduce{kind}/{dtype}", f"Reduce{kind}", [((5, 83), dtype)], axis)
    for operator in ("ArgMax", "ArgMin"):
        yield single(operator, operator, [((5, 7, 83), "float32")], axis=1)
    yield single("CumSum", "CumSum", [((5, 83), "float32")], [np.array(1, np.int64)])
    yield single("TopK", "TopK", [((5, 83), "float32")], [np.array([9], np.int64)], outputs=2)
    for operator in ("Softmax", "LogSoftmax", "Hardmax"):
        for label, axis_of in (("last", -1), ("middle", 1)):
            name = f"{operator}/{label}"
            yield single(name, operator, [((3, 7, 83), "float32")], axis=axis_of)


def _normalisations() -> Iterator[Case]:
    image = [((3, 6, 7, 9), "float32")]

    def made(name: str, size: int, count: int) -> list[Array | None]:
        parts: list[Array | None] = [ordinary(f"{name}/{n}", (size,)) for n in range(count)]
        return parts

    scale = made("LayerNormalization", 83, 2)
    given = [((3, 7, 83), "float32")]
    yield single("LayerNormalization", "LayerNormalization", given, scale)
    yield single("RMSNormalization", "RMSNormalization", given, scale[:1])
    statistics = made("BatchNormalization", 6, 3)
    variance = np.abs(ordinary("BatchNormalization/v", (6,)))
    batch = [*statistics, variance]
    yield single("BatchNormalization", "BatchNormalization", image, batch)
    for operator in ("InstanceNormalization", "GroupNormalization"):
        more: dict[str, Any] = {"num_groups": 2} if operator.startswith("Group") else {}
        yield single(operator, operator, image, made(operator, 6, 2), **more)
    yield single("LRN", "LRN", image, size=5)
    yield single("LpNormalization", "LpNormalization", given)
    yield single("MeanVarianceNormalization", "MeanVarianceNormalization", image)


def _movement() -> Iterator[Case]:
    cube = [((5, 7, 43), "float32")]
    for perm in ([2, 1, 0], [1, 0, 2], [0, 2, 1]):
        name = f"Transpose/{''.join(map(str, perm))}"
        yield single(name, "Transpose", cube, perm=perm)
    for dtype in ("int8", "float16", "int64", "bool"):
        yield single(f"Transpose/{dtype}", "Transpose", [((33, 70), dtype)], perm=[1, 0])
    parts = [((4, 3, 7), "float32"), ((4, 1, 7), "float32"), ((4, 9, 7), "float32")]
    yield single("Concat", "Concat", parts, axis=1)
    yield single("Split", "Split", [((6, 34), "float32")], outputs=3, axis=1, num_outputs=3)
    edges = [np.array(each, np.int64) for each in ([3, -1], [90, 0], [1, 2], [2, -3])]
    yield single("Slice", "Slice", [((4, 40, 83), "float32")], edges)
    for axis in (0, 1, 2):
        rows = below(f"Gather/{axis}", (3, 4), 5)
        yield single(f"Gather/{axis}", "Gather", cube, [rows], axis=axis)
    rows = below("GatherElements", (5, 7, 4), 43)
    yield single("GatherElements", "GatherElements", cube, [rows], axis=2)
    yield single("GatherND", "GatherND", cube, [below("GatherND", (6, 2), 5)])
    for mode in ("constant", "reflect", "edge", "wrap"):
        pads = [np.array([0, 2, 3, 1, 0, 4], np.int64)]
        yield single(f"Pad/{mode}", "Pad", cube, pads, mode=mode)
    yield single("Expand", "Expand", [((5, 1, 7), "float32")], [np.array([2, 5, 9, 7], np.int64)])
    yield single("Tile", "Tile", [((3, 7), "float32")], [np.array([2, 3], np.int64)])
    yield single("DepthToSpace", "DepthToSpace", [((2, 8, 5, 7), "float32")], blocksize=2)
    yield single("SpaceToDepth", "SpaceToDepth", [((2, 3, 6, 8), "float32")], blocksize=2)
    sizes = [None, None, np.array([1, 2, 9, 5], np.int64)]
    for mode in ("nearest", "linear", "cubic"):
        yield single(f"Resize/{mode}", "Resize", [((1, 2, 5, 7), "float32")], sizes, mode=mode)
    yield single("Trilu", "Trilu", [((3, 9, 7), "float32")], upper=0)
    places = below("ScatterElements", (2, 83), 19)
    updates = ordinary("ScatterElements/u", (2, 83))
    table = [((19, 83), "float32")]
    yield single("ScatterElements", "ScatterElements", table, [places, updates], reduction="add")
    rows = np.array([[2], [0], [7]], np.int64)
    yield single("ScatterND", "ScatterND", table, [rows, ordinary("ScatterND/u", (3, 83))])


def _quantised() -> Iterator[Case]:
    scale, zero = np.array(0.037, np.float32), np.array(101, np.uint8)
    yield single("QuantizeLinear", "QuantizeLinear", [((5, 83), "float32")], [scale, zero])
    many = [
        np.abs(ordinary("QuantizeLinear/s", (83,))),
        below("QuantizeLinear/z", (83,), 127, "int8"),
    ]
    yield single("QuantizeLinear/axis", "QuantizeLinear", [((5, 83), "float32")], many, axis=1)
    yield single("DequantizeLinear", "DequantizeLinear", [((5, 83), "uint8")], [scale, zero])
    yield single(
        "DynamicQuantizeLinear", "DynamicQuantizeLinear", [((5, 83), "float32")], outputs=3
    )
    for left in ("uint8", "int8"):
        for right in ("uint8", "int8"):
            name = f"MatMulInteger/{left}/{right}"
            weights = ordinary(f"{name}/w", (301, 35), right)
            zeros = [np.array(3, left), np.array(7, right)]
            yield single(name, "MatMulInteger", [((6, 301), left)], [weights, *zeros])
    weights = ordinary("QLinearMatMul/w", (301, 35), "int8")
    after = [scale, zero, weights, scale, np.array(-3, np.int8), np.array(2.9, np.float32), zero]
    yield single("QLinearMatMul", "QLinearMatMul", [((6, 301), "uint8")], after)
    image, kernel = ((2, 5, 11, 9), "uint8"), ordinary("QLinearConv/w", (6, 5, 3, 3), "int8")
    zeros = [zero, np.array(0, np.int8)]
    yield single("ConvInteger", "ConvInteger", [image], [kernel, *zeros], pads=[1, 1, 1, 1])
    scales = np.abs(ordinary("QLinearConv/s", (6,)))
    bias = below("QLinearConv/b", (6,), 5000, "int32")
    both = [scale, zero, kernel, scales, np.zeros(6, np.int8), np.array(9.5, np.float32), zero]
    yield single("QLinearConv", "QLinearConv", [image], [*both, bias], pads=[1, 1, 1, 1])
