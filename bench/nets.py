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
