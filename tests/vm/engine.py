"""Runs translated programs in Node's WebAssembly engine, where Node is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from synnergy.vm.program import Program

from .support import ENVIRONMENT
from .webassembly import translate

NODE = shutil.which("node")
SCRIPT = Path(__file__).parent / "run_webassembly.mjs"


def run_in_engine(jobs: list[tuple[Program, bytes]]) -> list[tuple[str, bytes]]:
    """(status, output) of each (program, input)."""
    assert NODE is not None
    request = [
        {
            "module": translate(program).hex(),
            "input": input.hex(),
            "height": ENVIRONMENT.height,
            "time": ENVIRONMENT.time,
        }
        for program, input in jobs
    ]
    done = subprocess.run(
        [NODE, str(SCRIPT)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [(row["status"], bytes.fromhex(row["output"])) for row in json.loads(done.stdout)]
