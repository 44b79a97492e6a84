"""The browser's runner of models gives the reference's bits, and reads what the ledger writes."""

from __future__ import annotations

from pathlib import Path

from tests.web.conftest import Run
from tests.web.vectors import NODE_TESTS, write_all


def test_its_results_are_the_references(run: Run, tmp_path: Path) -> None:
    """By both builds of the kernels; ONNX's node tests equal or are refused by name."""
    write_all(tmp_path)
    done = run(
        *("node", "--test", "test/vectors.test.mjs"),
        SYNNERGY_VECTORS=tmp_path,
        SYNNERGY_LEAST_NODE_TESTS=str(NODE_TESTS),
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "# skipped 0" in done.stdout


def test_files_and_signatures_are_read_as_the_ledger_reads_them(run: Run) -> None:
    done = run("node", "--test", "test/reading.test.mjs")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "# skipped 0" in done.stdout
