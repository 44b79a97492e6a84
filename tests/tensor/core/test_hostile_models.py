"""TENSOR-30 to TENSOR-33: what a model file must not do; no bytes can break the loader."""

from __future__ import annotations

import time

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from synnergy.tensor import LEDGER_LIMITS, Limits, Unsupported, load
from synnergy.tensor.loader import parse
from synnergy.tensor.wire_scan import scan
from tests.tensor.core.building import model, random_bytes, value_info
from tests.tensor.core.hostile_edits import CASES, Edit, edited, external, plain, training


def reasons(proto: onnx.ModelProto | bytes, limits: Limits | None = None) -> str:
    data = proto if isinstance(proto, bytes) else proto.SerializeToString()
    with pytest.raises(Unsupported) as caught:
        load(data, limits or Limits())
    assert caught.value.problems
    return str(caught.value)


def test_the_plain_model_loads() -> None:
    assert load(plain().SerializeToString()).outputs == ("y",)


@pytest.mark.parametrize(("edit", "reason"), CASES, ids=[edit.__name__ for edit, _ in CASES])
def test_refused_with_its_reason(edit: Edit, reason: str) -> None:
    assert reason in reasons(edited(edit))


def test_text_that_is_not_utf8_is_refused() -> None:
    data = plain().SerializeToString()
    assert "UTF-8" in reasons(data.replace(b"product", b"prod\xff\xfet"))
    assert "UTF-8" in reasons(data.replace(b"Relu", b"\xff\xfe\xfd\xfc"))
    strings = helper.make_tensor("s", TensorProto.STRING, [1], [b"\xff"])
    proto = edited(lambda m: m.graph.initializer.append(strings))
    assert "UTF-8" in reasons(proto)


def test_every_problem_is_named_at_once() -> None:
    proto = plain()
    external(proto)
    training(proto)
    unknown = helper.make_node("Frobnicate", ["x"], ["z"], name="third")
    proto.graph.node.append(unknown)
    message = reasons(proto)
    assert "outside the file" in message
    assert "training" in message
    several = plain()
    for index in range(3):
        node = helper.make_node(f"Unknown{index}", ["x"], [f"z{index}"], name=f"n{index}")
        several.graph.node.append(node)
        several.graph.node.append(helper.make_node("Relu", [f"z{index}"], [f"q{index}"]))
    several.graph.node.append(helper.make_node("MatMul", ["x", "x"], ["bad"], name="mismatch"))
    with pytest.raises(Unsupported) as caught:
        load(several.SerializeToString())
    names = [problem.node for problem in caught.value.problems]
    assert names == ["n0", "n1", "n2", "mismatch"]


def nested(depth: int) -> onnx.GraphProto:
    """A graph whose If holds a graph whose If holds … `depth` graphs in all."""
    inner = helper.make_graph(
        [helper.make_node("Identity", ["x"], [f"r{depth}"])],
        f"g{depth}",
        [],
        [helper.make_tensor_value_info(f"r{depth}", 1, None)],
    )
    for level in range(depth - 1, 0, -1):
        branch = helper.make_node("If", ["c"], [f"r{level}"], then_branch=inner, else_branch=inner)
        output = helper.make_tensor_value_info(f"r{level}", 1, None)
        inner = helper.make_graph([branch], f"g{level}", [], [output])
    return inner


@pytest.mark.parametrize("depth", [1, 4, 5, 9])
def test_graphs_nest_four_deep_at_most(depth: int) -> None:
    graph = nested(depth)
    graph.input.extend([value_info("x", np.float32, [1]), value_info("c", np.bool_, [])])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if depth <= 4:
        parse(proto.SerializeToString())
    else:
        assert "nest deeper" in reasons(proto)


def test_a_subgraph_cannot_use_what_its_own_node_computes() -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["y"], ["r"])], "b", [], [value_info("r", np.float32, [1])]
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    kinds = {"c": (np.bool_, [])}
    assert "'y' isn't defined before it" in reasons(model([node], kinds, ["y"]))


def test_limits_on_bytes_nodes_and_items() -> None:
    data = plain().SerializeToString()
    assert "above the limit" in reasons(data, Limits(model_bytes=len(data) - 1))
    assert "more than 1 nodes" in reasons(data, Limits(nodes=1))
    assert "more than 4 fields" in reasons(data, Limits(fields=4))
    many = edited(lambda m: m.graph.node[1].attribute.append(helper.make_attribute("a", [1] * 9)))
    assert "more than 8 items" in reasons(many, Limits(attribute_items=8))
    assert "at once" in reasons(data, Limits(memory=20))


def test_a_large_result_is_refused_by_shape_alone() -> None:
    nodes = [
        helper.make_node("Expand", ["x", "shape"], ["y"]),
        helper.make_node("Expand", ["x", "huge"], ["z"]),
    ]
    weights = {"shape": np.array([2**27]), "huge": np.array([2**40])}
    proto = model(nodes, {"x": (np.float32, [1])}, ["y", "z"], weights)
    assert "limit" in reasons(proto)


