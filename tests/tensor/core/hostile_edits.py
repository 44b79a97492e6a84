"""Edits of a plain model, each of which must be refused, with a word of the reason."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.tensor.core.building import model

Edit = Callable[[onnx.ModelProto], None]


def plain(opset: int = 17) -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="product"),
        helper.make_node("Relu", ["h"], ["y"], name="positive"),
    ]
    weights = {"w": np.ones((3, 2), np.float32)}
    return model(nodes, {"x": (np.float32, ["N", 3])}, ["y"], weights, opset)


def edited(edit: Edit) -> onnx.ModelProto:
    proto = plain()
    edit(proto)
    return proto


def external(proto: onnx.ModelProto) -> None:
    weight = proto.graph.initializer[0]
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def external_quietly(proto: onnx.ModelProto) -> None:
    entry = proto.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "secret"


def external_attribute(proto: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "c")
    tensor.data_location = TensorProto.EXTERNAL
    proto.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=tensor))


def function(proto: onnx.ModelProto) -> None:
    node = helper.make_node("Relu", ["a"], ["b"])
    imports = [helper.make_opsetid("", 17)]
    proto.functions.append(helper.make_function("mine", "f", ["a"], ["b"], [node], imports))


def training(proto: onnx.ModelProto) -> None:
    proto.training_info.add()


def sparse(proto: onnx.ModelProto) -> None:
    proto.graph.sparse_initializer.add()


def twice(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].output[0] = "h"
    proto.graph.output[0].name = "h"


def shadows_input(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].output[0] = "x"


def weights_twice(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.append(proto.graph.initializer[0])


def unsorted(proto: onnx.ModelProto) -> None:
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(reversed(nodes))


def cyclic(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].input[0] = "y"


def undefined(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].input[0] = "nowhere"


def no_output(proto: onnx.ModelProto) -> None:
    proto.graph.output[0].name = "nowhere"


def no_outputs(proto: onnx.ModelProto) -> None:
    del proto.graph.output[:]


def output_twice(proto: onnx.ModelProto) -> None:
    proto.graph.output.append(proto.graph.output[0])


def negative_dimension(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[0] = -3


def negative_pair(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[:] = [-3, -2]


def wrong_size(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[0] = 4


def overflowing(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[:] = [2**62, 4, 6]


def huge_and_empty(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[:] = [2**40, 0]
    proto.graph.initializer[0].raw_data = b""


def data_twice(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].float_data.append(1.0)


def segment(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].segment.begin = 0


def strange_type(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].data_type = 99


def untyped_input(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].ClearField("type")


def sequence_input(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = 1


def negative_input(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value = -1


def unknown_domain(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].domain = "evil.example"


def unknown_domain_imported(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].domain = "evil.example"
    proto.opset_import.append(helper.make_opsetid("evil.example", 1))


def old_opset(proto: onnx.ModelProto) -> None:
    proto.opset_import[0].version = 8


def future_opset(proto: onnx.ModelProto) -> None:
    proto.opset_import[0].version = 1000


def opset_twice(proto: onnx.ModelProto) -> None:
    proto.opset_import.append(helper.make_opsetid("ai.onnx", 18))


def future_format(proto: onnx.ModelProto) -> None:
    proto.ir_version = 1000


def no_graph(proto: onnx.ModelProto) -> None:
    proto.ClearField("graph")


def overload(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].overload = "other"


def reference(proto: onnx.ModelProto) -> None:
    attribute = proto.graph.node[1].attribute.add()
    attribute.name, attribute.ref_attr_name, attribute.type = "alpha", "outer", 1


def attribute_twice(proto: onnx.ModelProto) -> None:
    for _ in range(2):
        proto.graph.node[1].attribute.append(helper.make_attribute("a", 1))


def untyped_attribute(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].attribute.add().name = "a"


def unknown_operator(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].op_type = "Frobnicate"


def nameless_operator(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].ClearField("op_type")


def long_name(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].name = "n" * 5000


def long_attribute(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].attribute.append(helper.make_attribute("a", "s" * (2 << 20)))


CASES: list[tuple[Edit, str]] = [
    (external, "outside the file"),
    (external_quietly, "outside the file"),
    (external_attribute, "outside the file"),
    (function, "functions"),
    (training, "training"),
    (sparse, "sparse"),
    (twice, "defined twice"),
    (shadows_input, "defined twice"),
    (weights_twice, "defined twice"),
    (unsorted, "sorted"),
    (cyclic, "isn't defined before it"),
    (undefined, "'nowhere' isn't defined"),
    (no_output, "nothing computes it"),
    (no_outputs, "no outputs"),
    (output_twice, "one output twice"),
    (negative_dimension, "negative dimension"),
    (negative_pair, "negative dimension"),
    (wrong_size, "holds 24 bytes where 32 belong"),
    (overflowing, "above the limit"),
    (huge_and_empty, "above the limit"),
    (data_twice, "twice"),
    (segment, "segment"),
    (strange_type, "number 99"),
    (untyped_input, "without a type"),
    (sequence_input, "sequence_type"),
    (negative_input, "outside 0.."),
    (unknown_domain, "no opset of domain 'evil.example'"),
    (unknown_domain_imported, "isn't supported"),
    (old_opset, "opset 8"),
    (future_opset, "opset 1000"),
    (opset_twice, "two versions"),
    (future_format, "IR version"),
    (no_graph, "no graph"),
    (overload, "overloaded"),
    (reference, "refers to a function"),
    (attribute_twice, "given twice"),
    (untyped_attribute, "kind that isn't supported"),
    (unknown_operator, "Frobnicate (positive): this operator isn't supported"),
    (nameless_operator, "this operator isn't supported"),
    (long_name, "longer than"),
    (long_attribute, "longer than"),
]
