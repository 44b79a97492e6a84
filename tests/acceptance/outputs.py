"""A reply's outputs beside what ONNX Runtime computes from the same file and input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

#: How far apart numbers may be, as a part of the output's largest one.
TOLERANCE = 1e-5

_WORDS = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}


def expected(content: bytes, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Outputs by name; maps stay lists of {label: number}."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(inputs)), strict=True))


def assert_lists_agree(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """The nested lists of a reply against arrays or maps."""
    assert set(given) == set(wanted)
    for name, output in wanted.items():
        if isinstance(output, list):
            labels = list(output[0])
            assert [list(row) for row in given[name]] == [list(map(str, row)) for row in output]
            rows = [[row[str(label)] for label in labels] for row in given[name]]
            assert_close(_numbers(rows), np.array([[row[k] for k in labels] for row in output]))
        elif output.dtype.kind in "OUS":
            assert given[name] == output.tolist()
        else:
            assert_close(_numbers(given[name]).reshape(np.shape(given[name])), output)


def assert_file_agrees(path: Path, wanted: Mapping[str, Any]) -> None:
    """An .npz of outputs against arrays or maps; maps have an array per label."""
    with np.load(path, allow_pickle=False) as given:
        names = set(given)
        for name, output in wanted.items():
            if isinstance(output, list):
                for label in output[0]:
                    names.remove(f"{name}/{label}")
                    assert_close(given[f"{name}/{label}"], np.array([r[label] for r in output]))
            elif output.dtype.kind in "OUS":
                names.remove(name)
                assert given[name].tolist() == output.tolist()
            else:
                names.remove(name)
                assert given[name].dtype == output.dtype
                assert_close(given[name], output)
        assert not names


def assert_close(given: np.ndarray, wanted: np.ndarray) -> None:
    """Numbers agree to a part of the largest; integers and truth values are equal."""
    assert given.shape == wanted.shape
    if wanted.dtype.kind in "iub":
        assert np.array_equal(given, wanted)
        return
    finite = wanted[np.isfinite(wanted)]
    largest = max(float(np.abs(finite).max()) if finite.size else 0.0, 1e-30)
    np.testing.assert_allclose(given, wanted, rtol=0, atol=TOLERANCE * largest)


def _numbers(nested: Any) -> np.ndarray:
    """Nested lists as an array, with the words for what JSON has no number for."""
    if isinstance(nested, list):
        return np.array([_numbers(part) for part in nested])
    return np.asarray(_WORDS[nested] if isinstance(nested, str) else nested)
