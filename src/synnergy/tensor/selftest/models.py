"""Cases of whole models, small enough to take milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from synnergy.tensor.selftest.case import Case, model, node
from synnergy.tensor.selftest.values import below, hostile, ordinary
from synnergy.tensor.types import Array


@dataclass(slots=True)
class Net:
    """A graph in the making: `add` gives the name of a node's first result."""

    name: str
    nodes: list[onnx.NodeProto] = field(default_factory=list[onnx.NodeProto])
    weights: dict[str, Array] = field(default_factory=dict[str, Array])

    def weight(self, *shape: int, scale: float = 0.25) -> str:
        """Ordinary numbers times a power of two."""
        key = f"w{len(self.weights)}"
        self.weights[key] = ordinary(f"{self.name}/{key}", shape) * np.float32(scale)
        return key

    def constant(self, array: Any, dtype: str = "int64") -> str:
        key = f"w{len(self.weights)}"
        self.weights[key] = np.array(array, dtype)
        return key

    def add(
        self, operator: str, *inputs: str, results: int = 1, domain: str = "", **attributes: Any
    ) -> str:
        names = [f"{operator}{len(self.nodes)}{'_' * place}" for place in range(results)]
        self.nodes.append(node(operator, inputs, names, domain, **attributes))
        return names[0]

    def case(self, feeds: Sequence[Mapping[str, Array]], *outputs: str) -> Case:
        content = model(self.nodes, feeds[0], outputs, self.weights)
        return Case(f"model/{self.name}", content, tuple(feeds))

    def floats(self, outputs: Sequence[str], **shapes: Sequence[int]) -> Case:
        """With ordinary and with hostile inputs of these shapes."""
        feeds = [
            {key: make(f"{self.name}/{key}", shape) for key, shape in shapes.items()}
            for make in (ordinary, hostile)
        ]
        return self.case(feeds, *outputs)


def models() -> Iterator[Case]:
    """Every model."""
    for make in MODELS:
        yield make()


def _perceptron() -> Case:
    net = Net("perceptron")
    x = net.add("Relu", net.add("Gemm", "x", net.weight(300, 64), net.weight(64)))
    x = net.add("Tanh", net.add("Gemm", x, net.weight(64, 33), net.weight(33)))
    x = net.add("Softmax", net.add("Gemm", x, net.weight(33, 10), net.weight(10)))
    return net.floats([x], x=(5, 300))


