"""Who reads inputs and outputs: parties and regulators, on a request signed just now (API-7)."""

from __future__ import annotations

import time

import msgspec
import pytest

from synnergy.api.routes.payloads import MAX_AGE, request_bytes
from synnergy.identity.keys import KeyPair
from synnergy.opcodes import erasure, regulation
from synnergy.opcodes import ledger as money
from synnergy.state import records
from synnergy.wire.transaction import commit
from tests.api.support import CONSUMER, OPERATOR, PUBLISHER, REGULATOR, SECOND, STRANGER, World
from tests.governance.support import new_key, rotation
from tests.ledger.harness import key, salted


def now() -> int:
    return time.time_ns() // 1_000_000


def signed(
    world: World, pair: KeyPair, commitment: bytes, at: int | None = None
) -> dict[str, str]:
    milliseconds = now() if at is None else at
    message = request_bytes(world.ledger.application.chain_id, commitment, milliseconds)
    return {
        "X-Synnergy-Key": pair.public_key.hex(),
        "X-Synnergy-Time": str(milliseconds),
        "X-Synnergy-Signature": pair.sign(message).hex(),
    }


def read(world: World, commitment: bytes, headers: dict[str, str] | None = None):
    return world.client.get(f"/v1/payloads/{commitment.hex()}", headers=headers or {})


def commitments(world: World) -> list[bytes]:
    return [world.input.reference.commitment, world.output]


@pytest.mark.parametrize("pair", [CONSUMER, REGULATOR, SECOND])
def test_parties_and_regulators_read(world: World, pair: KeyPair) -> None:
    for commitment in commitments(world):
        answer = read(world, commitment, signed(world, pair, commitment))
        assert answer.status_code == 200, answer.text
        payload = msgspec.msgpack.decode(answer.content)
        assert payload.keys() == {"salt", "content"}
        assert commit(payload["salt"], payload["content"]) == commitment


@pytest.mark.parametrize("pair", [PUBLISHER, OPERATOR, STRANGER])
def test_nobody_else_reads(world: World, pair: KeyPair) -> None:
    for commitment in commitments(world):
        answer = read(world, commitment, signed(world, pair, commitment))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_a_party")


def test_the_input_is_what_was_sent(world: World) -> None:
    commitment = world.input.reference.commitment
    answer = read(world, commitment, signed(world, CONSUMER, commitment))
    payload = msgspec.msgpack.decode(answer.content)
    assert payload == {"salt": world.input.salt, "content": world.input.content}


@pytest.mark.parametrize("missing", ["X-Synnergy-Key", "X-Synnergy-Time", "X-Synnergy-Signature"])
def test_unsigned_requests(world: World, missing: str) -> None:
    headers = signed(world, CONSUMER, world.output)
    del headers[missing]
    for sent in (headers, {}):
        answer = read(world, world.output, sent)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unsigned")
        assert answer.headers["www-authenticate"]


@pytest.mark.parametrize("age", [-MAX_AGE - 60_000, MAX_AGE + 60_000])
def test_a_time_that_is_not_now(world: World, age: int) -> None:
    answer = read(world, world.output, signed(world, CONSUMER, world.output, now() + age))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "bad_time")


@pytest.mark.parametrize("age", [-MAX_AGE + 60_000, MAX_AGE - 60_000])
def test_clocks_may_differ_a_little(world: World, age: int) -> None:
    headers = signed(world, CONSUMER, world.output, now() + age)
    assert read(world, world.output, headers).status_code == 200


