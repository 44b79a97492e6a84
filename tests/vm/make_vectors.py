"""Writes vectors/*.json: `python -m tests.vm.make_vectors`. Needs Node.

Results come from a WebAssembly engine; gas, places and reasons from the stepping machine. The
interpreter has no part in it, except for the reasons' words.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from synnergy.vm import catalogue
from synnergy.vm.program import encode_program, function, program

from .engine import run_in_engine
from .samples import SAMPLES
from .stepper import Stepper
from .support import BALANCES, ENVIRONMENT, PRICES, FakeHost, const, core, run

VECTORS = Path(__file__).parent / "vectors"
#: Enough for all of them but the runaway loop.
LIMIT = 20_000
WORDS = (
    *(0, 1, 2, 3, 63, 64, 0x7F, 0x80, 0x8000, 0x7FFF_FFFF, 0x8000_0000, 0x1_0000_0001),
    *(0xABCD_EF01_2345_6789, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 64, 2**64 - 2, 2**64 - 1),
)
PAIRS = [
    (left, right)
    for position, left in enumerate(WORDS)
    for step, right in enumerate(WORDS)
    if (position + step) % 4 == 0 or right in (0, 2**64 - 1)
]
FREE_OF_ENGINE = ("runaway loop", "call too deep")


def integer_vectors() -> dict[str, list[list[str]]]:
    """Rows of operands and result (or "trap") for each integer opcode."""
    cases = [
        (opcode.name, operands)
        for opcode in catalogue.core()
        if 0x000101 <= opcode.code <= 0x0001FF
        for operands in (PAIRS if opcode.pops == 2 else [(value,) for value in WORDS])
    ]
    jobs = [
        (
            program(
                function(
                    *(const(0), *(const(value) for value in operands)),
                    *(core(name.removeprefix("CORE_")), core("I64_STORE64", 0)),
                    *(const(0), const(8), core("OUTPUT_SET")),
                ),
                memory_pages=1,
            ),
            b"",
        )
        for name, operands in cases
    ]
    rows: dict[str, list[list[str]]] = {}
    for (name, operands), (status, output, *_) in zip(cases, run_in_engine(jobs), strict=True):
        result = f"{int.from_bytes(output, 'little'):x}" if status == "ok" else status
        rows.setdefault(name, []).append([*(f"{value:x}" for value in operands), result])
    return rows


def program_vectors() -> list[dict[str, object]]:
    names = [name for name in SAMPLES if name not in FREE_OF_ENGINE]
    engine = dict(zip(names, run_in_engine([SAMPLES[name] for name in names]), strict=True))
    rows: list[dict[str, object]] = []
    for name, (sample, input) in SAMPLES.items():
        stepper = Stepper(sample, input, LIMIT, ENVIRONMENT, PRICES, {}, dict(BALANCES))
        status, output, gas, where = stepper.run()
        if name in engine:
            assert engine[name] == (status, output, stepper.storage, stepper.events), name
        rejection = run(sample, input, LIMIT, FakeHost({})).rejection
        rows.append(
            {
                "name": name,
                "program": encode_program(sample).hex(),
                "input": input.hex(),
                "status": status,
                "output": output.hex(),
                "gas_used": gas,
                "where": where,
                "storage": {key.hex(): kept.hex() for key, kept in stepper.storage.items()},
                "events": [[name, data.hex()] for name, data in stepper.events],
                "reason": None if rejection is None else [rejection.rule, rejection.code],
            }
        )
    return rows


def main() -> None:
    lines = [
        f'  "{name}": [\n' + ",\n".join(f"    {json.dumps(row)}" for row in rows) + "\n  ]"
        for name, rows in integer_vectors().items()
    ]
    (VECTORS / "integers.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    (VECTORS / "programs.json").write_text(
        json.dumps(
            {
                "gas_limit": LIMIT,
                "environment": asdict(ENVIRONMENT),
                "prices": PRICES,
                "programs": program_vectors(),
            },
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
