"""Whatever stands in a node's attributes, it is refused in words or runs to the promised types."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synnergy.tensor.operators.registry import OPERATORS
from synnergy.tensor.types import BadInput, Refuse
from tests.tensor.ml.oracle import run_node, values_of
from tests.tensor.ml.seeds import SEEDS, Seed, node_of

OWN = [key for key, operator in OPERATORS.items() if ".ml_" in operator.run.__module__]
INTEGERS = st.one_of(
    st.integers(-3, 9), st.sampled_from([2**63 - 1, -(2**63), 2**31, -(2**31), 1 << 40, 10**6])
)
FLOATS = st.sampled_from([0.0, -0.0, 0.5, -1.0, float("nan"), float("inf"), -float("inf"), 3e38])
WORDS = st.sampled_from(
    [
        "",
        "LEAF",
        "BRANCH_EQ",
        "SOFTMAX",
        "LOGISTIC",
        "MAX",
        "UPPER",
        "TF",
        "a",
        "å",
        "x" * 99,
        "(",
        "\\",
    ]
)
VALUES = st.one_of(
    INTEGERS,
    FLOATS,
    WORDS,
    st.just(b"\xff"),
    st.none(),
    st.lists(INTEGERS, max_size=6),
    st.lists(FLOATS, max_size=6),
    st.lists(WORDS, max_size=6),
    st.lists(st.just(b"\xff"), max_size=2),
    st.sampled_from(
        [
            np.zeros((2, 2), np.float32),
            np.array([7], np.int64),
            np.array([np.nan, 1.0]),
            np.array([], np.float32),
            np.array([1, 6], np.uint8),
            np.array(["a", "b"], object),
        ]
    ),
)


@st.composite
def mutations(draw: st.DrawFn, seed: Seed) -> dict[str, Any]:
    """The seed's attributes with a few of them replaced, dropped, or changed in one place."""
    attributes = dict(seed.attributes)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(attributes) or ["norm"]))
        value = attributes.get(name)
        how = draw(st.sampled_from(["replace", "drop", "element", "element", "shorten", "repeat"]))
        if how == "drop":
            attributes.pop(name, None)
        elif how == "replace" or not isinstance(value, list) or not value:
            attributes[name] = draw(VALUES)
        elif how == "shorten":
            attributes[name] = value[: draw(st.integers(0, len(value)))]
        elif how == "repeat":
            attributes[name] = value * draw(st.integers(0, 3))
        else:
            changed = list(value)
            kinds = {int: INTEGERS, float: FLOATS, str: WORDS}
            place = draw(st.integers(0, len(changed) - 1))
            changed[place] = draw(kinds.get(type(changed[place]), WORDS))
            attributes[name] = changed
    return {name: value for name, value in attributes.items() if value is not None}


def test_every_operator_of_the_family_has_a_seed() -> None:
    seeded = {(seed.domain, seed.operator) for seed in SEEDS.values()}
    refused = {("ai.onnx.ml", "DictVectorizer"), ("ai.onnx.ml", "CastMap")}
    assert {key for key in OWN if key not in refused} == seeded


@pytest.mark.parametrize("name", SEEDS)
def test_seeds_run(name: str) -> None:
    outputs, work = run_node(node_of(SEEDS[name]), list(SEEDS[name].inputs))
    assert len(outputs) == SEEDS[name].outputs
    assert work.macs + work.elements + work.functions > 0


@pytest.mark.parametrize("name", SEEDS)
def test_mutated_attributes_are_refused_or_run(name: str) -> None:
    # ML-1
    seed = SEEDS[name]

    @given(mutations(seed))
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def check(attributes: dict[str, Any]) -> None:
        node = node_of(seed, attributes)
        operator = OPERATORS[(seed.domain, seed.operator)]
        try:
            operator.infer(node, values_of(list(seed.inputs)), None)
        except Refuse as refusal:
            assert str(refusal)
            return
        try:
            run_node(node, list(seed.inputs))
        except BadInput as problem:
            assert str(problem)

    check()


