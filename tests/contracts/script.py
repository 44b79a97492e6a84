"""Contracts' part of the history that is recorded: it is the same in every run."""

from __future__ import annotations

from synnergy.opcodes.contracts import Deploy
from synnergy.opcodes.ledger import Transfer
from synnergy.wire.codec import encode
from tests.chain.market import buying, calling, input_attachment
from tests.chain.small_models import linear
from tests.contracts.puppet import (
    BUY,
    CALL,
    DEPLOY,
    EVENT,
    INVOKE,
    REVERT,
    SPIN,
    TRANSFER,
    TRAP,
    WRITE,
    puppet,
    step,
)
from tests.contracts.support import answer, ask, call, deploy
from tests.ledger.harness import CONSUMER, OPERATOR, REGULATOR, Ledger


def play_contracts(ledger: Ledger) -> None:
    """Some ten transactions: contracts that keep, pay, call, fail, deploy, buy and invoke."""
    ledger.register(OPERATOR, "consumer", "operator")
    outer, inner = deploy(ledger), deploy(ledger)
    pay = step(TRANSFER, encode(Transfer(CONSUMER.address, 40)))
    answer(call(ledger, inner, step(WRITE, b"kvalue"), step(EVENT, b"kept"), amount=100))
    failing = (step(WRITE, b"kother"), pay, step(EVENT, b"gone"))
    for ending in (step(REVERT, b"no"), step(TRAP), step(SPIN)):
        caught = step(CALL, ask(inner, *failing, ending, gas=200_000, catch=True))
        answer(call(ledger, outer, caught, step(WRITE, b"a" + ending)))
    uncaught = step(CALL, ask(inner, *failing, step(TRAP)))
    assert call(ledger, outer, uncaught, gas_limit=500_000).status == "refused"
    answer(
        call(ledger, outer, step(CALL, ask(inner, pay)), step(DEPLOY, encode(Deploy(puppet()))))
    )
    assert call(ledger, inner, step(SPIN), gas_limit=300_000).code == "out_of_gas"
    model = ledger.publish(linear("contracts"), name="for-contracts")
    ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    assert ledger.offer(model, 9).status == "ok"
    bought = call(ledger, outer, step(BUY, encode(buying(ledger, model, 2))), amount=50)
    event = next(one for one in bought.events if one.name == "licence.bought")
    licence = bytes.fromhex(event.attributes["licence"])
    invoke = step(INVOKE, encode(calling(model, licence)))
    once = step(CALL, ask(outer, invoke, step(TRAP), gas=5_000_000, catch=True))
    settled = call(ledger, outer, once, invoke, attachments=input_attachment())
    assert answer(settled).ok and len(settled.receipts) == 2
