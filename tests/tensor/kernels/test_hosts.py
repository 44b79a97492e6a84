"""The same programs on V8 and on an emulated aarch64: the reference's bits. TENSOR-60"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
#: Where one of these is set, a host that lacks something is a failure.
REQUIRED = {"node": "SYNNERGY_REQUIRE_NODE", "aarch64": "SYNNERGY_REQUIRE_QEMU"}


@pytest.mark.parametrize("host", REQUIRED)
def test_another_host_gives_the_references_bits(host: str) -> None:
    command = [sys.executable, str(ROOT / "tools" / "compare_hosts.py"), host]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lacking = [line for line in done.stdout.splitlines() if line.startswith("NOT COMPARED")]
    if lacking and not os.environ.get(REQUIRED[host]):
        pytest.skip(lacking[0])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed=0" in done.stdout