def test_constant_folding_is_capped() -> None:
    """A chain of constants that would double 60 times is never computed."""
    nodes = [helper.make_node("Concat", ["c0", "c0"], ["c1"], axis=0)]
    for level in range(1, 60):
        name = f"c{level}"
        nodes.append(helper.make_node("Concat", [name, name], [f"c{level + 1}"], axis=0))
    proto = model(nodes, {}, ["c60"], {"c0": np.zeros(1, np.float32)})
    assert "limit" in reasons(proto, LEDGER_LIMITS)
    few = model(nodes[:20], {}, ["c20"], {"c0": np.zeros(1, np.float32)})
    limits = Limits(folded_work=1 << 12)
    plan = load(few.SerializeToString(), limits)
    specialised = plan.specialise({})
    assert 0 < sum(array.size for array in specialised.constants.values()) <= 1 << 12
    assert plan.run({})["c20"].shape == (2**20,)


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("Conv", {"pads": [2**20] * 4, "strides": [2**20] * 2}),
        ("ConvTranspose", {"strides": [2**20] * 2, "pads": [2**18] * 4}),
        ("ConvTranspose", {"strides": [2**20] * 2, "output_shape": [1, 1]}),
        ("ConvTranspose", {"output_shape": [2**40, 2**40]}),
        ("MaxPool", {"kernel_shape": [1, 1], "pads": [2**20] * 4, "strides": [2**20] * 2}),
        ("AveragePool", {"kernel_shape": [2**20] * 2, "pads": [2**20] * 4}),
        ("AveragePool", {"kernel_shape": [2**40] * 2}),
        ("LpPool", {"kernel_shape": [2, 2], "dilations": [2**40] * 2}),
    ],
)
def test_padding_and_strides_cannot_fill_memory(
    operator: str, attributes: dict[str, list[int]]
) -> None:
    inputs = ["x"] if "Pool" in operator else ["x", "w"]
    node = helper.make_node(operator, inputs, ["y"], **attributes)
    kinds = {"x": (np.float32, [1, 1, 9, 9]), "w": (np.float32, [1, 1, 2, 2])}
    assert reasons(model([node], kinds, ["y"], opset=19))


def bomb(count: int) -> bytes:
    """A model of two-byte nodes: a graph field holding `count` empty messages."""
    body = b"\x0a\x00" * count
    length = len(body)
    varint = b""
    while length > 127:
        varint += bytes([length & 127 | 128])
        length >>= 7
    return b"\x3a" + varint + bytes([length]) + body


def test_empty_messages_cannot_fill_memory() -> None:
    assert "more than 90000 fields" in reasons(bomb(90_000), Limits(fields=90_000))
    for most in (1000, 1001, 1002):
        counted = scan(bomb(1000), most)
        assert counted.fields == 1001


def test_deep_messages_are_refused() -> None:
    data = b""
    for _ in range(300):
        inner = b"\x32" + bytes([min(len(data), 127)]) + data[:127]
        data = b"\x2a" + bytes([min(len(inner), 127)]) + inner[:127]
    with pytest.raises(Unsupported):
        parse(b"\x3a\x7f" + data[:127])


def test_ten_thousand_refused_nodes_take_no_quadratic_time() -> None:
    proto = plain()
    for index in range(9000):
        proto.graph.node.append(helper.make_node("Unknown", ["x"], [f"z{index}"]))
    with pytest.raises(Unsupported) as caught:
        load(proto.SerializeToString())
    assert len(caught.value.problems) == 9000


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Unsupported):
        load(data)


VALID = plain().SerializeToString()


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_a_damaged_model_loads_or_is_refused(data: st.DataObject) -> None:
    damaged = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        action = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if action == "set":
            damaged[position] = data.draw(st.integers(0, 255))
        elif action == "cut":
            del damaged[position]
        else:
            damaged[position:position] = data.draw(st.binary(min_size=1, max_size=4))
    try:
        load(bytes(damaged))
    except Unsupported as error:
        assert error.problems


ATTRIBUTES = [-1, 0, 2**62, -(2**63), 1.5, float("nan"), "text", b"\xff", [], [0], [-1, 2**40]]


OPERATORS = (
    "BatchNormalization BitShift Cast Clip Conv ConvTranspose Dropout Elu Gelu Gemm "
    "GroupNormalization Hardmax LRN LayerNormalization LpNormalization LpPool MaxPool "
    "AveragePool MeanVarianceNormalization Mod Softmax"
)


@pytest.mark.parametrize("operator", sorted(OPERATORS.split()))
def test_strange_attributes_and_inputs_are_refused_not_fatal(operator: str) -> None:
    names = ["axis", "axes", "to", "kernel_shape", "pads", "strides", "dilations", "group", "p"]
    names += ["num_groups", "size", "alpha", "epsilon", "auto_pad", "output_shape", "transA"]
    kinds = {f"x{i}": (np.float32, [2] * rank) for i, rank in enumerate((2, 4, 1, 0, 3))}
    for index, name in enumerate(names):
        for value in ATTRIBUTES:
            attribute = helper.make_attribute(name, value) if value != [] else None
            inputs = list(kinds)[index % 3 :][: 1 + index % 3]
            node = helper.make_node(operator, inputs, ["y"])
            if attribute is not None:
                node.attribute.append(attribute)
            try:
                plan = load(model([node], kinds, ["y"], opset=24).SerializeToString())
            except Unsupported:
                continue
            arrays = {key: np.ones(shape, np.float32) for key, (_, shape) in kinds.items()}
            plan.execute(arrays)


def test_random_bytes_after_a_valid_start() -> None:
    started = time.process_time()
    for seed in range(200):
        with pytest.raises(Unsupported):
            load(VALID[: seed % len(VALID)] + random_bytes(str(seed), 200))
    assert time.process_time() - started < 60  # no bytes take long: far above what it needs
