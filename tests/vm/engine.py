"""Runs translated programs in Node's WebAssembly engine, where Node is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from synnergy.vm.program import Program

from .support import BALANCES, ENVIRONMENT
from .webassembly import translate

NODE = shutil.which("node")
SCRIPT = Path(__file__).parent / "run_webassembly.mjs"


#: Status, output, what is stored, events.
Ended = tuple[str, bytes, dict[bytes, bytes], list[tuple[str, bytes]]]


def run_in_engine(jobs: list[tuple[Program, bytes]]) -> list[Ended]:
    """How each (program, input) ends, run in a contract with empty storage."""
    assert NODE is not None
    request = [
        {
            "module": translate(program).hex(),
            "input": input.hex(),
            "height": ENVIRONMENT.height,
            "time": ENVIRONMENT.time,
            "addresses": {
                "SELF": ENVIRONMENT.address,
                "CALLER": ENVIRONMENT.caller,
                "ORIGIN": ENVIRONMENT.origin,
            },
            "balances": {address: str(balance) for address, balance in BALANCES.items()},
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
    return [
        (
            row["status"],
            bytes.fromhex(row["output"]),
            {bytes.fromhex(key): bytes.fromhex(value) for key, value in row["storage"]},
            [(name, bytes.fromhex(data)) for name, data in row["events"]],
        )
        for row in json.loads(done.stdout)
    ]
