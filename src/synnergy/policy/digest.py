"""The name of a policy set: the hash that state, verdicts and receipts carry (POL-13)."""

from __future__ import annotations

from hashlib import sha256


def policy_digest(text: str | bytes) -> bytes:
    """sha256 of the exact bytes of the text, comments and white space included; 32 bytes."""
    return sha256(text.encode() if isinstance(text, str) else text).digest()
