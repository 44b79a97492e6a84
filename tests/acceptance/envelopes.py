"""Envelopes signed with the SDK and handed over as bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from synnergy.client import verbs
from synnergy.client.api import Node
from synnergy.client.keystore import unlock
from synnergy.client.transactions import Sender, sign

TYPE = {"content-type": "application/octet-stream"}


def post(node: str, envelope: bytes) -> httpx.Response:
    return httpx.post(
        f"{node}/v1/transactions", params={"wait": 20}, content=envelope, headers=TYPE, timeout=60
    )


@dataclass(frozen=True)
class Hand:
    """A development wallet that signs transfers with whatever header a test wants."""

    home: Path
    node: str
    wallet: str = "consumer"

    def transfer(self, to: str, amount: int = 5, **header: Any) -> bytes:
        keys = unlock(self.home / "keystore", self.wallet, lambda *_: "")
        with Node(self.node) as node:
            sender = Sender(node, keys)
            call = verbs.ledger_transfer(to=to, amount=amount)
            nonce = node.account(keys.address).nonce
            body = sender.body(call, nonce, 20_000)
        return sign(msgspec.structs.replace(body, **header), (), keys)
