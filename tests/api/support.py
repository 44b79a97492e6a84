"""A node with a little history behind it: a model sold and called, served without a network."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient
from onnx import TensorProto, helper

from synnergy.engines.solo import SoloEngine
from synnergy.opcodes import contracts, governance, inference, ledger, licences
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.program import encode_program, function, program
from synnergy.wire.codec import Struct, decode
from synnergy.wire.transaction import Attachment
from tests.ledger.harness import (
    CONSUMER,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SECOND,
    SIGNER,
    Ledger,
    genesis,
    key,
    salted,
    tensors,
)

OCTETS = {"Content-Type": "application/octet-stream"}
STRANGER = key("stranger")
LICENCE_TEXT = "Use it as you like, at your own risk: £0 of warranty."


def model_bytes() -> bytes:
    """x ↦ x · [2, 3], with enough unused weights to fill more than one chunk."""
    padding = np.arange(150_000, dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "w"], ["scaled"]),
            helper.make_node("ReduceMax", ["padding"], ["most"], keepdims=0),
            helper.make_node("Min", ["scaled", "most"], ["y"]),
        ],
        "scale",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [
            helper.make_tensor("w", TensorProto.FLOAT, [2], [2.0, 3.0]),
            helper.make_tensor(
                "padding", TensorProto.FLOAT, padding.shape, padding.tobytes(), raw=True
            ),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 9
    return made.SerializeToString()


@dataclass(frozen=True)
class World:
    """The node and what is on its ledger."""

    ledger: Ledger
    engine: SoloEngine
    client: TestClient
    content: bytes
    model: bytes
    contract: str
    offer: bytes
    licence: bytes
    receipt: bytes
    transfer: bytes
    invocation: bytes
    input: Attachment
    output: bytes

    def post(self, raw: bytes, wait: float = 10):
        return self.client.post(f"/v1/transactions?wait={wait:g}", content=raw, headers=OCTETS)

    def quote(self, raw: bytes):
        return self.client.post("/v1/quotes", content=raw, headers=OCTETS)

    def get(self, path: str, **query: object):
        return self.client.get(path, params={k: str(v) for k, v in query.items()})

    def transfer_of(self, amount: int, sender=OPERATOR, to: str = CONSUMER.address, **header):
        arguments = ledger.Transfer(to, amount)
        return self.ledger.envelope(sender, "LEDGER_TRANSFER", arguments, **header)

    def invoke(self, rows: list[list[float]], **header: object) -> bytes:
        attachment = salted(tensors(x=np.array(rows, dtype=np.float32)))
        arguments = inference.Invoke(self.model, self.licence, 0, None)
        return self.ledger.envelope(
            CONSUMER, "INFERENCE_INVOKE", arguments, (attachment,), **header
        )


def build_ledger(path: Path) -> Ledger:
    """A fresh ledger whose blocks lie a little in the past, so that an engine can go on."""
    now = time.time_ns() // 1_000_000
    return Ledger(path, genesis(time=now - 3_600_000, threshold=2))


def decoded(output: bytes, kind: type[Struct]):
    value = decode(output, kind, 10_000)
    assert not isinstance(value, Rejected), value
    return value


def fill(opened: Ledger) -> dict[str, object]:
    """Publish, approve, sell and call a model, and leave a proposal open."""
    content = model_bytes()
    model = opened.publish(content, name="scale", licence_text=LICENCE_TEXT)
    opened.ok(REGULATOR, "MODEL_APPROVE", opened.approval(model))
    assert opened.offer(model, price=1_000).status == "ok"
    offer = records.offers.load(opened.state, model)
    assert offer is not None
    buy = licences.Buy(model, opened.model(model).digest, offer.id, 1_000)
    licence = decoded(opened.ok(CONSUMER, "LICENCE_BUY", buy), licences.Bought).licence
    attachment = salted(tensors(x=np.array([[1, 2]], dtype=np.float32)))
    call = inference.Invoke(model, licence, 0, None)
    raw = opened.envelope(CONSUMER, "INFERENCE_INVOKE", call, (attachment,))
    called = opened.block(raw)[0]
    assert called.status == "ok", called
    invoked = decoded(called.output, inference.Invoked)
    in_force = opened.application.governance().policy_version
    policy = records.policies.load(opened.state, in_force)
    assert policy is not None
    proposed = governance.SetPolicy(policy.text + "\n// agreed on\n")
    opened.ok(REGULATOR, "REGULATION_SET_POLICY", proposed)
    code = encode_program(program(function()))
    deployed = opened.ok(OPERATOR, "CONTRACT_DEPLOY", contracts.Deploy(code))
    sent = opened.send(OPERATOR, "LEDGER_TRANSFER", ledger.Transfer(CONSUMER.address, 5))
    assert sent.status == "ok"
    return {
        "content": content,
        "model": model,
        "contract": decoded(deployed, contracts.Deployed).contract,
        "offer": offer.id,
        "licence": licence,
        "receipt": invoked.receipt,
        "invocation": called.transaction,
        "transfer": sent.transaction,
        "input": attachment,
        "output": invoked.output,
    }


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


__all__ = [
    "CONSUMER",
    "LICENCE_TEXT",
    "OCTETS",
    "OPERATOR",
    "PUBLISHER",
    "REGULATOR",
    "SECOND",
    "SIGNER",
    "STRANGER",
    "World",
    "build_ledger",
    "decoded",
    "fill",
    "genesis",
    "model_bytes",
    "sha256",
]
