"""One valid call, or more, of every structural operator: for golden digests and for mutations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synnergy.tensor.types import Array, Graph, GraphInput, Node


@dataclass(frozen=True)
class Seed:
    """A node's operator, inputs (all but the first known before running) and attributes."""

    operator: str
    inputs: tuple[Array | None, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1
    opset: int = 21
    known: bool = False
    domain: str = ""

    def node(self) -> Node:
        names = tuple(f"x{n}" if x is not None else "" for n, x in enumerate(self.inputs))
        results = tuple(f"y{place}" for place in range(self.outputs))
        return Node(
            "seed", self.domain, self.operator, self.opset, names, results, self.attributes
        )

    def mask(self) -> list[bool]:
        return [self.known or place > 0 for place in range(len(self.inputs))]


def floats(*shape: int, start: float = -1.0, dtype: str = "float32") -> Array:
    """Uneven numbers about zero, some of them special."""
    count = int(np.prod(shape))
    values = start + (np.arange(count, dtype=np.float64) * 0.618033988749895) % 2.0
    values[count // 2 : count // 2 + 1] = -0.0
    return values.astype(dtype).reshape(shape)


def positive(*shape: int) -> Array:
    return floats(*shape, start=0.25) + np.float32(0.25)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def small(dtype: str, *shape: int) -> Array:
    low = int(np.iinfo(np.dtype(dtype)).min)
    return ((np.arange(int(np.prod(shape))) * 37) % 256 + low).astype(dtype).reshape(shape)


def words(*texts: str) -> Array:
    result = np.empty(len(texts), object)
    result[:] = texts
    return result


def scalar(value: float, dtype: str = "float32") -> Array:
    return np.array(value, dtype)


def body(
    inputs: list[str], nodes: list[tuple[str, list[str], list[str]]], outputs: list[str]
) -> Graph:
    return Graph(
        "body",
        tuple(GraphInput(name, "float32", None) for name in inputs),
        tuple(outputs),
        {},
        tuple(Node(kind, "", kind, 21, tuple(i), tuple(o)) for kind, i, o in nodes),
    )


THEN = Graph("then", (), ("a",), {"a": floats(2, 2)}, ())
ELSE = Graph("else", (), ("b",), {"b": -floats(2, 2)}, ())
STEP = body(["s", "r"], [("ReduceSum", ["r"], ["t"]), ("Identity", ["s"], ["n"])], ["n", "t"])
ROUND = body(
    ["i", "c", "s"], [("Identity", ["c"], ["d"]), ("Shape", ["s"], ["n"])], ["d", "s", "n"]
)
CELL = (floats(4, 3, 2), floats(1, 12, 2), floats(1, 12, 3), floats(1, 24), None, floats(1, 3, 3))
CELL = (*CELL, floats(1, 3, 3), floats(1, 9))
GRU = (
    floats(4, 3, 2),
    floats(2, 9, 2),
    floats(2, 9, 3),
    floats(2, 18),
    np.array([4, 2, 0], np.int32),
)
ROWS = ints(2, 0).reshape(2, 1)
POINTS = ints(0, -1, 2, 1).reshape(2, 2, 1)
PLACES = ints(0, 0, 1, -1, 0, 2).reshape(2, 3)
SCALES = np.array([1, 1, 1.7, 0.6], np.float32)
Q = (small("uint8", 3, 4), scalar(0.5), scalar(3, "uint8"))

IMAGE = (small("uint8", 1, 2, 5, 5), scalar(0.1), scalar(9, "uint8"))
KERNEL = (small("int8", 2, 1, 2, 2), np.array([0.1, 0.2], np.float32), np.array([0, 3], np.int8))
HEADS = (floats(1, 4, 3, 6), floats(1, 2, 5, 6), floats(1, 2, 5, 7), floats(3, 4))
FLAT = (floats(2, 3, 24), floats(2, 5, 12), floats(2, 5, 14), np.arange(15).reshape(3, 5) % 4 > 0)
TURNED = (floats(1, 3, 12), floats(4, 3), floats(4, 3))
INTERLEAVED = {"num_heads": 2, "interleaved": 1}

LABELS = (floats(2, 3, 4), ints(0, 1, 2, 1, 2, 2, 0, 1).reshape(2, 4), positive(3))
GRID = floats(1, 3, 3, 2) * np.float32(1.25)
BENT = (
    floats(1, 2, 4, 4), floats(2, 2, 2, 2), floats(1, 8, 4, 4), floats(2), positive(1, 4, 4, 4),
)  # fmt: skip
BOXES = (
    np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11]]], np.float32),
    np.array([[[0.9, 0.75, 0.6]]], np.float32),
    ints(3),
    np.array([0.5], np.float32),
)
ROIS = (floats(1, 2, 6, 6), np.array([[0.5, 0, 4, 5], [2, 2, 9, 3]], np.float32), ints(0, 0))
LINEAR = (
    floats(1, 3, 8), floats(1, 3, 4), floats(1, 3, 6), None, floats(1, 3, 2), positive(1, 3, 1),
)  # fmt: skip
STREAM = (floats(1, 2, 5), floats(2, 1, 3), floats(2), floats(1, 2, 2))
PADDED = {"pads": [1, 1, 1, 1], "strides": [1, 2]}
CIRCULAR = {"mode": "circular"}
POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}
HALVED = body(["scores"], [("Tanh", ["scores"], ["bounded"])], ["bounded"])
SEEDS: list[Seed] = [
    Seed("Constant", (), {"value_floats": [0.5, -0.0]}),
    Seed("Constant", (), {"value": words("a", "å")}),
    Seed("ConstantOfShape", (ints(2, 3),), {"value": np.array([7], np.int16)}, known=True),
    Seed("Range", (scalar(0.1), scalar(3.3), scalar(0.3)), known=True),
    Seed("Range", (scalar(9, "int64"), scalar(-4, "int64"), scalar(-3, "int64")), known=True),
    Seed("EyeLike", (floats(3, 4),), {"k": 1, "dtype": 11}),
    Seed("OneHot", (ints(1, -1, 9), ints(4), floats(2)), {"axis": 0}),
    Seed("Identity", (words("x", "y"),)),
    Seed("Shape", (floats(2, 3, 4),), {"start": -2}),
    Seed("Size", (floats(2, 3),)),
    Seed("Reshape", (floats(2, 3, 4), ints(0, -1))),
    Seed("Flatten", (floats(2, 3, 4),), {"axis": -1}),
    Seed("Squeeze", (floats(2, 1, 3), ints(-2))),
    Seed("Unsqueeze", (floats(2, 3), ints(0, -1))),
    Seed("Transpose", (floats(2, 3, 4),), {"perm": [2, 0, 1]}),
    Seed("Expand", (floats(3, 1), ints(2, 1, 4))),
    Seed("DepthToSpace", (floats(1, 8, 2, 3),), {"blocksize": 2, "mode": "CRD"}),
    Seed("SpaceToDepth", (floats(1, 2, 4, 6),), {"blocksize": 2}),
    Seed("Concat", (floats(2, 3), floats(2, 1)), {"axis": -1}),
    Seed("Split", (floats(7, 2),), {"num_outputs": 3}, outputs=3),
    Seed("Split", (floats(7, 2), ints(3, 0, 4)), outputs=3),
    Seed("Tile", (floats(2, 3), ints(2, 2))),
    Seed("Slice", (floats(4, 5), ints(-1, 1), ints(-9, 9), ints(0, 1), ints(-2, 2))),
    Seed("Slice", (floats(4, 5),), {"starts": [1], "ends": [-1], "axes": [1]}, opset=9),
    Seed("Gather", (floats(3, 4), ints(2, -3)), {"axis": 1}),
    Seed("GatherElements", (floats(3, 4), PLACES), {"axis": 0}),
    Seed("GatherND", (floats(2, 3, 4), POINTS), {"batch_dims": 1}),
    Seed("ReverseSequence", (floats(3, 2, 2), ints(3, 1))),
    Seed("Scatter", (floats(3, 4), PLACES, floats(2, 3)), opset=9),
    Seed("ScatterElements", (floats(3, 4), PLACES, floats(2, 3)), {"reduction": "add"}),
    Seed("ScatterElements", (floats(3, 4), PLACES, floats(2, 3)), {"reduction": "max"}),
    Seed("ScatterND", (floats(3, 4), ROWS, floats(2, 4)), {"reduction": "mul"}),
    Seed("Pad", (floats(3, 4), ints(-1, 2, 1, 3)), {"mode": "reflect"}),
    Seed("Pad", (floats(3, 4), ints(1, 2), scalar(0.5), ints(1))),
    Seed("Pad", (floats(3, 4),), {"pads": [1, 0, 0, 1], "value": 1.5}, opset=10),
    Seed("Resize", (floats(1, 1, 4, 5), None, SCALES), {"mode": "cubic"}),
    Seed("Resize", (floats(1, 1, 4, 5), None, SCALES), {"mode": "linear"}),
    Seed("Resize", (floats(4, 5), None, None, ints(7, 3))),
    Seed("Upsample", (floats(1, 1, 2, 3), np.array([1, 1, 2, 2], np.float32)), opset=9),
    *(
        Seed(f"Reduce{name}", (positive(3, 40), ints(-1)))
        for name in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare")
    ),
    Seed("ReduceLogSum", (positive(3, 40), ints(-1)), {"keepdims": 0}),
    Seed("ReduceLogSumExp", (positive(3, 40),), {"axes": [1]}, opset=13),
    Seed("ReduceSum", (floats(3, 40, dtype="float16"), ints(-1))),
    Seed("CumSum", (floats(3, 20), ints(1)), {"exclusive": 1, "reverse": 1}),
    Seed("CumProd", (floats(3, 5), ints(0)), opset=26),
    Seed("ArgMax", (floats(3, 9),), {"axis": 1, "select_last_index": 1}),
    Seed("ArgMin", (floats(3, 9),), {"axis": 1, "keepdims": 0}),
    Seed("TopK", (floats(3, 9), ints(4)), {"largest": 0}, outputs=2),
    Seed("TopK", (floats(3, 9),), {"k": 2, "axis": 0}, outputs=2, opset=9),
    Seed("Trilu", (floats(3, 4), ints(1).reshape(())), {"upper": 0}),
    Seed("Compress", (floats(3, 4), np.array([True, False, True])), {"axis": 1}),
    Seed("NonZero", (floats(3, 4),), known=True),
    Seed("Unique", (words("b", "a", "b"),), {"sorted": 0}, outputs=4, known=True),
    Seed("Unique", (ints(1, 2, 1, 2).reshape(2, 2),), {"axis": 0}, outputs=4, known=True),
    Seed("Einsum", (floats(2, 300), floats(300, 3)), {"equation": "ij,jk->ki"}),
    Seed("Einsum", (floats(2, 3, 3), floats(3), floats(2, 4)), {"equation": "bii,i,bc->c"}),
    Seed("If", (np.array(False),), {"then_branch": THEN, "else_branch": ELSE}),
    Seed("Scan", (floats(2), floats(3, 4)), {"body": STEP, "num_scan_inputs": 1}, outputs=2),
    Seed("Loop", (ints(3), np.array(True), floats(2)), {"body": ROUND}, outputs=2, known=True),
    Seed("LSTM", CELL, {"hidden_size": 3}, outputs=3),
    Seed("GRU", GRU, {"hidden_size": 3, "direction": "bidirectional"}, outputs=2),
    Seed("GRU", GRU, {"direction": "bidirectional", "linear_before_reset": 1}, outputs=2),
    Seed("RNN", (CELL[0], floats(1, 3, 2), floats(1, 3, 3)), {"activations": ["Softplus"]}),
    Seed("QuantizeLinear", (floats(3, 4) * np.float32(90), scalar(0.5), scalar(3, "int8"))),
    Seed("DequantizeLinear", Q),
    Seed("DynamicQuantizeLinear", (floats(3, 4),), outputs=3),
    Seed("MatMulInteger", (small("int8", 3, 4), small("uint8", 4, 2))),
    Seed("QLinearMatMul", (*Q, small("int8", 4, 2), scalar(0.1), scalar(0, "int8"), *Q[1:])),
    Seed("ConvInteger", (IMAGE[0], small("int8", 3, 2, 2, 2), scalar(9, "uint8"))),
    Seed("QLinearConv", (*IMAGE, *KERNEL, *Q[1:], np.array([5, -6], np.int32)), {"group": 2}),
    Seed("Det", (floats(2, 4, 4),)),
    Seed("Attention", HEADS, {"is_causal": 1}, outputs=4, opset=23),
    Seed("Attention", FLAT, {"q_num_heads": 4, "kv_num_heads": 2, "softcap": 2.0}, opset=24),
    Seed("RotaryEmbedding", (*TURNED, ints(3, 0, 1).reshape(1, 3)), {"num_heads": 2}, opset=23),
    Seed("RotaryEmbedding", (*TURNED, ints(3, 0, 1).reshape(1, 3)), INTERLEAVED, opset=23),
    Seed("CDist", (floats(3, 20), floats(2, 20)), {"metric": "euclidean"}, domain="com.microsoft"),
    Seed("NegativeLogLikelihoodLoss", LABELS, {"ignore_index": 2}),
    Seed("SoftmaxCrossEntropyLoss", LABELS[:2], {"reduction": "none"}, outputs=2),
    Seed("AffineGrid", (floats(1, 2, 3), ints(1, 1, 3, 4))),
    Seed("GridSample", (floats(1, 2, 3, 4), GRID), {"mode": "cubic", "align_corners": 1}),
    Seed("GridSample", (floats(1, 2, 3, 4), GRID), {"padding_mode": "reflection"}, opset=22),
    Seed("GridSample", (floats(1, 2, 3, 4), GRID), {"mode": "nearest"}, opset=22),
    Seed("DeformConv", BENT, {"pads": [1, 0, 0, 1]}, opset=22),
    Seed("NonMaxSuppression", BOXES, known=True),
    Seed("RoiAlign", ROIS, {"output_height": 2, "output_width": 2}, opset=22, known=True),
    Seed("RoiAlign", ROIS, {"sampling_ratio": 2, "mode": "max"}, opset=22),
    Seed("DFT", (floats(1, 12, 1), None, ints(1)), {"onesided": 1}),
    Seed("DFT", (floats(1, 14, 2),), {"inverse": 1}),
    Seed("DFT", (floats(1, 5, 2), ints(9)), {"inverse": 1, "onesided": 1}),
    Seed("STFT", (floats(1, 12, 1), ints(2), floats(6)), {"onesided": 0}),
    Seed("BlackmanWindow", (ints(9),), {"periodic": 0}, known=True),
    Seed("HammingWindow", (ints(9),), {"output_datatype": 11}, known=True),
    Seed("HannWindow", (ints(9),), known=True),
    Seed("MelWeightMatrix", (ints(4), ints(16), ints(8192), scalar(0), scalar(4096)), known=True),
    Seed("LinearAttention", LINEAR, {"q_num_heads": 4, "kv_num_heads": 2}, outputs=2, opset=27),
    Seed("CausalConvWithState", STREAM, {"activation": "silu"}, outputs=2, opset=27),
    Seed("Col2Im", (floats(1, 4, 6), ints(3, 4), ints(2, 2)), opset=22),
    Seed("Col2Im", (floats(1, 4, 12), ints(3, 4), ints(2, 2)), PADDED),
    Seed("MaxUnpool", (floats(1, 1, 1, 2), ints(5, 7).reshape(1, 1, 1, 2)), POOL, opset=22),
    Seed("CenterCropPad", (floats(3, 8), ints(6, 5))),
    Seed("TensorScatter", (floats(2, 5, 3), floats(2, 2, 3), ints(4, 1)), CIRCULAR),
    Seed("BitCast", (floats(3, 4),), {"to": 6}, opset=26),
    Seed("SwiGLU", (floats(3, 4), floats(3, 4, start=0.5)), {"alpha": 1.5}, opset=28),
    Seed("FlexAttention", HEADS[:3], {"score_mod": HALVED}, domain="ai.onnx.preview"),
    Seed("StringSplit", (words("a b", "c  d e"),), outputs=2, known=True),
]  # fmt: skip
