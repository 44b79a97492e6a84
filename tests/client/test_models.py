from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from synnergy import tensor
from synnergy.client.failures import ClientError
from synnergy.client.models import MAX_NODES, read_model

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)


def model_with(initializers, nodes=None, functions=()) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes or [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        initializers,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=8)


def external(location: str, **entries: str) -> onnx.TensorProto:
    entry = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 2])
    entry.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        entry.external_data.add(key=key, value=value)
    return entry


def save(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def refused(path: Path) -> str:
    with pytest.raises(ClientError) as bad:
        read_model(path)
    assert bad.value.code == "bad_model_file"
    return bad.value.message


def test_a_plain_file_is_taken_byte_for_byte(tmp_path: Path) -> None:  # CLIENT-11
    model = model_with([numpy_helper.from_array(WEIGHTS, "w")])
    # Fields out of order and an unknown one: a file that re-serialising would change.
    content = model.SerializeToString() + b"\xfa\x3e\x01x"
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert read_model(path) == content


def test_external_data_is_embedded(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(b"head" + WEIGHTS.tobytes() + b"tail")
    entry = external("./data/w.bin", offset="4", length=str(WEIGHTS.nbytes))
    embedded = read_model(save(tmp_path / "m.onnx", model_with([entry])))
    ones = np.ones((1, 3), np.float32)
    outputs = tensor.load(embedded).run({"x": ones})
    assert np.array_equal(outputs["y"], ones @ WEIGHTS)
    assert read_model(tmp_path / "m.onnx") == embedded
    (tmp_path / "again.onnx").write_bytes(embedded)
    assert read_model(tmp_path / "again.onnx") == embedded


def test_external_data_in_attributes_and_subgraphs(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    constant = helper.make_node("Constant", [], ["w"])
    attribute = constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
    attribute.t.CopyFrom(external("w.bin"))
    nodes = [constant, helper.make_node("MatMul", ["x", "w"], ["y"])]
    embedded = read_model(save(tmp_path / "m.onnx", model_with([], nodes)))
    assert WEIGHTS.tobytes() in embedded and b"w.bin" not in embedded


@pytest.mark.parametrize(
    "location",
    [
        "../secret",
        "data/../../secret",
        "/etc/passwd",
        "\\\\host\\share",
        "..\\secret",
        "C:/secret",
        "C:\\secret",
        "",
        "data//x",
        "missing.bin",
        ".",
        "link",
        "linked/secret",
    ],
)
def test_data_outside_the_folder_is_never_read(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret").write_bytes(WEIGHTS.tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "linked").symlink_to(tmp_path)
    message = refused(save(folder / "m.onnx", model_with([external(location)])))
    assert "'w'" in message


@pytest.mark.parametrize(
    "entries",
    [
        {"offset": "-1"},
        {"offset": "9" * 30},
        {"length": "10000"},
        {"length": "x"},
        {"offset": "1", "length": "24"},
        {"offset": "²"},
    ],
)
def test_offsets_and_lengths_stay_inside_the_file(tmp_path: Path, entries: dict[str, str]) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    refused(save(tmp_path / "m.onnx", model_with([external("w.bin", **entries)])))


def test_one_data_file_cannot_be_taken_a_thousand_times(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(1 << 20))
    many = [external("w.bin") for _ in range(300)]
    assert "above" in refused(save(tmp_path / "m.onnx", model_with(many)))


def local_function(name: str, calls: list[str]) -> onnx.FunctionProto:
    """A function that passes its input through others, one after the other."""
    steps = ["a", *(f"t{index}" for index in range(len(calls) - 1)), "b"]
    nodes = [
        helper.make_node(call, [source], [target], domain="" if call == "Relu" else "local")
        for call, source, target in zip(calls, steps, steps[1:], strict=False)
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, ["a"], ["b"], nodes, opsets)


def test_local_functions_are_inlined(tmp_path: Path) -> None:
    functions = [local_function("Twice", ["Relu", "Relu"])]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Twice", ["z"], ["y"], domain="local"),
    ]
    model = model_with([numpy_helper.from_array(WEIGHTS, "w")], nodes, functions)
    path = save(tmp_path / "m.onnx", model)
    inlined = read_model(path)
    assert not onnx.load_from_string(inlined).functions
    assert hashlib.sha256(read_model(path)).digest() == hashlib.sha256(inlined).digest()
    tensor.load(inlined)


def test_functions_that_double_at_every_level_are_counted_first(tmp_path: Path) -> None:
    functions = [local_function("f0", ["Relu", "Relu"])]
    functions += [local_function(f"f{n}", [f"f{n - 1}", f"f{n - 1}"]) for n in range(1, 60)]
    nodes = [helper.make_node("f59", ["x"], ["y"], domain="local")]
    message = refused(save(tmp_path / "m.onnx", model_with([], nodes, functions)))
    assert str(MAX_NODES) in message


def test_functions_that_call_themselves_are_refused(tmp_path: Path) -> None:
    functions = [local_function("f", ["g", "g"]), local_function("g", ["f", "f"])]
    nodes = [helper.make_node("f", ["x"], ["y"], domain="local")]
    message = refused(save(tmp_path / "m.onnx", model_with([], nodes, functions)))
    assert "calls itself" in message


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\xff" * 100)
    refused(path)
    refused(tmp_path / "missing.onnx")
    with pytest.raises(ClientError):
        read_model(tmp_path)
