"""Small neural networks written by hand, with weights that nobody trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from tests.acceptance.published import Model

Shape = Sequence[int | str]


class _Weights:
    """Named initialisers from a seed."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.constants: list[TensorProto] = []

    def new(self, *shape: int, scale: float = 0.4) -> str:
        return self.constant(self.generator.normal(0, scale, shape).astype(np.float32))

    def constant(self, array: np.ndarray) -> str:
        name = f"w{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name


def build(
    nodes: Sequence[NodeProto],
    weights: _Weights,
    shape: Shape,
    outputs: Sequence[str],
    *,
    rows: int = 3,
    form: str = "npy",
    opset: int = 17,
) -> Model:
    graph = helper.make_graph(
        list(nodes),
        "network",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        weights.constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    concrete = [rows if isinstance(size, str) else size for size in shape]
    held_out = np.random.default_rng(99).normal(size=concrete).astype(np.float32)
    return Model(made.SerializeToString(), {"X": held_out}, form)


def convolution() -> Model:
    """Two convolutions, one of them in groups, pooling, normalisation, a dense layer."""
    w = _Weights(1)
    ones = np.ones(4, np.float32)
    nodes = [
        helper.make_node(
            "Conv",
            ["X", w.new(4, 2, 3, 3), w.new(4)],
            ["c1"],
            pads=[1, 1, 1, 1],
            kernel_shape=[3, 3],
        ),
        helper.make_node(
            "BatchNormalization",
            ["c1", w.new(4), w.new(4), w.new(4), w.constant(ones)],
            ["b1"],
            epsilon=1e-3,
        ),
        helper.make_node("Relu", ["b1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node(
            "Conv",
            ["p1", w.new(6, 2, 3, 3)],
            ["c2"],
            group=2,
            strides=[2, 2],
            auto_pad="SAME_UPPER",
        ),
        helper.make_node("LeakyRelu", ["c2"], ["r2"], alpha=0.1),
        helper.make_node("GlobalAveragePool", ["r2"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", w.new(5, 6), w.new(5)], ["z"], transB=1),
        helper.make_node("Softmax", ["z"], ["Y"], axis=1),
    ]
    return build(nodes, w, ["N", 2, 9, 9], ["Y"])


def recurrent(kind: str) -> Model:
    """A recurrent layer over six steps in both directions, and a line over its last state."""
    gates = {"LSTM": 4, "GRU": 3}[kind]
    hidden = 5
    w = _Weights(gates)
    more = {"linear_before_reset": 1} if kind == "GRU" else {}
    nodes = [
        helper.make_node("Transpose", ["X"], ["t"], perm=[1, 0, 2]),
        helper.make_node(
            kind,
            [
                "t",
                w.new(2, gates * hidden, 4),
                w.new(2, gates * hidden, hidden),
                w.new(2, 2 * gates * hidden),
            ],
            ["all", "last"],
            hidden_size=hidden,
            direction="bidirectional",
            **more,
        ),
        helper.make_node("Transpose", ["last"], ["lt"], perm=[1, 0, 2]),
        helper.make_node("Flatten", ["lt"], ["f"]),
        helper.make_node("Gemm", ["f", w.new(2 * hidden, 3), w.new(3)], ["Y"]),
    ]
    return build(nodes, w, ["N", 6, 4], ["Y", "all"], form="lists")


def attention(seed: int = 7) -> Model:
    """A transformer's block: attention of two heads, layer normalisation, Gelu out of Erf."""
    width, heads, steps = 8, 2, 5
    w = _Weights(seed)
    split = w.constant(np.array([0, steps, heads, width // heads], np.int64))
    merge = w.constant(np.array([0, steps, width], np.int64))
    scale = w.constant(np.array(1 / np.sqrt(width / heads), np.float32))
    half, one, root = (w.constant(np.array(v, np.float32)) for v in (0.5, 1.0, 2**0.5))
    nodes = []
    for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [
            helper.make_node("MatMul", ["X", w.new(width, width)], [name]),
            helper.make_node("Reshape", [name, split], [name + "s"]),
            helper.make_node("Transpose", [name + "s"], [name + "h"], perm=order),
        ]
    nodes += [
        helper.make_node("MatMul", ["qh", "kh"], ["scores"]),
        helper.make_node("Mul", ["scores", scale], ["scaled"]),
        helper.make_node("Softmax", ["scaled"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "vh"], ["mixed"]),
        helper.make_node("Transpose", ["mixed"], ["back"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["back", merge], ["joined"]),
        helper.make_node("Add", ["joined", "X"], ["residual"]),
        helper.make_node(
            "LayerNormalization", ["residual", w.new(width), w.new(width)], ["normal"], axis=-1
        ),
        helper.make_node("MatMul", ["normal", w.new(width, 16)], ["wide"]),
        helper.make_node("Div", ["wide", root], ["shrunk"]),
        helper.make_node("Erf", ["shrunk"], ["erf"]),
        helper.make_node("Add", ["erf", one], ["more"]),
        helper.make_node("Mul", ["wide", "more"], ["product"]),
        helper.make_node("Mul", ["product", half], ["gelu"]),
        helper.make_node("MatMul", ["gelu", w.new(16, width)], ["narrow"]),
        helper.make_node("ReduceMean", ["narrow"], ["Y"], axes=[1], keepdims=0),
    ]
    return build(nodes, w, ["N", steps, width], ["Y"], form="npz")


def mixture() -> Model:
    """Elementwise operators, comparisons, gathering and sorting in one graph."""
    w = _Weights(8)
    nodes = [
        helper.make_node("Sigmoid", ["X"], ["s"]),
        helper.make_node("Tanh", ["X"], ["t"]),
        helper.make_node("Greater", ["s", "t"], ["g"]),
        helper.make_node("Where", ["g", "s", "t"], ["chosen"]),
        helper.make_node("Softplus", ["chosen"], ["plus"]),
        helper.make_node("Concat", ["plus", "X"], ["both"], axis=1),
        helper.make_node(
            "Gather", ["both", w.constant(np.array([3, 0, 7, 11], np.int64))], ["some"], axis=1
        ),
        helper.make_node("TopK", ["both", w.constant(np.array([4], np.int64))], ["top", "at"]),
        helper.make_node("Mul", ["some", "top"], ["product"]),
        helper.make_node("Elu", ["product"], ["Y"]),
        helper.make_node("ReduceLogSumExp", ["both"], ["Z"], axes=[1]),
    ]
    return build(nodes, w, ["N", 6], ["Y", "Z"], form="csv")


def unknown_operators() -> Model:
    """Two nodes that nobody computes, before one that everybody does."""
    nodes = [
        helper.make_node("NoSuchOperator", ["X"], ["a"]),
        helper.make_node("NorThisOne", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["Y"]),
    ]
    return build(nodes, _Weights(9), ["N", 2], ["Y"])


SOLD: dict[str, Callable[[], Model]] = {
    "convolutional network": convolution,
    "attention": attention,
}

RUN: dict[str, Callable[[], Model]] = {
    "long short-term memory": lambda: recurrent("LSTM"),
    "gated recurrent units": lambda: recurrent("GRU"),
    "a mixture": mixture,
}
