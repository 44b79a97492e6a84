"""What opens a receipt's commitments, kept in the home of whoever called (CLIENT-8).

Nobody else has these salts but the node that holds the payloads: without them a receipt proves
that a call took place, not on what input.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from synnergy.client.failures import ClientError
from synnergy.client.home import Home, read_file, write_file
from synnergy.receipts.file import Opening
from synnergy.wire.codec import read_json

Hex32 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class OpeningFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`openings/RECEIPT.json`; `input` is the commitment to the input's canonical bytes."""

    receipt: Hex32
    transaction: Hex32
    model: str
    licence: Hex32
    input: Hex32
    input_salt: Hex32
    reference_salt: Hex32 | None
    reference: str | None


def keep_opening(home: Home, opening: OpeningFile) -> None:
    """Write an opening, before the call it belongs to leaves this machine."""
    content = msgspec.json.format(msgspec.json.encode(opening), indent=2) + b"\n"
    write_file(home.openings / f"{opening.receipt}.json", content)


def forget_opening(home: Home, receipt: str) -> None:
    """Remove the opening of a call that surely never took place."""
    (home.openings / f"{receipt}.json").unlink(missing_ok=True)


def openings_for(home: Home, receipts: set[str], inputs: set[str]) -> list[str]:
    """Receipts whose openings this home keeps: of those named, and those of these inputs."""
    kept: list[str] = []
    for path in sorted(home.openings.glob("*.json")):
        if path.stem in receipts or (inputs and _read(path).input in inputs):
            kept.append(path.stem)
    return kept


def find_opening(home: Home, receipt: str) -> Opening | None:
    """The opening of a receipt, or None where this home did not make the call."""
    path = home.openings / f"{receipt}.json"
    if not path.exists():
        return None
    file = _read(path)
    salt = file.reference_salt
    return Opening(
        input_salt=bytes.fromhex(file.input_salt),
        reference_salt=bytes.fromhex(salt) if salt is not None else None,
        reference=file.reference,
    )


def _read(path: Path) -> OpeningFile:
    try:
        return read_json(read_file(path), OpeningFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientError("bad_opening", f"{path} is not an opening: {error}") from None
