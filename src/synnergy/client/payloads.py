"""Asking a node for a payload, with a signature that shows who asks."""

from __future__ import annotations

import time

from synnergy.client.api import Node
from synnergy.client.failures import ClientError
from synnergy.client.replies import Payload
from synnergy.identity.keys import KeyPair
from synnergy.wire.transaction import commit


def request_bytes(chain_id: str, commitment: bytes, now: int) -> bytes:
    """What a payload request signs; `now` in ms UTC (API-7)."""
    domain = b"synnergy/sign/payload/1\x00"
    return domain + chain_id.encode() + b"\x00" + commitment + now.to_bytes(8, "big")


def request_headers(keys: KeyPair, chain_id: str, commitment: bytes, now: int) -> dict[str, str]:
    """The headers of a payload request."""
    return {
        "X-Synnergy-Key": keys.public_key.hex(),
        "X-Synnergy-Time": str(now),
        "X-Synnergy-Signature": keys.sign(request_bytes(chain_id, commitment, now)).hex(),
    }


def fetch_payload(node: Node, keys: KeyPair, chain_id: str, commitment: bytes) -> Payload:
    """A payload that opens `commitment`; ClientError where the node gives another (CLIENT-7)."""
    now = int(time.time() * 1000)
    headers = request_headers(keys, chain_id, commitment, now)
    payload = node.payload(commitment.hex(), headers)
    if commit(payload.salt, payload.content) != commitment:
        raise ClientError("wrong_payload", f"the node's payload does not open {commitment.hex()}")
    return payload