def _block(net: Net, x: str, given: int, out: int, size: int = 3, **more: Any) -> str:
    group = more.get("group", 1)
    pads = [size // 2] * 4
    x = net.add("Conv", x, net.weight(out, given // group, size, size), pads=pads, **more)
    scale, bias, mean = (net.weight(out) for _ in range(3))
    variance = net.weight(out)
    net.weights[variance] = np.abs(net.weights[variance])
    return net.add("BatchNormalization", x, scale, bias, mean, variance)


def _lenet() -> Case:
    net = Net("lenet")
    x = net.add("Conv", "x", net.weight(6, 1, 5, 5), net.weight(6), pads=[2] * 4)
    x = net.add("MaxPool", net.add("Relu", x), kernel_shape=[2, 2], strides=[2, 2])
    x = net.add("Conv", x, net.weight(16, 6, 5, 5), net.weight(16))
    x = net.add("AveragePool", net.add("Relu", x), kernel_shape=[2, 2], strides=[2, 2])
    x = net.add("Flatten", x)
    x = net.add("Relu", net.add("Gemm", x, net.weight(400, 84), net.weight(84)))
    x = net.add("Gemm", x, net.weight(84, 10), net.weight(10))
    return net.floats([x], x=(2, 1, 28, 28))


def _residual() -> Case:
    net = Net("residual")
    x = net.add("Relu", _block(net, "x", 3, 16, strides=[2, 2]))
    y = net.add("Relu", _block(net, x, 16, 16))
    x = net.add("Relu", net.add("Add", _block(net, y, 16, 16), x))
    y = net.add("Relu", _block(net, x, 16, 24, strides=[2, 2]))
    x = net.add("Add", _block(net, y, 24, 24), _block(net, x, 16, 24, size=1, strides=[2, 2]))
    x = net.add("Flatten", net.add("GlobalAveragePool", net.add("Relu", x)))
    return net.floats([net.add("Gemm", x, net.weight(24, 10), net.weight(10))], x=(1, 3, 32, 32))


def _mobile() -> Case:
    net = Net("mobile")
    low, high = net.constant(0.0, "float32"), net.constant(6.0, "float32")
    x = net.add("Clip", _block(net, "x", 3, 8, strides=[2, 2]), low, high)
    x = net.add("Clip", _block(net, x, 8, 48, size=1), low, high)
    x = net.add("Clip", _block(net, x, 48, 48, group=48), low, high)
    x = _block(net, x, 48, 8, size=1)
    x = net.add("HardSwish", net.add("GlobalAveragePool", x))
    return net.floats([net.add("Flatten", x)], x=(1, 3, 24, 24))


def _attention(net: Net, x: str, width: int, heads: int, rows: int) -> str:
    shape = net.constant([0, 0, heads, width // heads])
    parts: list[str] = []
    for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):
        y = net.add("Add", net.add("MatMul", x, net.weight(width, width)), net.weight(width))
        parts.append(net.add("Transpose", net.add("Reshape", y, shape), perm=perm))
    scores = net.add("MatMul", parts[0], parts[1])
    scores = net.add("Div", scores, net.constant(2.0, "float32"))
    scores = net.add("Add", scores, net.weight(1, 1, rows, rows))
    y = net.add("MatMul", net.add("Softmax", scores, axis=-1), parts[2])
    y = net.add("Transpose", y, perm=[0, 2, 1, 3])
    return net.add("Reshape", y, net.constant([0, 0, width]))


def _encoder() -> Case:
    net = Net("encoder")
    width, rows = 48, 9
    x = net.add("Gather", net.weight(50, width), "ids")
    x = net.add("Add", x, net.weight(rows, width))
    scales = net.weight(width), net.weight(width)
    for _ in range(2):
        y = _attention(net, x, width, 4, rows)
        y = net.add("MatMul", y, net.weight(width, width))
        x = net.add("LayerNormalization", net.add("Add", x, y), *scales)
        y = net.add("Add", net.add("MatMul", x, net.weight(width, 96)), net.weight(96))
        half = net.add("Mul", y, net.constant(0.5, "float32"))
        root = net.add("Erf", net.add("Mul", y, net.constant(0.70710677, "float32")))
        y = net.add("Mul", half, net.add("Add", root, net.constant(1.0, "float32")))
        y = net.add("MatMul", y, net.weight(96, width))
        x = net.add("LayerNormalization", net.add("Add", x, y), *scales)
    x = net.add("Tanh", net.add("ReduceMean", x, net.constant([1]), keepdims=0))
    return net.case([{"ids": below("encoder/ids", (2, rows), 50)}], x)


def _decoder() -> Case:
    net = Net("decoder")
    keys = net.add("Concat", "past", "x", axis=2)
    y = net.add("Attention", "x", keys, keys, is_causal=1)
    y = net.add("RMSNormalization", net.add("Add", y, "x"), net.weight(8))
    gate = net.add("Sigmoid", y)
    return net.floats([net.add("Mul", y, gate), keys], x=(1, 4, 3, 8), past=(1, 4, 6, 8))


def _recurrent(operator: str, gates: int) -> Callable[[], Case]:
    def make() -> Case:
        net = Net(operator.lower())
        size = 20
        weights = net.weight(2, gates * size, 12), net.weight(2, gates * size, size)
        x = net.add(
            operator, "x", *weights, net.weight(2, 2 * gates * size), results=2,
            hidden_size=size, direction="bidirectional",
        )  # fmt: skip
        return net.floats([x, f"{x}_"], x=(7, 3, 12))

    return make


def _forest() -> Case:
    net = Net("forest")
    trees, depth, features = 12, 4, 9
    inner = 2**depth - 1
    count = 2 * inner + 1
    ids = [tree for tree in range(trees) for _ in range(count)]
    nodes = [place for _ in range(trees) for place in range(count)]
    leaf = [place >= inner for place in nodes]
    splits = ordinary("forest/splits", (trees * count,)).tolist()
    which = below("forest/features", (trees * count,), features).tolist()
    scores = ordinary("forest/scores", (trees * (inner + 1),)).tolist()
    x = net.add(
        "TreeEnsembleRegressor",
        "x",
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=ids,
        nodes_nodeids=nodes,
        nodes_featureids=[0 if end else each for end, each in zip(leaf, which, strict=True)],
        nodes_modes=["LEAF" if end else "BRANCH_LEQ" for end in leaf],
        nodes_values=[0.0 if end else each for end, each in zip(leaf, splits, strict=True)],
        nodes_truenodeids=[0 if place >= inner else 2 * place + 1 for place in nodes],
        nodes_falsenodeids=[0 if place >= inner else 2 * place + 2 for place in nodes],
        target_treeids=[tree for tree in range(trees) for _ in range(inner + 1)],
        target_nodeids=[inner + place for _ in range(trees) for place in range(inner + 1)],
        target_ids=[0] * (trees * (inner + 1)),
        target_weights=scores,
    )
    return net.floats([x], x=(37, features))


def _linear() -> Case:
    net = Net("linear")
    x = net.add("Scaler", "x", domain="ai.onnx.ml", offset=[0.5] * 9, scale=[0.3] * 9)
    x = net.add("Normalizer", x, domain="ai.onnx.ml", norm="L2")
    weights = ordinary("linear/coefficients", (4 * 9,)).tolist()
    x = net.add(
        "LinearClassifier", x, results=2, domain="ai.onnx.ml", coefficients=weights,
        intercepts=[0.1, -0.2, 0.3, 0.0], classlabels_ints=[0, 1, 2, 3],
        post_transform="SOFTMAX",
    )  # fmt: skip
    return net.floats([x, f"{x}_"], x=(11, 9))


def _quantised() -> Case:
    net = Net("quantised")
    scale, zero = net.constant(0.05, "float32"), net.constant(128, "uint8")
    x = net.add("QuantizeLinear", "x", scale, zero)
    kernel = net.constant(ordinary("quantised/k", (8, 3, 3, 3), "int8"), "int8")
    flat = net.constant(0, "int8")
    small = net.constant(0.01, "float32")
    x = net.add("QLinearConv", x, scale, zero, kernel, small, flat, scale, zero, pads=[1] * 4)
    x = net.add("DequantizeLinear", x, scale, zero)
    x = net.add("Flatten", net.add("GlobalAveragePool", net.add("Relu", x)))
    x = net.add("DynamicQuantizeLinear", x, results=3)
    weights = net.constant(ordinary("quantised/w", (8, 5), "int8"), "int8")
    y = net.add("MatMulInteger", x, weights, f"{x}__", flat)
    y = net.add("Mul", net.add("Cast", y, to=1), net.add("Mul", f"{x}_", small))
    return net.floats([y], x=(2, 3, 10, 10))


MODELS: tuple[Callable[[], Case], ...] = (
    *(_perceptron, _lenet, _residual, _mobile, _encoder, _decoder),
    *(_recurrent("LSTM", 4), _recurrent("GRU", 3), _recurrent("RNN", 1)),
    *(_forest, _linear, _quantised),
)
