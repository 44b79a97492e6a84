"""Writes envelopes.json: the bytes, id and signing bytes of some transactions.

`python -m tests.vectors.make_envelopes` from the repository's root. The bytes are put together
by hand here, from the msgpack specification, so that the codec is held to something else.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.vectors import edwards25519 as curve

FILE = Path(__file__).with_name("envelopes.json")
SEED = hashlib.sha256(b"envelope vectors").digest()
CHAIN = "vectors-0123456789abcdef0123456789abcdef"


def pack(value: Any) -> bytes:
    """msgpack, each value in its shortest form."""
    if isinstance(value, dict):
        assert len(value) < 16
        items = [pack(key) + pack(item) for key, item in value.items()]
        return bytes((0x80 | len(value),)) + b"".join(items)
    if isinstance(value, list):
        head = bytes((0x90 | len(value),)) if len(value) < 16 else b"\xdc" + size(value, 2)
        return head + b"".join(map(pack, value))
    if isinstance(value, bytes):
        width = 1 if len(value) < 2**8 else 2 if len(value) < 2**16 else 4
        return {1: b"\xc4", 2: b"\xc5", 4: b"\xc6"}[width] + size(value, width) + value
    if isinstance(value, str):
        text = value.encode()
        head = bytes((0xA0 | len(text),)) if len(text) < 32 else b"\xd9" + size(text, 1)
        return head + text
    assert isinstance(value, int) and value >= 0
    if value < 128:
        return bytes((value,))
    for tag, width in ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)):
        if value < 256**width:
            return bytes((tag,)) + value.to_bytes(width, "big")
    raise ValueError(value)


def size(value: bytes | list[Any], width: int) -> bytes:
    return len(value).to_bytes(width, "big")


def address(key: bytes) -> str:
    """The sender's address, as `addresses.json` is made of."""
    from synnergy.identity.address import address_of

    return address_of(key)


def envelope(attachments: list[tuple[bytes, bytes]], **changes: Any) -> dict[str, Any]:
    key = curve.public_key(SEED)
    body = {
        "chain_id": CHAIN,
        "sender": address(key),
        "nonce": 0,
        "gas_limit": 50_000,
        "gas_price": 1,
        "expiry_height": 100,
        "code": b"\x01\x02\x03",
        "data": b"",
        "attachments": [
            {
                "commitment": hashlib.sha256(salt + content).digest(),
                "length": len(content),
            }
            for salt, content in attachments
        ],
    }
    body |= changes
    encoded = pack(body)
    identifier = hashlib.sha256(b"synnergy/transaction/1\x00" + encoded).digest()
    message = b"synnergy/sign/transaction/1\x00" + identifier
    signature = curve.sign(SEED, message)
    whole = {
        "body": body,
        "signatures": [{"public_key": key, "signature": signature}],
        "attachments": [{"salt": salt, "content": content} for salt, content in attachments],
    }
    return {
        "body": encoded.hex(),
        "id": identifier.hex(),
        "signing_bytes": message.hex(),
        "envelope": pack(whole).hex(),
    }


def main() -> None:
    salted, chunk = (b"\x07" * 32, b"an input"), (b"", b"a chunk " * 40)
    vectors = {
        "the smallest": envelope([]),
        "one salted attachment": envelope([salted]),
        "two attachments": envelope([salted, chunk]),
        "an empty attachment": envelope([(b"\x07" * 32, b"")]),
        "integers of every width": envelope(
            [], nonce=255, gas_limit=2**16, gas_price=2**32, expiry_height=2**53 - 1
        ),
        "code and data whose lengths take two bytes": envelope(
            [], code=bytes(range(256)), data=bytes(300)
        ),
    }
    FILE.write_text(json.dumps(vectors, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
