"""Which build runs: the fastest that gives the recorded answers. TENSOR-61, TENSOR-62"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from synnergy.tensor import load
from synnergy.tensor.kernels import selection
from synnergy.tensor.kernels.selection import NoKernels, builds, chosen, verdict_of
from synnergy.tensor.kernels.vectors import Check, Run, Vector, decode, encode, failure
from synnergy.tensor.recording import record
from tests.tensor.kernels.same import hostile_floats, model_of


def product() -> Vector:
    """A product with packed weights, and what follows it."""
    weights = hostile_floats((37, 70), seed=3)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Relu", ["y"], ["z"]),
    ]
    content = model_of(nodes, {"x": ("float32", (5, 37))}, ["z"], {"w": weights})
    vector = record(
        "product", load(content, shapes={"x": (5, 37)}), {"x": hostile_floats((5, 37))}
    )
    assert vector is not None
    return vector


@pytest.fixture(name="untried")
def _untried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No build was tried yet, and the vectors are those of the file given."""
    cached = (selection.verdict_of, selection.known_vectors, selection.chosen)
    path = tmp_path / "vectors.bin"
    monkeypatch.setattr(selection, "VECTORS", path)
    for function in cached:
        function.cache_clear()
    yield path
    for function in cached:
        function.cache_clear()


def spoilt(vector: Vector) -> Vector:
    """The same with another answer than the right one in its last number."""
    *others, last = vector.operations
    assert isinstance(last, Check)
    numbers = np.frombuffer(last.content, np.float32).copy()
    numbers[-1] = 12345.0
    return dataclasses.replace(
        vector, operations=(*others, dataclasses.replace(last, content=numbers.tobytes()))
    )


def test_a_file_of_vectors_comes_back_as_it_was() -> None:
    vector = product()
    assert list(decode(encode([vector, vector]))) == [vector, vector]


def test_a_file_that_is_cut_short_is_none() -> None:
    content = encode([product()])
    for size in (0, 7, 20, len(content) // 2, len(content) - 8):
        with pytest.raises(ValueError, match="vectors"):
            list(decode(content[:size]))
    with pytest.raises(ValueError, match="goes on"):
        list(decode(content + bytes(8)))


@pytest.mark.parametrize("name", builds())
@pytest.mark.parametrize("threads", [1, 3])
def test_a_vector_holds_on_every_build(name: str, threads: int) -> None:
    runtime = selection.build_named(name)
    assert not isinstance(runtime, str)
    assert failure(runtime.replayer(), product(), threads) == ""
    assert "of 350 is" in failure(runtime.replayer(), spoilt(product()), threads)


def test_a_program_that_kernels_do_not_know_fails() -> None:
    runtime = selection.build_named("wasm-plain")
    assert not isinstance(runtime, str)
    assert (
        failure(runtime.replayer(), Vector("unknown", (64, 0), (Run((0xFFFF | 1 << 16,)),))) != ""
    )


def test_a_build_whose_vectors_hold_is_used(untried: Path) -> None:
    untried.write_bytes(encode([product()]))
    verdict = chosen()
    assert verdict.name == builds()[0] and verdict.runtime is not None
    assert verdict.vectors == 1 and "self-test held (1 vectors)" in verdict.described()


def test_a_build_that_answers_wrongly_is_not_used_and_told_of(untried: Path) -> None:
    untried.write_bytes(encode([product(), spoilt(product())]))
    with pytest.warns(RuntimeWarning, match="not used"):
        verdict = chosen()
    assert verdict.runtime is None and verdict.name == "reference"
    assert "is wrong: product" in verdict.described()
    with pytest.raises(NoKernels, match="is wrong: product"):
        chosen("native" if builds()[0].startswith("native") else "wasm")


def test_one_bad_build_leaves_the_next(untried: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    untried.write_bytes(encode([product()]))
    first, second = builds()[:2]
    good = selection.failure

    tried: list[Any] = []

    def failing(replayer: Any, vector: Vector) -> str:
        tried.append(replayer)
        wrong = replayer is tried[0]
        return "float32 number 0 is off" if wrong else good(replayer, vector)

    monkeypatch.setattr(selection, "failure", failing)
    with pytest.warns(RuntimeWarning, match=first):
        verdict = chosen()
    assert verdict.name == second
    assert [each.name for each in verdict.passed_over if each.wrong] == [first]


def test_unreadable_vectors_stop_every_build(untried: Path) -> None:
    untried.write_bytes(b"SYNCASE1 and no more")
    with pytest.warns(RuntimeWarning, match="can't be tried"):
        assert chosen().name == "reference"


def test_a_processor_without_what_a_build_needs_has_it_not(
    untried: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untried.write_bytes(encode([product()]))
    selection.build_named.cache_clear()
    monkeypatch.setattr(selection, "_processor", lambda: 0)
    try:
        assert not {"native-avx512", "native-avx2"} & set(builds())
        assert chosen().name not in ("native-avx512", "native-avx2")
        assert not verdict_of("native-avx512").wrong
    finally:
        monkeypatch.undo()
        selection.build_named.cache_clear()


def test_a_build_of_other_sources_is_not_used(
    untried: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untried.write_bytes(encode([product()]))
    monkeypatch.setattr(selection, "sources", lambda: 5)
    with pytest.warns(RuntimeWarning, match="other sources"):
        assert chosen().name == "reference"
    assert {verdict_of(name).reason for name in builds()} == {
        "is of other sources than these: `make kernels` builds it anew"
    }


def test_an_unknown_path_is_refused() -> None:
    with pytest.raises(ValueError, match="none of auto, native, wasm, reference"):
        chosen("gpu")


@pytest.fixture(name="installed")
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of what is installed, to be damaged."""
    cached = (selection.verdict_of, selection.build_named, selection.chosen, selection._processor)
    folder = tmp_path / "kernels"
    shutil.copytree(selection.RECORD.parent, folder, ignore=shutil.ignore_patterns("c", "*.py"))
    monkeypatch.setattr(selection, "_FOLDER", folder)
    for function in cached:
        function.cache_clear()
    yield folder
    for function in cached:
        function.cache_clear()


def test_damaged_builds_are_never_loaded(installed: Path) -> None:
    """Code with other bytes than were built could end the process. TENSOR-61"""
    for path in [*installed.glob("build/native-*"), *installed.glob("*.wasm")]:
        if path.suffix != ".sha256":
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
    with pytest.warns(RuntimeWarning, match="is damaged"):
        verdict = chosen()
    assert verdict.name == "reference" and "is damaged" in verdict.described()


@pytest.mark.skipif(not builds()[0].startswith("native-avx"), reason="no AVX build runs here")
def test_builds_are_passed_over_aloud_where_nothing_tells_the_processor(installed: Path) -> None:
    (installed / "build" / f"native-plain{selection._SUFFIX}").unlink()
    with pytest.warns(RuntimeWarning, match="can't be chosen"):
        assert chosen().name.startswith("wasm")
