"""The nets that benchmarks run: usual shapes, random weights, any batch size."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

Array = np.ndarray[Any, Any]

OPSET = 21


@dataclass
class Net:
    """Collects nodes and weights; every method that adds a node gives the name of its result."""

    seed: int = 0
    nodes: list[onnx.NodeProto] = field(default_factory=list[onnx.NodeProto])
    weights: dict[str, Array] = field(default_factory=dict[str, Array])

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(self.seed)

    def weight(self, *shape: int, scale: float = 1.0, offset: float = 0.0) -> str:
        """A weight of normally distributed numbers."""
        name = f"weight_{len(self.weights)}"
        values = self.generator.standard_normal(shape) * scale + offset
        self.weights[name] = values.astype(np.float32)
        return name

    def constant(self, value: Array) -> str:
        """A weight of these contents."""
        name = f"weight_{len(self.weights)}"
        self.weights[name] = value
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """A node with one result."""
        name = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def conv(
        self, x: str, channels: int, filters: int, size: int, stride: int = 1, groups: int = 1
    ) -> str:
        """A convolution over two axes that keeps their size, divided by the stride."""
        terms = channels // groups * size * size
        weights = self.weight(filters, channels // groups, size, size, scale=terms**-0.5)
        return self.add(
            "Conv",
            *(x, weights, self.weight(filters, scale=0.1)),
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[size // 2] * 4,
            group=groups,
        )

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        weights = self.weight(outputs, inputs, scale=inputs**-0.5)
        return self.add("Gemm", x, weights, self.weight(outputs, scale=0.1), transB=1)

    def model(self, inputs: dict[str, tuple[int, list[int | str]]], *outputs: str) -> bytes:
        """The model's bytes; inputs are (element type, shape)."""
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in self.weights.items()],
        )
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain for node in self.nodes):
            opsets.append(helper.make_opsetid("ai.onnx.ml", 3))
        return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def images(channels: int, size: int) -> dict[str, tuple[int, list[int | str]]]:
    """The input `x` of a net that looks at square images."""
    return {"x": (onnx.TensorProto.FLOAT, ["batch", channels, size, size])}


def mlp(*sizes: int) -> bytes:
    """Linear layers with Relu between them; by default for 28 x 28 pixels and ten labels."""
    widths = sizes or (784, 128, 64, 10)
    net = Net()
    x = "x"
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        x = net.linear(net.add("Relu", x) if layer else x, inputs, outputs)
    return net.model({"x": (onnx.TensorProto.FLOAT, ["batch", widths[0]])}, x)


def lenet() -> bytes:
    """LeNet-5 for 28 x 28 pixels: two convolutions with pooling, three linear layers."""
    net = Net()
    x = net.add("Relu", net.conv("x", 1, 6, 5))
    x = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    weights = net.weight(16, 6, 5, 5, scale=150**-0.5)
    x = net.add("Relu", net.add("Conv", x, weights, net.weight(16, scale=0.1)))
    x = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.add("Relu", net.linear(net.add("Flatten", x), 400, 120))
    x = net.add("Relu", net.linear(x, 120, 84))
    return net.model(images(1, 28), net.linear(x, 84, 10))


def mobilenet(size: int = 224) -> bytes:
    """MobileNetV2, its normalisations folded into the convolutions as exporters do."""
    net = Net()
    low, high = net.constant(np.float32(0)), net.constant(np.float32(6))

    def bounded(x: str) -> str:
        return net.add("Clip", x, low, high)

    x = bounded(net.conv("x", 3, 32, 3, stride=2))
    channels = 32
    for expansion, filters, repeats, first_stride in (
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
        *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
    ):
        for repeat in range(repeats):
            stride = 1 if repeat else first_stride
            inner = channels * expansion
            y = bounded(net.conv(x, channels, inner, 1)) if expansion > 1 else x
            y = bounded(net.conv(y, inner, inner, 3, stride, groups=inner))
            y = net.conv(y, inner, filters, 1)
            x = net.add("Add", x, y) if channels == filters and stride == 1 else y
            channels = filters
    x = bounded(net.conv(x, channels, 1280, 1))
    x = net.add("Flatten", net.add("GlobalAveragePool", x))
    return net.model(images(3, size), net.linear(x, 1280, 1000))


