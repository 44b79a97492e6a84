from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.outputs import decode_outputs, to_lists, write_outputs
from synnergy.tensor.encoding import NamedTensor, encode_tensors
from synnergy.tensor.types import MapsType, TensorType


def texts(*values: str) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


OUTPUTS: list[NamedTensor] = [
    ("label", TensorType("string", (2,)), texts("a", "b")),
    ("score", TensorType("float32", (2, 2)), np.array([[1, np.nan], [np.inf, -np.inf]], "f4")),
    ("probability", MapsType("float32", 2, ("a", "b")), np.array([[1, 0], [0.5, 0.5]], "f4")),
    ("by class", MapsType("float32", 1, (3, 7)), np.array([[0.25, np.nan]], "f4")),
    ("ok", TensorType("bool", ()), np.array(True)),
]


def test_lists_and_maps() -> None:  # CLIENT-14
    shown = to_lists(decode_outputs(encode_tensors(OUTPUTS)))
    assert shown["label"] == ["a", "b"]
    assert shown["score"] == [[1.0, "NaN"], ["Infinity", "-Infinity"]]
    assert shown["probability"] == [{"a": 1.0, "b": 0.0}, {"a": 0.5, "b": 0.5}]
    assert shown["by class"] == [{"3": 0.25, "7": "NaN"}]
    assert shown["ok"] is True
    json.dumps(shown, allow_nan=False)


def test_an_npz_has_an_array_for_each_label(tmp_path: Path) -> None:
    write_outputs(tmp_path / "o.npz", OUTPUTS)
    with np.load(tmp_path / "o.npz", allow_pickle=False) as read:
        assert read["label"].tolist() == ["a", "b"]
        assert read["probability/b"].tolist() == [0.0, 0.5]
        assert math.isnan(read["by class/7"][0])
        assert read["score"].dtype == np.float32
        assert read["ok"].item() is True


def test_json_files(tmp_path: Path) -> None:
    write_outputs(tmp_path / "o.json", OUTPUTS)
    assert json.loads((tmp_path / "o.json").read_text()) == to_lists(OUTPUTS)


def test_other_files_are_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(WrongUse):
        write_outputs(tmp_path / "o.pkl", OUTPUTS)


def test_damaged_outputs_are_refused() -> None:
    with pytest.raises(ClientError):
        decode_outputs(encode_tensors(OUTPUTS)[:-1])
