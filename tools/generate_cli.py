"""Writes docs/reference/cli.md from the commands; `--check` fails where it is not current."""

from __future__ import annotations

import sys
from pathlib import Path

from synnergy.cli.reference import page

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"


def main() -> int:
    wanted = page()
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text("utf-8") != wanted:
            print(f"{TARGET} is not current; run `make gen`", file=sys.stderr)
            return 1
        return 0
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