def resnet(size: int = 224) -> bytes:
    """ResNet-18, its batch normalisations kept as nodes."""
    net = Net()

    def normalised(x: str, channels: int, filters: int, kernel: int, stride: int) -> str:
        terms = channels * kernel * kernel
        weights = net.weight(filters, channels, kernel, kernel, scale=terms**-0.5)
        pads = [kernel // 2] * 4
        y = net.add("Conv", x, weights, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)
        scale, bias, mean = (net.weight(filters, scale=0.1, offset=at) for at in (1.0, 0.0, 0.0))
        variance = net.constant(net.generator.uniform(0.5, 1.5, filters).astype(np.float32))
        return net.add("BatchNormalization", y, scale, bias, mean, variance)

    x = net.add("Relu", normalised("x", 3, 64, 7, 2))
    x = net.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for filters, first_stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for stride in (first_stride, 1):
            y = net.add("Relu", normalised(x, channels, filters, 3, stride))
            y = normalised(y, filters, filters, 3, 1)
            if stride > 1:
                x = normalised(x, channels, filters, 1, stride)
            x = net.add("Relu", net.add("Add", x, y))
            channels = filters
    x = net.add("Flatten", net.add("GlobalAveragePool", x))
    return net.model(images(3, size), net.linear(x, 512, 1000))


@dataclass
class Transformer(Net):
    """Blocks as exporters write them: operators of opset 17, nothing fused but the norm."""

    hidden: int = 384
    heads: int = 12

    def __post_init__(self) -> None:
        super().__post_init__()
        self.split = self.constant(np.array([0, 0, self.heads, self.hidden // self.heads]))
        self.joined = self.constant(np.array([0, 0, self.hidden]))
        self.root = self.constant(np.float32((self.hidden // self.heads) ** 0.5))

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        product = self.add("MatMul", x, self.weight(inputs, outputs, scale=inputs**-0.5))
        return self.add("Add", self.weight(outputs, scale=0.1), product)

    def norm(self, x: str) -> str:
        scale, bias = self.weight(self.hidden, scale=0.1, offset=1.0), self.weight(self.hidden)
        return self.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-12)

    def headed(self, x: str, order: tuple[int, int, int, int] = (0, 2, 1, 3)) -> str:
        """A projection of x, its features divided into heads."""
        projected = self.dense(x, self.hidden, self.hidden)
        return self.add("Transpose", self.add("Reshape", projected, self.split), perm=order)

    def attention(self, query: str, key: str, value: str, mask: str | None) -> str:
        """softmax(query key / root + mask) value, heads joined again and projected."""
        scores = self.add("Div", self.add("MatMul", query, key), self.root)
        if mask is not None:
            scores = self.add("Add", scores, mask)
        mixed = self.add("MatMul", self.add("Softmax", scores, axis=-1), value)
        turned = self.add("Transpose", mixed, perm=(0, 2, 1, 3))
        return self.dense(self.add("Reshape", turned, self.joined), self.hidden, self.hidden)

    def gelu(self, x: str) -> str:
        one, half = self.constant(np.float32(1)), self.constant(np.float32(0.5))
        root = self.constant(np.float32(2**0.5))
        wide = self.add("Add", self.add("Erf", self.add("Div", x, root)), one)
        return self.add("Mul", self.add("Mul", x, wide), half)

    def feed_forward(self, x: str) -> str:
        wide = self.gelu(self.dense(x, self.hidden, 4 * self.hidden))
        return self.dense(wide, 4 * self.hidden, self.hidden)


def encoder(layers: int = 6, vocabulary: int = 1000) -> bytes:
    """An encoder of MiniLM's size: 384 features, 12 heads; token numbers and their mask go in."""
    net = Transformer()
    words, places = net.weight(vocabulary, net.hidden), net.weight(1, 128, net.hidden)
    x = net.norm(net.add("Add", net.add("Gather", words, "tokens"), places))
    mask = net.add("Unsqueeze", "mask", net.constant(np.array([1, 2])))
    mask = net.add("Cast", mask, to=onnx.TensorProto.FLOAT)
    mask = net.add("Sub", net.constant(np.float32(1)), mask)
    mask = net.add("Mul", mask, net.constant(np.finfo(np.float32).min))
    for _ in range(layers):
        query, key, value = net.headed(x), net.headed(x, (0, 2, 3, 1)), net.headed(x)
        x = net.norm(net.add("Add", net.attention(query, key, value, mask), x))
        x = net.norm(net.add("Add", net.feed_forward(x), x))
    kind: tuple[int, list[int | str]] = (onnx.TensorProto.INT64, ["batch", 128])
    return net.model({"tokens": kind, "mask": kind}, x)


def decoder(layers: int = 4, vocabulary: int = 1000, past: int = 63) -> bytes:
    """One step of a small decoder: 256 features, 8 heads, keys and values of `past` tokens."""
    net = Transformer(hidden=256, heads=8)
    words, places = net.weight(vocabulary, net.hidden), net.weight(1024, net.hidden)
    inputs: dict[str, tuple[int, list[int | str]]] = {
        name: (onnx.TensorProto.INT64, ["batch", 1]) for name in ("token", "place")
    }
    x = net.add("Add", net.add("Gather", words, "token"), net.add("Gather", places, "place"))
    outputs: list[str] = []
    for layer in range(layers):
        for name in (f"past_key_{layer}", f"past_value_{layer}"):
            inputs[name] = (onnx.TensorProto.FLOAT, ["batch", net.heads, past, 32])
        y = net.norm(x)
        query = net.headed(y)
        key = net.add("Concat", f"past_key_{layer}", net.headed(y), axis=2)
        value = net.add("Concat", f"past_value_{layer}", net.headed(y), axis=2)
        outputs += [key, value]
        turned = net.add("Transpose", key, perm=(0, 1, 3, 2))
        x = net.add("Add", x, net.attention(query, turned, value, None))
        x = net.add("Add", x, net.feed_forward(net.norm(x)))
    scores = net.add("MatMul", net.norm(x), net.weight(net.hidden, vocabulary, scale=0.06))
    return net.model(inputs, scores, *outputs)


def recurrent(kind: str, hidden: int = 128, steps: int = 50) -> bytes:
    """LSTM, GRU or RNN over a sequence of as many features, then ten scores; batch first."""
    net = Net()
    rows = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind] * hidden
    scale = hidden**-0.5
    net.nodes.append(
        helper.make_node(
            kind,
            [
                net.add("Transpose", "x", perm=(1, 0, 2)),
                net.weight(1, rows, hidden, scale=scale),
                net.weight(1, rows, hidden, scale=scale),
                net.weight(1, 2 * rows, scale=0.1),
            ],
            ["", "last"],
            hidden_size=hidden,
        )
    )
    last = net.add("Squeeze", "last", net.constant(np.array([0])))
    x: tuple[int, list[int | str]] = (onnx.TensorProto.FLOAT, ["batch", steps, hidden])
    return net.model({"x": x}, net.linear(last, hidden, 10))


def boosted(trees: int, features: int = 20, leaves: int = 31) -> bytes:
    """A regressor of gradient boosting, grown leaf by leaf as LightGBM grows it."""
    net = Net()
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("modes", "featureids", "values", "truenodeids", "falsenodeids", "treeids")
    }
    ends: list[tuple[int, int]] = []
    size = 2 * leaves - 1
    for tree in range(trees):
        nodes: list[tuple[str, int, float, int, int]] = [("LEAF", 0, 0.0, 0, 0)]
        open_leaves = [0]
        for _ in range(leaves - 1):
            split = open_leaves.pop(int(net.generator.integers(len(open_leaves))))
            left, right = len(nodes), len(nodes) + 1
            feature, value = int(net.generator.integers(features)), net.generator.standard_normal()
            nodes[split] = ("BRANCH_LEQ", feature, float(np.float32(value)), left, right)
            nodes += [("LEAF", 0, 0.0, 0, 0)] * 2
            open_leaves += [left, right]
        for place, node in enumerate(nodes):
            for name, item in zip(columns, (*node, tree), strict=True):
                columns[name].append(item)
            if node[0] == "LEAF":
                ends.append((tree, place))
    weights = (net.generator.standard_normal(len(ends)) * 0.1).astype(np.float32)
    result = net.add(
        "TreeEnsembleRegressor",
        "x",
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_nodeids=list(range(size)) * trees,
        **{f"nodes_{name}": items for name, items in columns.items()},
        target_treeids=[tree for tree, _ in ends],
        target_nodeids=[place for _, place in ends],
        target_ids=[0] * len(ends),
        target_weights=weights.tolist(),
    )
    x: tuple[int, list[int | str]] = (onnx.TensorProto.FLOAT, ["batch", features])
    return net.model({"x": x}, result)
