"""DET-1: the same transactions give the same hashes, whatever the machine thinks of itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chain.recorded import RECORD, record
from tests.ledger.harness import Ledger

ROOT = Path(__file__).parent.parent.parent
SURROUNDINGS: list[dict[str, str]] = [
    {"PYTHONHASHSEED": "0", "OPENBLAS_CORETYPE": "Nehalem", "LANG": "C", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "1", "OPENBLAS_CORETYPE": "Haswell", "LC_ALL": "tr_TR.UTF-8"},
    {"PYTHONHASHSEED": "random", "OPENBLAS_CORETYPE": "SkylakeX", "TZ": "Pacific/Kiritimati"},
    {"PYTHONHASHSEED": "random", "OPENBLAS_NUM_THREADS": "1", "TZ": "America/St_Johns",
     "PYTHONOPTIMIZE": "0", "MALLOC_PERTURB_": "165"},
]  # fmt: skip


def test_the_recorded_chain_is_what_it_was(tmp_path: Path) -> None:
    """Any change of consensus shows here; `tests/chains/record.py` records one."""
    recorded = json.loads(RECORD.read_text("utf-8"))
    found = record(Ledger(tmp_path / "data"))
    assert len(found["app_hashes"]) == len(recorded["app_hashes"])
    for height, (before, after) in enumerate(
        zip(recorded["app_hashes"], found["app_hashes"], strict=True)
    ):
        assert before == after, f"block {height} gives another state"
    assert found == recorded


@pytest.mark.parametrize("surroundings", SURROUNDINGS, ids=lambda given: given["PYTHONHASHSEED"])
def test_hashes_do_not_depend_on_the_surroundings(surroundings: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chain.recorded"],
        cwd=ROOT,
        env={**os.environ, **surroundings},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(RECORD.read_text("utf-8"))
