"""How people name models: an id or PUBLISHER/NAME@VERSION, never an implicit latest (CLIENT-9)."""

from __future__ import annotations

import re
from pathlib import Path

from synnergy.client.failures import WrongUse
from synnergy.client.keystore import resolve_address

_ID = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def resolve_model(keystore: Path, text: str) -> bytes:
    """The id that MODEL means; PUBLISHER is a wallet of this home or an address."""
    if _ID.fullmatch(text):
        return bytes.fromhex(text)
    publisher, slash, rest = text.partition("/")
    name, at, version = rest.partition("@")
    if not slash:
        raise WrongUse(
            "bad_model",
            f"{text!r} is neither a model's id (40 hex digits) nor PUBLISHER/NAME@VERSION",
        )
    if not at or not version:
        raise WrongUse(
            "version_missing",
            f"{text!r} names no version; say which, as in {publisher}/{name or 'NAME'}@1"
            " (there is no implicit latest)",
        )
    for part, what in ((name, "name"), (version, "version")):
        if not _NAME.fullmatch(part):
            raise WrongUse("bad_model", f"{part!r} cannot be a model's {what}")
    from synnergy.opcodes.models import model_id

    return model_id(resolve_address(keystore, publisher), name, version)


def check_digest(text: str, what: str) -> bytes:
    """The 32 bytes of an id in hex."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise WrongUse("bad_id", f"{text!r} is not {what}: 64 hex digits")
    return bytes.fromhex(text)
