"""The SDK against a real ledger, over a line that fails on purpose."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from synnergy.client import nodes, transactions, verbs
from synnergy.client.failures import ClientError, OutcomeUnknown, WrongUse
from synnergy.client.proofs import check_header, check_proof, prove_balance
from synnergy.client.transactions import Sender, Signing, encode_arguments
from synnergy.identity.address import encode_address
from synnergy.opcodes.ledger import Transfer
from synnergy.wire.types import MAX_INTEGER
from tests.client.conftest import Ledger


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(transactions, "NONCE_PAUSES", (0.01, 0.05, 0.2))


def pay(ledger: Ledger, amount: int = 1):
    target = ledger.address("consumer")
    return verbs.ledger_transfer(to=target, amount=amount, spends=amount)


def posting(request: httpx.Request) -> bool:
    return (request.method, request.url.path) == ("POST", "/v1/transactions")


def test_a_transfer_is_charged_what_was_quoted(ledger: Ledger) -> None:
    operator = ledger.sender("operator")
    before = ledger.node.account(ledger.address("consumer")).balance
    quote = operator.quote(pay(ledger, 70))
    sent = operator.send(pay(ledger, 70))
    assert sent.gas_used == quote.gas and sent.fee == quote.fee
    assert sent.value.amount == 70
    assert ledger.node.account(ledger.address("consumer")).balance == before + 70
    found = ledger.node.transaction(sent.transaction)
    assert found is not None and found.height == sent.height and found.body is not None
    assert found.body["verbs"][0]["name"] == "LEDGER_TRANSFER"


def test_what_is_signed_is_shown_first(ledger: Ledger) -> None:  # CLIENT-15
    seen: list[Signing] = []
    operator = ledger.sender("operator")
    Sender(ledger.node, operator.keys, seen.append).send(pay(ledger, 3))
    assert [shown.call.opcode for shown in seen] == ["LEDGER_TRANSFER"]
    assert seen[0].quote.gas > 0


def test_a_refusal_that_is_known_beforehand_costs_nothing(ledger: Ledger) -> None:
    consumer = ledger.sender("consumer")
    balance = ledger.node.account(consumer.address).balance
    with pytest.raises(ClientError) as refused:
        consumer.send(pay(ledger, balance * 2))
    assert refused.value.rule == "LEDGER-2" and "tx" not in refused.value.details
    assert ledger.node.account(consumer.address).balance == balance


def test_a_refusal_in_a_block_tells_the_transaction_and_the_fee(ledger: Ledger) -> None:
    consumer = ledger.sender("consumer")
    call = verbs.model_commit(digest=bytes(32), size=1, chunks=(bytes(32),))
    with pytest.raises(ClientError) as refused:
        consumer.send(call)
    assert (refused.value.rule, refused.value.code) == ("POL-1", "policy_denied")
    assert refused.value.details["fee"] > 0  # type: ignore[operator]
    assert ledger.node.transaction(str(refused.value.details["tx"])) is not None


def test_everything_can_be_spent(ledger: Ledger) -> None:
    """The gas limit's margin must not stand in the way of the last unit."""
    poor = ledger.sender("publisher")
    balance = ledger.node.account(poor.address).balance
    fee = poor.quote(pay(ledger, balance // 2)).fee
    sent = poor.send(pay(ledger, balance - fee))
    assert ledger.node.account(poor.address).balance == 0 and sent.fee == fee
    ledger.sender("operator").send(
        verbs.ledger_transfer(to=poor.address, amount=balance, spends=balance)
    )


def test_another_transaction_of_the_sender_was_faster(ledger: Ledger) -> None:
    operator = ledger.sender("operator")
    stale = {"left": 2}

    def behind(request: httpx.Request, forward) -> httpx.Response:
        response = forward(request)
        if request.url.path.startswith("/v1/accounts/") and stale["left"]:
            response.read()
            fields = response.json()
            fields["nonce"] -= stale["left"]
            stale["left"] -= 1
            return httpx.Response(200, json=fields)
        return response

    operator.send(pay(ledger))
    operator.send(pay(ledger))
    ledger.transport.fault = behind
    sent = operator.send(pay(ledger, 5))
    assert sent.value.amount == 5 and stale["left"] == 0


def test_an_answer_that_was_lost_is_found_again(ledger: Ledger) -> None:  # CLIENT-4
    operator = ledger.sender("operator")
    before = ledger.node.account(operator.address).nonce

    def lose_the_answer(request: httpx.Request, forward) -> httpx.Response:
        response = forward(request)
        if posting(request):
            raise httpx.ReadTimeout("late", request=request)
        return response

    ledger.transport.fault = lose_the_answer
    sent = operator.send(pay(ledger, 9))
    assert sent.value.amount == 9
    assert ledger.node.account(operator.address).nonce == before + 1


@pytest.mark.parametrize("failure", ["timeout", "halted", "broken"])
def test_an_unknown_outcome_names_the_transaction_and_is_not_repeated(
    ledger: Ledger, failure: str
) -> None:
    operator = ledger.sender("operator")
    impatient = Sender(ledger.node, operator.keys, patience=0.2)
    posted: list[httpx.Request] = []

    def swallow(request: httpx.Request, forward) -> httpx.Response:
        if not posting(request):
            return forward(request)
        posted.append(request)
        if failure == "timeout":
            raise httpx.ReadTimeout("late", request=request)
        error = {"code": failure, "message": "m", "rule": "ENG-1"}
        return httpx.Response(503 if failure == "halted" else 500, json={"error": error})

    before = ledger.node.account(operator.address)
    ledger.transport.fault = swallow
    with pytest.raises(OutcomeUnknown) as unknown:
        impatient.send(pay(ledger))
    assert len(unknown.value.transaction) == 64
    assert unknown.value.details["tx"] == unknown.value.transaction
    assert len({request.read() for request in posted}) == 1
    ledger.transport.fault = None
    assert ledger.node.account(operator.address) == before


def test_a_pending_transaction_is_followed_through_broken_lines(ledger: Ledger) -> None:
    operator = ledger.sender("operator")
    broken = {"left": 2}

    def flaky(request: httpx.Request, forward) -> httpx.Response:
        if posting(request):
            request = httpx.Request(
                "POST",
                request.url.copy_merge_params({"wait": "0"}),
                headers=request.headers,
                content=request.read(),
            )
        elif request.url.path.startswith("/v1/transactions/") and broken["left"]:
            broken["left"] -= 1
            raise httpx.ReadError("reset", request=request)
        return forward(request)

    ledger.transport.fault = flaky
    assert operator.send(pay(ledger, 4)).value.amount == 4


def test_ctrl_c_after_handing_over_is_an_unknown_outcome(ledger: Ledger) -> None:
    def interrupted(request: httpx.Request, forward) -> httpx.Response:
        if posting(request):
            raise KeyboardInterrupt
        return forward(request)

    ledger.transport.fault = interrupted
    with pytest.raises(OutcomeUnknown):
        ledger.sender("operator").send(pay(ledger))


@pytest.mark.parametrize("amount", [-1, MAX_INTEGER + 1, 2**64, 2**200])
def test_arguments_out_of_range_never_leave(amount: int) -> None:
    with pytest.raises(WrongUse):
        encode_arguments(Transfer(to="syn1" + "q" * 38, amount=amount))


# ---- proofs (CLIENT-12) -------------------------------------------------------------------------


def test_a_balance_is_proved(ledger: Ledger) -> None:
    ledger.sender("operator").send(pay(ledger))
    address = ledger.address("consumer")
    proven = prove_balance(ledger.node, ledger.genesis, address)
    assert proven.balance == ledger.node.account(address).balance
    nobody = encode_address(bytes(20))
    assert prove_balance(ledger.node, ledger.genesis, nobody).balance == 0


def test_the_first_state_follows_from_the_genesis(ledger: Ledger) -> None:
    beginning = ledger.node.block(0)
    assert check_header(beginning, ledger.genesis).hex() == beginning.app_hash


@pytest.mark.parametrize(
    ("path", "field", "change"),
    [
        ("/v1/state/", "proof", lambda value: value[:-2] + ("00" if value[-2:] != "00" else "01")),
        ("/v1/state/", "proof", lambda _value: "zz"),
        ("/v1/state/", "proof", lambda _value: None),
        ("/v1/blocks/", "app_hash", lambda value: "00" * 32),
        ("/v1/blocks/", "time", lambda value: value + 1),
        ("/v1/blocks/", "signature", lambda value: value[:-2] + "00"),
        ("/v1/blocks/", "previous", lambda value: "not hex"),
    ],
)
def test_a_node_that_lies_about_a_balance_is_caught(
    ledger: Ledger, path: str, field: str, change
) -> None:
    def lie(request: httpx.Request, forward) -> httpx.Response:
        response = forward(request)
        if not request.url.path.startswith(path):
            return response
        response.read()
        fields = response.json()
        fields[field] = change(fields[field])
        return httpx.Response(200, json=fields)

    ledger.sender("operator").send(pay(ledger))
    ledger.transport.fault = lie
    with pytest.raises(ClientError) as caught:
        prove_balance(ledger.node, ledger.genesis, ledger.address("consumer"))
    assert caught.value.code == "unproven"


def test_the_proof_of_another_key_is_no_proof(ledger: Ledger) -> None:
    """A true proof of the rich operator's balance, given for the consumer's."""
    operator = ledger.address("operator")

    def substitute(request: httpx.Request, forward) -> httpx.Response:
        if request.url.path.startswith("/v1/state/accounts/"):
            request = httpx.Request(
                "GET", f"{ledger.node.url}/v1/state/accounts/{operator}?prove=1"
            )
        return forward(request)

    ledger.transport.fault = substitute
    with pytest.raises(ClientError) as caught:
        prove_balance(ledger.node, ledger.genesis, ledger.address("consumer"))
    assert caught.value.code == "unproven"


def test_every_flipped_bit_of_a_proof_is_caught(ledger: Ledger) -> None:
    reply = ledger.node.state("accounts", ledger.address("consumer"))
    root = check_header(ledger.node.block(reply.height), ledger.genesis)
    content = bytes.fromhex(reply.proof or "")
    assert check_proof(reply, root).value is not None
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        with pytest.raises(ClientError):
            check_proof(msgspec.structs.replace(reply, proof=changed.hex()), root)
