"""Makes what the browser's verifier takes from Python: kernels, functions and types by number.

`--check` only says whether it is stale.
"""

from __future__ import annotations

import sys
from enum import IntEnum
from pathlib import Path

from synnergy.tensor.kernels.program import DTYPE_CODES
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.elementwise import Binary
from synnergy.tensor.lowering.functions import Function
from synnergy.tensor.lowering.softmax import Form


def names_of(kind: type[IntEnum]) -> dict[str, int]:
    return {member.name: int(member) for member in sorted(kind)}


ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "web" / "packages" / "verify" / "src" / "steps.ts"
TABLES: tuple[tuple[str, str, dict[str, int]], ...] = (
    ("Step", "Kernels; their arguments stand beside each in C.", names_of(Step)),
    (
        "BinaryCode",
        "Operations of two elements, for the kernel ELEMENTWISE_BINARY.",
        names_of(Binary),
    ),
    ("FunctionCode", "Functions of one element, for the kernel FUNCTION.", names_of(Function)),
    ("FormCode", "What becomes of a row, for the kernel FORM_AXIS.", names_of(Form)),
    ("TypeCode", "Element types as kernels number them.", dict(DTYPE_CODES)),
)


def content() -> str:
    text = "// Generated from the ledger's own declarations; do not edit.\n"
    for name, comment, entries in TABLES:
        lines = "".join(f"  {key}: {value},\n" for key, value in entries.items())
        text += f"\n/** {comment} */\nexport const {name} = {{\n{lines}}} as const;\n"
    return text


def main() -> int:
    wanted = content()
    if TARGET.exists() and TARGET.read_text("utf-8") == wanted:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{TARGET.relative_to(ROOT)} is stale; run `make gen`")
        return 1
    TARGET.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