def test_a_signature_is_for_one_payload_one_time_one_chain(world: World) -> None:
    at = now()
    good = signed(world, CONSUMER, world.output, at)
    other_payload = signed(world, CONSUMER, bytes(32), at)
    other_time = good | {"X-Synnergy-Time": str(at + 1)}
    other_key = good | {"X-Synnergy-Key": REGULATOR.public_key.hex()}
    message = request_bytes("other-" + "0" * 32, world.output, at)
    other_chain = good | {"X-Synnergy-Signature": CONSUMER.sign(message).hex()}
    assert read(world, world.output, good).status_code == 200
    for headers in (other_payload, other_time, other_key, other_chain):
        answer = read(world, world.output, headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "bad_signature")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Synnergy-Key", "zz"),
        ("X-Synnergy-Key", "00" * 32),
        ("X-Synnergy-Key", "AB" * 32),
        ("X-Synnergy-Time", "soon"),
        ("X-Synnergy-Time", "-5"),
        ("X-Synnergy-Time", "9" * 30),
        ("X-Synnergy-Signature", "00"),
        ("X-Synnergy-Signature", "00" * 64),
        ("X-Synnergy-Signature", "ff" * 64),
    ],
)
def test_headers_of_a_wrong_form(world: World, header: str, value: str) -> None:
    headers = signed(world, CONSUMER, world.output) | {header: value}
    answer = read(world, world.output, headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["rule"] == "API-7"


def test_chunks_of_a_file_are_anyones(world: World) -> None:
    artefact = records.artefacts.load(world.ledger.state, world.ledger.model(world.model).digest)
    assert artefact is not None
    parts = [msgspec.msgpack.decode(read(world, chunk).content) for chunk in artefact.chunks]
    assert all(part["salt"] == b"" for part in parts)
    assert b"".join(part["content"] for part in parts) == world.content


def test_an_unknown_payload(world: World) -> None:
    assert read(world, bytes(32)).status_code == 404
    headers = signed(world, CONSUMER, bytes(32))
    assert read(world, bytes(32), headers).status_code == 404


def test_a_key_that_was_rotated_away_reads_no_more(world: World) -> None:
    """ID-3: the wallet is a party as before, by the key that it has now."""
    ledger, own = world.ledger, salted(b"of one who changed keys", b"k" * 32)
    old = key("changing keys")
    new = new_key("changing keys", old)
    statement = regulation.RegistrationStatement(old.public_key, "")
    signature = old.sign(regulation.statement_bytes(statement))
    arguments = regulation.Register(statement, signature, "GB", ("consumer",), None)
    give = money.Transfer(old.address, 10**9)
    for raw in (
        ledger.envelope(REGULATOR, "REGULATION_REGISTER", arguments),
        ledger.envelope(OPERATOR, "LEDGER_TRANSFER", give),
    ):
        assert world.post(raw).json()["status"] == "ok"
    give = money.Transfer(OPERATOR.address, 1)
    carried = ledger.envelope(old, "LEDGER_TRANSFER", give, (own,))
    assert world.post(carried).json()["status"] == "ok"
    commitment = own.reference.commitment
    assert read(world, commitment, signed(world, old, commitment)).status_code == 200
    change = ledger.envelope(old, "REGULATION_ROTATE_KEY", rotation(ledger, old, new))
    assert world.post(change).json()["status"] == "ok"
    answer = read(world, commitment, signed(world, old, commitment))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "old_key")
    assert read(world, commitment, signed(world, new, commitment)).status_code == 200


def erase(world: World, pair: KeyPair, *commitments: bytes) -> str:
    """Ask for erasures; the transaction's id."""
    arguments = erasure.Erase(commitments, "asked to")
    answer = world.post(world.ledger.envelope(pair, "LEDGER_ERASE", arguments)).json()
    assert answer["status"] == "ok", answer
    return answer["transaction"]


def test_an_erased_payload_says_in_which_transaction(world: World) -> None:  # ERASE-4
    note = salted(b"born on 1 April 1984", b"e" * 32)
    transfer = money.Transfer(OPERATOR.address, 1)
    raw = world.ledger.envelope(CONSUMER, "LEDGER_TRANSFER", transfer, (note,))
    assert world.post(raw).json()["status"] == "ok"
    commitment = note.reference.commitment
    erase(world, PUBLISHER, commitment)  # a stranger to it
    assert read(world, commitment, signed(world, CONSUMER, commitment)).status_code == 200
    transaction = erase(world, CONSUMER, commitment)
    for headers in ({}, signed(world, CONSUMER, commitment), signed(world, STRANGER, commitment)):
        answer = read(world, commitment, headers)
        assert answer.status_code == 410
        error = answer.json()["error"]
        assert (error["code"], error["rule"]) == ("erased", "ERASE-4")
        assert transaction in error["message"] and CONSUMER.address in error["message"]


def test_chunks_are_not_erased(world: World) -> None:  # ERASE-7
    artefact = records.artefacts.load(world.ledger.state, world.ledger.model(world.model).digest)
    assert artefact is not None
    erase(world, REGULATOR, *artefact.chunks)
    assert all(read(world, chunk).status_code == 200 for chunk in artefact.chunks)
