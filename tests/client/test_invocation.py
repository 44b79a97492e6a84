"""Calls and what the caller keeps of them, over a line that fails on purpose."""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest

from synnergy.client import nodes, replies, transactions, verbs
from synnergy.client.failures import ClientError, OutcomeUnknown, WrongUse
from synnergy.client.invocation import build_call, invoke
from synnergy.client.models import read_model
from synnergy.client.openings import find_opening
from synnergy.client.payloads import fetch_payload
from synnergy.client.receipts import export_receipt
from synnergy.client.registration import obtain_statement, write_request
from synnergy.client.transactions import Sender
from synnergy.client.uploads import upload
from synnergy.identity.keys import KeyPair
from synnergy.wire.transaction import commit
from tests.client.conftest import Ledger, no_passphrase
from tests.client.test_models import model_with, numpy_helper, save

ARRAYS = {"x": np.array([[1, 2, 3]], np.float32)}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(transactions, "NONCE_PAUSES", (0.01,))


@pytest.fixture(scope="module")
def licensed(
    shared_ledger: Ledger, tmp_path_factory: pytest.TempPathFactory
) -> tuple[replies.Model, bytes]:
    """A model on sale, and a licence of the consumer's."""
    ledger = shared_ledger
    weights = np.random.default_rng(5).normal(size=(3, 2)).astype(np.float32)
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    content = read_model(save(path, model_with([numpy_helper.from_array(weights, "w")])))
    publisher = ledger.sender("publisher")
    published = publisher.send(
        verbs.model_publish(
            digest=upload(publisher, content).digest,
            name="called",
            version="1",
            risk="minimal",
            jurisdictions=(),
            licence_text=None,
            intended_use=None,
            limitations=None,
            allow_missing=False,
        )
    ).value
    ledger.sender("regulator").send(
        verbs.model_approve(
            model=published.model,
            digest=published.digest,
            risk="minimal",
            jurisdictions=(),
            evidence=None,
            until=0,
        )
    )
    offer = publisher.send(
        verbs.model_offer(
            model=published.model,
            digest=published.digest,
            price_per_call=3,
            max_rows=10,
            expires_after=10**9,
        )
    ).value.offer
    bought = ledger.sender("consumer").send(
        verbs.licence_buy(
            model=published.model, digest=published.digest, offer=offer, calls=50, spends=150
        )
    )
    return ledger.node.model(published.model.hex()), bought.value.licence


def openings(ledger: Ledger) -> set[str]:
    return {path.stem for path in ledger.home.openings.glob("*.json")}


def posting(request: httpx.Request) -> bool:
    return (request.method, request.url.path) == ("POST", "/v1/transactions")


def test_the_opening_is_kept_before_the_call_leaves(  # CLIENT-8
    ledger: Ledger, licensed: tuple[replies.Model, bytes]
) -> None:
    model, licence = licensed
    before = openings(ledger)
    kept: list[set[str]] = []

    def watch(request: httpx.Request, forward) -> httpx.Response:
        if posting(request):
            kept.append(openings(ledger) - before)
        return forward(request)

    ledger.transport.fault = watch
    call = build_call(model, licence, ARRAYS, "case 1")
    done = invoke(ledger.home, ledger.sender("consumer"), call, "case 1")
    assert kept == [{done.receipt}] and openings(ledger) - before == {done.receipt}
    opening = find_opening(ledger.home, done.receipt)
    assert opening is not None and opening.reference == "case 1"
    content = call.attachments[0].content
    assert commit(opening.input_salt, content) == call.attachments[0].reference.commitment
    assert done.outputs[0][2].shape == (1, 2)


def test_the_opening_of_an_unknown_outcome_is_kept(
    ledger: Ledger, licensed: tuple[replies.Model, bytes]
) -> None:
    model, licence = licensed
    before = openings(ledger)

    def swallow(request: httpx.Request, forward) -> httpx.Response:
        if posting(request):
            raise httpx.ReadTimeout("late", request=request)
        return forward(request)

    impatient = Sender(ledger.node, ledger.sender("consumer").keys, patience=0.1)
    ledger.transport.fault = swallow
    with pytest.raises(OutcomeUnknown):
        invoke(ledger.home, impatient, build_call(model, licence, ARRAYS, None), None)
    assert len(openings(ledger) - before) == 1


def test_nothing_is_kept_of_a_call_that_never_was(
    ledger: Ledger, licensed: tuple[replies.Model, bytes]
) -> None:
    model, licence = licensed
    before = openings(ledger)

    def turn_away(request: httpx.Request, forward) -> httpx.Response:
        if posting(request):
            error = {"code": "expired", "message": "m", "rule": "TX-8"}
            return httpx.Response(400, json={"error": error})
        return forward(request)

    ledger.transport.fault = turn_away
    with pytest.raises(ClientError):
        call = build_call(model, licence, ARRAYS, None)
        invoke(ledger.home, ledger.sender("consumer"), call, None)
    assert openings(ledger) == before


