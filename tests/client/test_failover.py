"""Transactions through several nodes that fail: carried out once, and nothing kept silent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from synnergy.client import nodes, transactions, verbs
from synnergy.client.api import Node
from synnergy.client.failures import ClientError, Dropped, OutcomeUnknown
from synnergy.client.invocation import salted, send_with_opening
from synnergy.client.openings import OpeningFile, find_opening
from synnergy.client.transactions import Sender
from synnergy.client.uploads import upload
from synnergy.opcodes.artefacts import CHUNK_BYTES
from tests.client.conftest import Ledger
from tests.client.fleet import problem

Forward = Callable[[httpx.Request], httpx.Response]
Handle = Callable[[httpx.Request, Forward], httpx.Response]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(transactions, "NONCE_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(transactions, "AGAIN_SECONDS", 0.05)


def whole(request: httpx.Request, forward: Forward) -> httpx.Response:
    return forward(request)


def dead(request: httpx.Request, _forward: Forward) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@dataclass
class Pair:
    """Two nodes, `a` and `b`, of one ledger; each does with a request what a test says."""

    sender: Sender
    a: Handle = whole
    b: Handle = whole
    posted: list[bytes] = field(default_factory=list[bytes])

    def handle(self, request: httpx.Request, forward: Forward) -> httpx.Response:
        if posting(request):
            self.posted.append(request.read())
        return (self.a if request.url.host == "a.test" else self.b)(request, forward)


def posting(request: httpx.Request) -> bool:
    return (request.method, request.url.path) == ("POST", "/v1/transactions")


def asking(request: httpx.Request) -> bool:
    return request.url.path.startswith("/v1/transactions/")


@pytest.fixture
def pair(ledger: Ledger) -> Iterator[Pair]:
    with Node("http://a.test,http://b.test", ledger.transport) as node:
        made = Pair(Sender(node, ledger.sender("operator").keys, patience=5))
        ledger.transport.fault = made.handle
        yield made
        ledger.transport.fault = None


def pay(ledger: Ledger, amount: int):
    return verbs.ledger_transfer(to=ledger.address("consumer"), amount=amount, spends=amount)


def test_what_a_dying_node_swallowed_is_handed_over_again(ledger: Ledger, pair: Pair) -> None:
    before = ledger.application.height

    def swallow(request: httpx.Request, forward: Forward) -> httpx.Response:
        if not posting(request):
            return forward(request)
        pair.a = dead
        raise httpx.ReadError("reset", request=request)

    pair.a = swallow
    sent = pair.sender.send(pay(ledger, 3))
    assert sent.value.amount == 3 and ledger.application.height == before + 1
    assert len(pair.posted) == 2 and len(set(pair.posted)) == 1


def test_what_a_dying_node_passed_on_is_found_at_another(ledger: Ledger, pair: Pair) -> None:
    nonce = ledger.node.account(pair.sender.address).nonce

    def pass_on_and_die(request: httpx.Request, forward: Forward) -> httpx.Response:
        response = forward(request)
        if posting(request):
            pair.a = dead
            raise httpx.ReadTimeout("late", request=request)
        return response

    pair.a = pass_on_and_die
    assert pair.sender.send(pay(ledger, 4)).value.amount == 4
    assert len(pair.posted) == 1
    assert ledger.node.account(pair.sender.address).nonce == nonce + 1


def test_what_an_acknowledging_node_took_to_its_grave(ledger: Ledger, pair: Pair) -> None:
    nonce = ledger.node.account(pair.sender.address).nonce

    def accept_and_die(request: httpx.Request, forward: Forward) -> httpx.Response:
        if not posting(request):
            return forward(request)
        pair.a = dead
        return httpx.Response(202, json={"transaction": "00" * 32, "status": "pending"})

    pair.a = accept_and_die
    assert pair.sender.send(pay(ledger, 5)).value.amount == 5
    assert len(set(pair.posted)) == 1
    assert ledger.node.account(pair.sender.address).nonce == nonce + 1


def test_one_node_not_knowing_it_is_not_all(ledger: Ledger, pair: Pair) -> None:
    """Accepted by a; b, asked first from then on, knows nothing until it is committed."""

    def pending(request: httpx.Request, forward: Forward) -> httpx.Response:
        if posting(request):
            forward(request)
            return httpx.Response(202, json={"transaction": "00" * 32, "status": "pending"})
        return forward(request)

    def ignorant(request: httpx.Request, forward: Forward) -> httpx.Response:
        return problem(404, "not_found") if asking(request) else forward(request)

    pair.a, pair.b = pending, ignorant
    assert pair.sender.send(pay(ledger, 6)).value.amount == 6
    assert len(pair.posted) == 1


def test_a_refusal_of_the_second_copy_is_not_the_outcome(ledger: Ledger, pair: Pair) -> None:
    def swallow(request: httpx.Request, forward: Forward) -> httpx.Response:
        if posting(request):
            raise httpx.ReadError("reset", request=request)
        return forward(request)

    def refuse(request: httpx.Request, forward: Forward) -> httpx.Response:
        return problem(400, "replayed") if posting(request) else forward(request)

    before = ledger.node.account(pair.sender.address)
    pair.a, pair.b, pair.sender.patience = swallow, refuse, 0.4
    with pytest.raises(OutcomeUnknown) as unknown:
        pair.sender.send(pay(ledger, 7))
    assert "says replayed" in unknown.value.message
    assert len(set(pair.posted)) == 1 and len(pair.posted) > 1
    assert ledger.node.account(pair.sender.address) == before


DROPPED = {"code": "insufficient_funds", "message": "it has too little", "rule": "TX-9"}


def accepting_then(status: int, fields: dict[str, object]) -> Handle:
    """A node that accepts, and then tells `fields` of the transaction."""

    def handle(request: httpx.Request, forward: Forward) -> httpx.Response:
        if posting(request):
            return httpx.Response(202, json={"transaction": "00" * 32, "status": "pending"})
        return httpx.Response(status, json=fields) if asking(request) else forward(request)

    return handle


def test_a_dropped_transaction_is_told_and_not_repeated(ledger: Ledger, pair: Pair) -> None:
    pair.a = accepting_then(200, {"transaction": "00", "status": "dropped", "why": DROPPED})
    with pytest.raises(Dropped) as dropped:
        pair.sender.send(pay(ledger, 8))
    assert (dropped.value.code, dropped.value.rule) == ("dropped", "TX-9")
    assert dropped.value.details["tx"] == dropped.value.transaction
    assert "it has too little" in dropped.value.message
    assert len(pair.posted) == 1


@pytest.mark.parametrize("code", ["insufficient_funds", "nonce_too_high"])
def test_so_is_one_that_was_dropped_while_the_line_was_held(
    ledger: Ledger, pair: Pair, code: str
) -> None:
    def drop(request: httpx.Request, forward: Forward) -> httpx.Response:
        return problem(409, code) if posting(request) else forward(request)

    pair.a = drop
    with pytest.raises(Dropped) as dropped:
        pair.sender.send(pay(ledger, 8))
    assert f"says {code}" in dropped.value.message and len(pair.posted) == 1


def test_what_one_node_dropped_and_another_committed_is_committed(
    ledger: Ledger, pair: Pair
) -> None:
    def drop(request: httpx.Request, forward: Forward) -> httpx.Response:
        response = forward(request)
        if posting(request):
            return problem(409, "replayed")
        return problem(404, "not_found") if asking(request) else response

    pair.a = drop
    assert pair.sender.send(pay(ledger, 9)).value.amount == 9
    assert len(pair.posted) == 1


def test_a_nonce_that_another_transaction_took_is_given_up(ledger: Ledger, pair: Pair) -> None:
    once = iter([True])

    def drop_once(request: httpx.Request, forward: Forward) -> httpx.Response:
        if posting(request) and next(once, False):
            ledger.sender("operator").send(pay(ledger, 1))
            return problem(409, "replayed")
        return forward(request)

    pair.a = drop_once
    nonce = ledger.node.account(pair.sender.address).nonce
    assert pair.sender.send(pay(ledger, 10)).value.amount == 10
    assert ledger.node.account(pair.sender.address).nonce == nonce + 2


def test_the_opening_of_a_dropped_call_is_kept(ledger: Ledger, pair: Pair) -> None:
    pair.a = accepting_then(200, {"transaction": "00", "status": "dropped", "why": DROPPED})
    call = verbs.ledger_transfer(
        to=ledger.address("consumer"), amount=1, attachments=(salted(b"note"),), spends=1
    )

    def opening(transaction: bytes) -> OpeningFile:
        names = ("receipt", "transaction", "model", "licence", "input", "input_salt")
        return OpeningFile(
            **dict.fromkeys(names, transaction.hex()), reference_salt=None, reference=None
        )

    with pytest.raises(Dropped) as dropped:
        send_with_opening(ledger.home, pair.sender, call, opening)
    assert (ledger.home.openings / f"{dropped.value.transaction}.json").exists()
    assert find_opening(ledger.home, "ab" * 32) is None


def test_an_upload_goes_on_through_the_node_that_is_left(ledger: Ledger) -> None:
    posted = iter(range(1_000))

    def dying(request: httpx.Request, forward: Forward) -> httpx.Response:
        if request.url.host == "a.test" and (dying.dead or posting(request)):
            dying.dead = dying.dead or next(posted) == 1
            if dying.dead:
                raise httpx.ConnectError("refused", request=request)
        return forward(request)

    dying.dead = False
    with Node("http://a.test,http://b.test", ledger.transport) as node:
        sender = Sender(node, ledger.sender("publisher").keys, patience=10)
        ledger.transport.fault = dying
        content = os.urandom(CHUNK_BYTES + 1)
        done = upload(sender, content)
        ledger.transport.fault = None
        found = node.artefact(done.digest.hex())
    assert dying.dead and found is not None and found.received == found.chunks > 1


def test_back_pressure_everywhere_reaches_whoever_asked(ledger: Ledger, pair: Pair) -> None:
    def busy(request: httpx.Request, forward: Forward) -> httpx.Response:
        return problem(429, "busy") if posting(request) else forward(request)

    pair.a = pair.b = busy
    with pytest.raises(ClientError) as refused:
        pair.sender.send(pay(ledger, 11))
    assert refused.value.code == "busy" and not isinstance(refused.value, OutcomeUnknown)
