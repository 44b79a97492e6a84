"""Invocations of the small example model, by wallets that bought their licences before."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.ledger import key, signed
from bench.network.validators import PUBLISHER, Member
from bench.report import ROOT
from synnergy.client import verbs
from synnergy.client.api import Node
from synnergy.client.inputs import canonical_bytes
from synnergy.client.invocation import salted
from synnergy.client.replies import TensorSpec
from synnergy.client.transactions import Sender
from synnergy.client.uploads import upload
from synnergy.opcodes.inference import Invoke
from synnergy.opcodes.licences import Buy
from synnergy.wire.codec import decode_trusted, encode
from synnergy.wire.transaction import Envelope, transaction_id

MODEL = ROOT / "examples" / "iris.onnx"
GAS_LIMIT = 400_000
PRICE = 10
YEAR = 365 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class OnSale:
    """The published model, and the offer that licences are bought under."""

    model: bytes
    digest: bytes
    offer: bytes
    input: TensorSpec


def put_on_sale(member: Member) -> OnSale:
    """Publish the example, have it approved, offer it."""
    content = MODEL.read_bytes()
    with Node(f"http://{member.api[0]}:{member.api[1]}") as node:
        publisher, regulator = Sender(node, PUBLISHER), Sender(node, key(0))
        digest = upload(publisher, content).digest
        published = publisher.send(
            verbs.model_publish(
                digest=digest, name="iris", version="1", risk="minimal", jurisdictions=("GB",),
                licence_text=None, intended_use=None, limitations=None, allow_missing=False,
            )
        ).value  # fmt: skip
        until = time.time_ns() // 1_000_000 + YEAR
        regulator.send(
            verbs.model_approve(
                model=published.model, digest=digest, risk="minimal", jurisdictions=("GB",),
                evidence=None, until=until,
            )
        )  # fmt: skip
        offered = publisher.send(
            verbs.model_offer(
                model=published.model, digest=digest, price_per_call=PRICE, max_rows=10,
                expires_after=YEAR,
            )
        ).value  # fmt: skip
        (given,) = node.model(published.model.hex()).inputs
    return OnSale(published.model, digest, offered.offer, given)


def invocations(
    chain_id: str, sold: OnSale, senders: Sequence[int], each: int
) -> list[list[bytes]]:
    """For every sender a purchase of `each` calls, then so many calls; nonces from 0 on."""
    work = partial(_invocations_of, chain_id, sold, each)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, senders, chunksize=20))


def _invocations_of(chain_id: str, sold: OnSale, each: int, sender: int) -> list[bytes]:
    pair = key(sender)
    buy = Buy(sold.model, sold.digest, sold.offer, each)
    bought = signed(pair, chain_id, 0, "LICENCE_BUY", encode(buy), GAS_LIMIT)
    bought_in = transaction_id(decode_trusted(bought, Envelope).body)
    # How a verb names what it makes: here the first operation of its transaction.
    licence = hashlib.sha256(b"synnergy/licence/1\x00" + bought_in + bytes(4)).digest()
    made = [bought]
    for nonce in range(1, each + 1):
        row = np.array([[5.1, 3.5, 1.4, 0.2]], np.float32) + np.float32(nonce % 10) / 10
        given = salted(canonical_bytes({sold.input.name: row}, [sold.input]))
        data = encode(Invoke(sold.model, licence, 0, None))
        made.append(signed(pair, chain_id, nonce, "INFERENCE_INVOKE", data, GAS_LIMIT, (given,)))
    return made