def test_a_refused_call_in_a_block_has_a_receipt_and_an_opening(
    ledger: Ledger, licensed: tuple[replies.Model, bytes]
) -> None:
    """The operator is no consumer: the policy refuses, which only a block can tell."""
    model, _ = licensed
    consumer, operator = ledger.sender("consumer"), ledger.sender("operator")
    regulator = ledger.sender("regulator")
    freeze = verbs.regulation_freeze(address=consumer.address, reason="a test")
    regulator.send(freeze)
    try:
        call = build_call(model, licensed[1], ARRAYS, None)
        with pytest.raises(ClientError) as refused:
            invoke(ledger.home, consumer, call, None)
    finally:
        regulator.send(verbs.regulation_unfreeze(address=consumer.address))
    receipt = str(refused.value.details["receipt"])
    assert refused.value.code == "frozen_wallet" and receipt in openings(ledger)
    content, opened = export_receipt(ledger.home, ledger.node, receipt, None)
    assert opened and content
    assert operator.address != consumer.address


def test_lost_outputs_name_the_receipt(
    ledger: Ledger, licensed: tuple[replies.Model, bytes]
) -> None:
    model, licence = licensed

    def forget(request: httpx.Request, forward) -> httpx.Response:
        if request.url.path.startswith("/v1/payloads/"):
            error = {"code": "not_found", "message": "erased", "rule": "API-1"}
            return httpx.Response(404, json={"error": error})
        return forward(request)

    ledger.transport.fault = forget
    with pytest.raises(ClientError) as lost:
        call = build_call(model, licence, ARRAYS, None)
        invoke(ledger.home, ledger.sender("consumer"), call, None)
    assert "settled" in lost.value.message and str(lost.value.details["receipt"]) in openings(
        ledger
    )


def test_a_payload_that_opens_nothing_is_not_believed(  # CLIENT-7
    ledger: Ledger, licensed: tuple[replies.Model, bytes]
) -> None:
    model, licence = licensed

    def forge(request: httpx.Request, forward) -> httpx.Response:
        if request.url.path.startswith("/v1/payloads/"):
            content = msgspec.msgpack.encode({"salt": bytes(32), "content": b"forged"})
            return httpx.Response(200, content=content)
        return forward(request)

    ledger.transport.fault = forge
    with pytest.raises(ClientError) as caught:
        call = build_call(model, licence, ARRAYS, None)
        invoke(ledger.home, ledger.sender("consumer"), call, None)
    assert caught.value.code == "wrong_payload"


def test_payloads_are_for_the_parties(
    ledger: Ledger, licensed: tuple[replies.Model, bytes]
) -> None:
    model, licence = licensed
    call = build_call(model, licence, ARRAYS, None)
    invoke(ledger.home, ledger.sender("consumer"), call, None)
    wanted = call.attachments[0].reference.commitment
    chain_id = ledger.sender("consumer").chain().chain_id
    for party in ("consumer", "regulator"):
        payload = fetch_payload(ledger.node, ledger.sender(party).keys, chain_id, wanted)
        assert payload.content == call.attachments[0].content
    for stranger in (ledger.sender("publisher").keys, KeyPair.from_seed(bytes(32))):
        with pytest.raises(ClientError) as refused:
            fetch_payload(ledger.node, stranger, chain_id, wanted)
        assert refused.value.code == "not_a_party"


def test_two_calls_on_one_input_share_no_commitment(
    licensed: tuple[replies.Model, bytes],
) -> None:
    model, licence = licensed
    calls = [build_call(model, licence, ARRAYS, "same") for _ in range(2)]
    commitments = {part.reference.commitment for call in calls for part in call.attachments}
    assert len(commitments) == 4


def test_a_reference_is_a_line(licensed: tuple[replies.Model, bytes]) -> None:
    with pytest.raises(WrongUse):
        build_call(licensed[0], licensed[1], ARRAYS, "x" * 1_001)


def test_requests_to_be_registered(ledger: Ledger, tmp_path: Path) -> None:  # REG-2
    chain_id = ledger.sender("consumer").chain().chain_id
    keys = KeyPair.from_seed(b"\x07" * 32)
    path = tmp_path / "request.json"
    write_request(ledger.home, keys, path)
    signed = obtain_statement(ledger.home, chain_id, str(path), no_passphrase)
    assert signed.statement.public_key == keys.public_key
    assert signed.statement.chain_id == chain_id
    with pytest.raises(ClientError) as other:
        obtain_statement(ledger.home, "another-" + "0" * 32, str(path), no_passphrase)
    assert other.value.code == "wrong_chain"
    request = msgspec.json.decode(path.read_bytes())
    for field, value in (("chain_id", ""), ("public_key", "00" * 32), ("signature", "00" * 64)):
        path.write_bytes(msgspec.json.encode(request | {field: value}))
        with pytest.raises(ClientError):
            obtain_statement(ledger.home, chain_id, str(path), no_passphrase)
    path.write_bytes(b"[]")
    with pytest.raises(ClientError) as bad:
        obtain_statement(ledger.home, chain_id, str(path), no_passphrase)
    assert bad.value.code == "bad_request_file"
    for who in (keys.address, "nobody"):
        with pytest.raises(ClientError) as unknown:
            obtain_statement(ledger.home, chain_id, who, no_passphrase)
        assert unknown.value.code == "unknown_wallet"
