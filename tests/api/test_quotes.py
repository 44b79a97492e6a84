"""Quotes: equal to the charge, for envelopes that are not final, and bounded (GAS-6, API-8)."""

from __future__ import annotations

import pytest

from synnergy.rejected import Rejected
from synnergy.vm.program import encode_program, function, instruction, program
from synnergy.wire.codec import decode, encode
from synnergy.wire.transaction import BodySignature, Envelope
from tests.api.support import CONSUMER, OPERATOR, PUBLISHER, STRANGER, World


def unsigned(raw: bytes) -> bytes:
    """The envelope with zeros where its signature was."""
    envelope = decode(raw, Envelope, len(raw))
    assert not isinstance(envelope, Rejected)
    (signature,) = envelope.signatures
    blank = BodySignature(signature.public_key, bytes(64))
    return encode(Envelope(envelope.body, (blank,), envelope.attachments))


def spin(turns: int) -> bytes:
    """A program that counts down from `turns`."""
    body = (
        instruction("CORE_I64_CONST", turns),
        instruction("CORE_LOCAL_SET", 0),
        instruction("CORE_LOOP", 0),
        instruction("CORE_LOCAL_GET", 0),
        instruction("CORE_I64_CONST", 1),
        instruction("CORE_I64_SUB"),
        instruction("CORE_LOCAL_TEE", 0),
        instruction("CORE_BR_IF", 0),
        instruction("CORE_END"),
    )
    return encode_program(program(function(*body, locals=1)))


def test_a_quote_is_the_charge_to_the_unit(world: World) -> None:
    for rows in ([[1.0, 2.0]], [[1.0, 2.0]] * 7):
        quoted = world.quote(unsigned(world.invoke(rows, nonce=0, gas_limit=0))).json()
        assert quoted["status"] == "ok", quoted
        charged = world.post(world.invoke(rows)).json()["result"]
        assert charged["status"] == "ok"
        assert (quoted["gas"], quoted["fee"]) == (charged["gas_used"], charged["fee"])


def test_a_program_of_ones_own(world: World) -> None:
    raw = world.ledger.envelope(OPERATOR, "", b"", code=spin(1_000))
    quoted = world.quote(unsigned(raw)).json()
    charged = world.post(raw).json()["result"]
    assert (quoted["status"], charged["status"]) == ("ok", "ok")
    assert quoted["gas"] == charged["gas_used"]


def test_nothing_is_changed_by_a_quote(world: World) -> None:
    before = world.get("/v1/chain").json()
    assert world.quote(world.transfer_of(5)).json()["status"] == "ok"
    assert world.get("/v1/chain").json() == before


def test_what_its_own_rules_refuse(world: World) -> None:
    quoted = world.quote(world.transfer_of(10**15, sender=CONSUMER)).json()
    assert (quoted["status"], quoted["rule"]) == ("refused", "LEDGER-2")
    assert quoted["gas"] > 0


def test_out_of_gas_under_the_callers_own_limit(world: World) -> None:
    raw = world.ledger.envelope(OPERATOR, "", b"", code=spin(1_000_000), gas_limit=1_000_000)
    quoted = world.quote(raw).json()
    assert (quoted["status"], quoted["code"], quoted["gas"]) == (
        "refused",
        "out_of_gas",
        1_000_000,
    )


def test_a_program_that_runs_too_long_for_a_quote(world: World, monkeypatch) -> None:
    monkeypatch.setattr("synnergy.chain.queries.quotes.MAX_PROGRAM_GAS", 500_000)
    raw = world.ledger.envelope(OPERATOR, "", b"", code=spin(10**9), gas_limit=0)
    answer = world.quote(raw)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "quote_too_long")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"gas_limit": 10**12}, "gas_limit_too_high"),
        ({"gas_limit": 1}, "gas_limit_too_low"),
        ({"gas_price": 2**53 - 1}, "fee_too_high"),
        ({"chain_id": "other-" + "0" * 32}, "wrong_chain"),
        ({"signer": CONSUMER}, "wrong_signatures"),
    ],
)
def test_what_could_never_be_admitted(world: World, change: dict[str, object], code: str) -> None:
    answer = world.quote(world.transfer_of(1, **change))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), answer.text


def test_a_sender_that_nobody_knows(world: World) -> None:
    quoted = world.quote(world.transfer_of(1, sender=STRANGER)).json()
    assert quoted["status"] == "refused"


def test_publishing_again(world: World) -> None:
    from synnergy.opcodes import models

    record = world.ledger.model(world.model)
    arguments = models.Publish(record.digest, "scale", "2", "limited", (), None, None, None, False)
    raw = world.ledger.envelope(PUBLISHER, "MODEL_PUBLISH", arguments, gas_limit=0)
    assert world.quote(unsigned(raw)).json()["status"] == "ok"
