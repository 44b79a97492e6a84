"""The committed modules belong to the committed sources."""

from __future__ import annotations

import hashlib

import pytest

from synnergy.tensor.kernels.selection import RECORD, VECTORS, known_vectors


@pytest.mark.skipif(not RECORD.exists(), reason="no kernels are recorded in this tree")
def test_sources_and_modules_are_those_recorded() -> None:
    folder = RECORD.parent
    lines = [line.split("  ") for line in RECORD.read_text("utf-8").splitlines()]
    named = {name: digest for digest, name in lines}
    files = [*sorted((folder / "c").iterdir()), *sorted(folder.glob("*.wasm"))]
    assert named == {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }, "run `make kernels`"


@pytest.mark.skipif(not RECORD.exists(), reason="no kernels are recorded in this tree")
def test_there_are_vectors_of_many_operators() -> None:
    assert VECTORS.exists()
    names = [vector.name.split("/")[0] for vector in known_vectors()]
    assert len(names) > 100
    assert {"MatMul", "Gemm", "Conv", "Softmax", "ReduceSum", "Exp", "Cast"} <= {*names}
