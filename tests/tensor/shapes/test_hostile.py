"""Whatever stands in a node, it is refused in words or runs to the promised types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synnergy.tensor.operators.arguments import dtype_name
from synnergy.tensor.operators.registry import OPERATORS
from synnergy.tensor.types import DTYPES, Array, BadInput, Node, Refuse, TensorType, Value

from .oracle import Names, infer, known, make, unknown
from .seeds import SEEDS, Seed

ATTRIBUTES = {
    "activation_alpha", "activation_beta", "activations", "allowzero", "antialias", "auto_pad",
    "axes", "axis", "batch_axis", "batch_dims", "block_size", "blocksize", "body", "clip",
    "coordinate_transformation_mode", "cubic_coeff_a", "dilations", "direction", "dtype",
    "else_branch", "end", "ends", "equation", "exclude_outside", "exclusive",
    "extrapolation_value", "group", "hidden_size", "input_forget", "interleaved", "is_causal", "k",
    "keep_aspect_ratio_policy", "keepdims", "kernel_shape", "kv_num_heads", "largest", "layout",
    "linear_before_reset", "mode", "nearest_mode", "noop_with_empty_axes", "num_heads",
    "num_outputs", "num_scan_inputs", "output_dtype", "pads", "perm", "q_num_heads",
    "qk_matmul_output_mode", "reduction", "reverse", "rotary_embedding_dim", "scale",
    "scan_input_axes", "scan_output_directions", "select_last_index", "softcap", "sorted", "split",
    "start", "starts", "stash_type", "strides", "then_branch", "time_axis", "upper", "value",
    "alpha", "center_point_box", "ignore_index", "inverse", "onesided", "output_datatype",
    "output_height", "padding_mode", "sampling_ratio", "score_mod", "to", "update_rule",
    "value_float", "value_int", "value_ints", "value_strings",
}  # fmt: skip
WORDS = ["constant", "reflect", "wrap", "linear", "cubic", "add", "max", "DCR", "CRD", "reverse"]
WORDS += ["bidirectional", "Tanh", "ij,jk->ik", "...i->...", "", "å", "x" * 100]
INTEGERS = st.one_of(
    st.integers(-5, 9), st.sampled_from([2**63 - 1, -(2**63), 2**31, -(2**31), 1 << 28, 10**6])
)
FLOATS = st.sampled_from([0.0, -0.0, 0.5, -1.0, float("nan"), float("inf"), 3e38])
CHANGES = ["attribute", "attribute", "input", "mask", "opset", "outputs"]
DTYPE_NAMES = st.sampled_from(sorted(DTYPES))
VALUES = st.one_of(
    INTEGERS,
    FLOATS,
    st.sampled_from(WORDS),
    st.just(b"\xff"),
    st.lists(INTEGERS, max_size=5),
    st.lists(FLOATS, max_size=3),
    st.lists(st.sampled_from(WORDS), max_size=3),
    st.just(np.zeros((2, 2), np.float32)),
    st.just(np.array([7], np.int64)),
)


@st.composite
def arrays(draw: st.DrawFn) -> Array:
    dtype = draw(st.one_of(st.sampled_from(["float32", "int64", "bool"]), DTYPE_NAMES))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    if dtype == "string":
        result = np.empty(shape, object)
        result[...] = "x"
        return result
    size = int(np.prod(shape))
    if DTYPES[dtype].kind == "i":
        items = draw(st.lists(st.integers(-3, 5), min_size=size, max_size=size))
        return np.array(items, DTYPES[dtype]).reshape(shape)
    return np.arange(size).reshape(shape).astype(DTYPES[dtype])


def outcome(node: Node, inputs: list[Array | None], mask: list[bool]) -> str:
    """ "refused", "bad" or "ran"; any other exception is a failure of the operator."""
    operator = OPERATORS[node.domain, node.operator]
    values: list[Value | None] = [
        None if array is None else known(array) if const else unknown(array)
        for array, const in zip(inputs, mask, strict=True)
    ]
    named = [pair for pair in zip(node.inputs, values, inputs, strict=True) if pair[0]]
    scope = Names({name: value for name, value, _ in named})
    try:
        types = operator.infer(node, values, scope)
        work = operator.work(node, values, types, scope)
    except Refuse:
        return "refused"
    assert all(isinstance(part, int) and part >= 0 for part in (work.macs, work.elements))
    assert len(types) >= len(node.outputs)
    if sum(kind.elements for kind in types) > 1 << 16:
        return "large"
    try:
        results = operator.run(node, inputs, Names({name: array for name, _, array in named}))
    except BadInput:
        return "bad"
    for result, kind in zip(results, types, strict=True):
        assert isinstance(kind, TensorType)
        assert (dtype_name(result), result.shape) == (kind.dtype, kind.shape)
    return "ran"


@st.composite
def mutants(draw: st.DrawFn, seed: Seed) -> tuple[Node, list[Array | None], list[bool]]:
    """The seed with one to three things changed."""
    inputs, mask, attributes = list(seed.inputs), seed.mask(), dict(seed.attributes)
    opset, outputs = seed.opset, seed.outputs
    for _ in range(draw(st.integers(1, 3))):
        change = draw(
            st.sampled_from(["attribute", "attribute", "input", "mask", "opset", "outputs"])
        )
        if change == "attribute":
            names = sorted(ATTRIBUTES | set(attributes))
            likely = st.sampled_from(sorted(attributes)) if attributes else st.nothing()
            attributes[draw(st.one_of(likely, st.sampled_from(names)))] = draw(VALUES)
        elif change == "input" and inputs:
            place = draw(st.integers(0, len(inputs)))
            array = draw(st.one_of(st.none(), arrays(), arrays()))
            if place == len(inputs):
                inputs.append(array)
                mask.append(True)
            else:
                inputs[place] = array
        elif change == "mask" and inputs:
            place = draw(st.integers(0, len(inputs) - 1))
            mask[place] = not mask[place]
        elif change == "opset":
            opset = draw(st.integers(max(9, OPERATORS[seed.domain, seed.operator].since), 28))
        elif change == "outputs":
            outputs = draw(st.integers(0, 4))
    changed = Seed(
        seed.operator, tuple(inputs), attributes, outputs, opset, seed.known, seed.domain
    )
    return changed.node(), inputs, mask


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.operator)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_but_a_refusal(seed: Seed, data: st.DataObject) -> None:
    """SHAPE-1"""
    with np.errstate(all="ignore"):
        outcome(*data.draw(mutants(seed)))


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


X = np.zeros((2, 3), np.float32)
HUGE: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("ConstantOfShape", [ints(1 << 40, 1 << 40)], {}),
    ("ConstantOfShape", [ints(0, 1 << 40)], {}),
    ("ConstantOfShape", [ints(*[1] * 33)], {}),
    ("Expand", [X, ints(1 << 27, 2, 3)], {}),
    ("Tile", [X, ints(1 << 62, 1 << 62)], {}),
    ("Pad", [X, ints(1 << 62, 0, 1 << 62, 0)], {}),
    ("Pad", [X, ints(-(1 << 62), 0, 1 << 62, 0)], {"mode": "wrap"}),
    ("OneHot", [ints(1), ints(1 << 40), ints(0, 1)], {}),
    ("Range", [np.array(0), np.array(2**63 - 1), np.array(1)], {}),
    ("Range", [np.array(0.0), np.array(1e30), np.array(1e-30)], {}),
    ("Range", [np.array(0), np.array(5), np.array(0)], {}),
    ("Range", [np.array(0.0), np.array(np.nan), np.array(1.0)], {}),
    ("Gather", [np.zeros((1 << 14, 1), np.float32), np.zeros((1 << 15,), np.int64)], {"axis": 1}),
    ("Unsqueeze", [X, ints(*range(40))], {}),
    ("Reshape", [X, ints(-1, -1)], {}),
    ("Reshape", [X, ints(2**62, 2**62)], {}),
    ("Einsum", [np.zeros(1 << 15, np.float32)] * 2, {"equation": "i,j->ij"}),
    ("Einsum", [np.zeros((1 << 10, 2), np.float32)] * 3, {"equation": "ia,jb,kc->i"}),
    ("Resize", [X, None, np.array([1e30, 1], np.float32)], {}),
    ("Resize", [X, None, np.array([np.nan, 1], np.float32)], {}),
    ("Resize", [X, None, None, ints(1 << 40, 1)], {}),
    ("TopK", [X, ints(4)], {}),
    ("Split", [X, ints(-1, 3)], {}),
    ("DepthToSpace", [np.zeros((1, 4, 1, 1), np.float32)], {"blocksize": 1 << 40}),
]


@pytest.mark.parametrize(("name", "inputs", "attributes"), HUGE)
def test_huge_shapes_are_refused(
    name: str, inputs: list[Array | None], attributes: dict[str, Any]
) -> None:
    """SHAPE-1"""
    outputs = 2 if name in ("TopK", "Split") else 1
    proto = make(name, inputs, attributes, outputs)
    limit = {"Einsum"}
    if name in limit and attributes["equation"] == "ia,jb,kc->i":
        infer(proto, inputs, 18, range(len(inputs)))  # j, b and k, c are summed before any product
        return
    with pytest.raises(Refuse):
        infer(proto, inputs, 18, range(len(inputs)))


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("Reshape", [X, ints(3, 2)]),
        ("Expand", [X, ints(2, 2, 3)]),
        ("Slice", [X, ints(0), ints(1)]),
        ("Pad", [X, ints(0, 0, 1, 1)]),
        ("NonZero", [X]),
        ("Unique", [X]),
        ("ConstantOfShape", [ints(2)]),
        ("Squeeze", [X[:1], ints(0)]),
        ("ReduceSum", [X, ints(0)]),
    ],
)
def test_a_shape_from_unknown_values_is_refused(name: str, inputs: list[Array | None]) -> None:
    """SHAPE-2"""
    with pytest.raises(Refuse, match="aren't known before running"):
        infer(make(name, inputs), inputs, 18)