SHAPES: list[tuple[int, ...]] = [(), (0,), (3,), (0, 3), (1, 3), (2, 0), (2, 3, 1), (0, 0)]


@pytest.mark.parametrize("name", SEEDS)
def test_other_inputs_are_refused_or_run(name: str) -> None:
    # ML-2: other shapes, no rows, other element types, missing inputs
    seed = SEEDS[name]
    node = node_of(seed)
    operator = OPERATORS[(seed.domain, seed.operator)]
    dtypes = ["float32", "float64", "int32", "int64", "bool", "object", "uint8", "float16"]
    for dtype in dtypes:
        for shape in SHAPES:
            x = np.full(shape, "a" if dtype == "object" else 1, dtype)
            inputs: list[Any] = [x, *seed.inputs[1:]]
            try:
                operator.infer(node, values_of(inputs), None)
            except Refuse:
                continue
            try:
                run_node(node, inputs)
            except BadInput:
                continue
    for inputs in ([], [None] * len(seed.inputs)):
        with pytest.raises(Refuse):
            operator.infer(node, values_of(inputs), None)


STRANGE = [np.nan, np.inf, -np.inf, -0.0, 0.0, 3.4e38, -3.4e38, 1e-45]


@pytest.mark.parametrize(
    "name", [name for name in SEEDS if SEEDS[name].inputs[0].dtype.kind == "f"]
)
def test_strange_numbers_run_and_repeat(name: str) -> None:
    seed = SEEDS[name]
    rng = np.random.default_rng(0)
    x = rng.choice(STRANGE, size=(50, 3)).astype(seed.inputs[0].dtype)
    inputs = [x, *(x if i.dtype.kind == "f" else i for i in seed.inputs[1:])]
    first, _ = run_node(node_of(seed), inputs)
    again, _ = run_node(node_of(seed), inputs)
    for a, b in zip(first, again, strict=True):
        assert a.tolist() == b.tolist() or a.tobytes() == b.tobytes()
    half, _ = run_node(node_of(seed), [i[:7] if len(i) == 50 else i for i in inputs])
    for a, b in zip(first, half, strict=True):
        assert a[: len(b)].tobytes() == b.tobytes() or a[: len(b)].tolist() == b.tolist()


def test_checking_a_large_broken_forest_is_cheap() -> None:
    # ML-30: a ladder that is walked again at each level would take a quarter of 10^10 steps
    count = 100_000
    nodes = np.arange(count)
    attributes: dict[str, Any] = {
        "n_targets": 1,
        "nodes_treeids": [0] * count,
        "nodes_nodeids": nodes.tolist(),
        "nodes_modes": ["BRANCH_LEQ"] * (count - 1) + ["LEAF"],
        "nodes_featureids": [0] * count,
        "nodes_values": [0.0] * count,
        "nodes_truenodeids": np.minimum(nodes + 1, count - 1).tolist(),
        "nodes_falsenodeids": np.minimum(nodes + 7, count - 1).tolist(),
        "target_treeids": [0],
        "target_nodeids": [count - 1],
        "target_ids": [0],
        "target_weights": [1.0],
    }
    seed = SEEDS["TreeEnsembleRegressor"]
    operator = OPERATORS[(seed.domain, seed.operator)]
    with pytest.raises(Refuse, match="comparisons"):
        operator.infer(node_of(seed, attributes), values_of(list(seed.inputs)), None)


def test_memory_is_bounded_by_chunks() -> None:
    # 40 vectors × 200,000 rows of kernel values would be 32 MB at once, several times over
    seed = SEEDS["SVMRegressor"]
    vectors = 400
    attributes = {
        **seed.attributes,
        "n_supports": vectors,
        "support_vectors": [0.5] * (3 * vectors),
        "coefficients": [0.25] * vectors,
    }
    x = np.ones((20_000, 3), np.float32)
    tracemalloc.start()
    run_node(node_of(seed, attributes), [x])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20
