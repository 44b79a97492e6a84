"""Makes every generated file from its declaration; `--check` only says which ones are stale."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from synnergy import opcodes
from synnergy.gas.schedule import load_schedule
from synnergy.opcodes import reference
from synnergy.tensor.kernels import steps, tables

ROOT = Path(__file__).resolve().parent.parent
#: Generators that are programs of their own; each takes `--check`.
PROGRAMS = (
    "generate_sdk.py",
    "generate_api.py",
    "generate_cli.py",
    "generate_proto.py",
    "generate_verify.py",
)


def main() -> int:
    check = "--check" in sys.argv[1:]
    assert opcodes.__all__
    stale: list[str] = []
    pages = reference.pages(load_schedule(1)).items()
    wanted = {ROOT / "docs" / "reference" / name: content for name, content in pages}
    kernels = ROOT / "src/synnergy/tensor/kernels/c"
    wanted[kernels / "steps.h"] = steps.header()
    wanted[kernels / "tables.h"] = tables.header()
    for path, content in wanted.items():
        if path.exists() and path.read_text("utf-8") == content:
            continue
        if check:
            stale.append(str(path.relative_to(ROOT)))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")
    for path in stale:
        print(f"{path} is stale; run `make gen`")
    codes = [
        subprocess.run(
            [sys.executable, ROOT / "tools" / name, *(["--check"] if check else [])]
        ).returncode
        for name in PROGRAMS
    ]
    return 1 if stale or any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
