"""Writes abci_pb2.py and abci_pb2.pyi from abci.proto; `--check` fails where they are stale."""

from __future__ import annotations

import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

SOURCE = Path(__file__).resolve().parent.parent / "src"
PACKAGE = Path("synnergy") / "engines" / "abci"
MADE = ("abci_pb2.py", "abci_pb2.pyi")


def made() -> dict[str, str]:
    """The files' names and what protoc writes into them."""
    known = resources.files("grpc_tools") / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            "protoc",
            f"-I{SOURCE}",
            f"-I{known}",
            f"--python_out={folder}",
            f"--pyi_out={folder}",
            str(SOURCE / PACKAGE / "abci.proto"),
        ]
        if code := protoc.main(arguments):
            raise SystemExit(code)
        return {name: (Path(folder) / PACKAGE / name).read_text("utf-8") for name in MADE}


def main() -> int:
    check = "--check" in sys.argv[1:]
    code = 0
    for name, wanted in made().items():
        target = SOURCE / PACKAGE / name
        if target.exists() and target.read_text("utf-8") == wanted:
            continue
        if check:
            print(f"{target} is not current; run `make gen`", file=sys.stderr)
            code = 1
        else:
            target.write_text(wanted, "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
