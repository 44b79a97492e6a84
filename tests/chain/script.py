"""A short history with something of everything, the same in every run."""

from __future__ import annotations

import msgspec
import numpy as np

from synnergy.opcodes import erasure, governance, licences, models, oversight, regulation
from synnergy.opcodes import ledger as money
from synnergy.opcodes.flags import DEFAULT_OVERSIGHT
from synnergy.state import records
from tests.chain.market import buy, call, calling, input_attachment, licensed, program_of
from tests.chain.small_models import doubled, linear
from tests.contracts.script import play_contracts
from tests.governance.script import play_governance
from tests.ledger.harness import CONSUMER, DAY, OPERATOR, PUBLISHER, REGULATOR, Ledger, key


def watch(ledger: Ledger, model: bytes) -> None:
    """A flag raised and cleared, a limit met, parameters changed, a period sold and used."""
    for amount in (10, 10, 10, 10, 10, 500):
        ledger.ok(PUBLISHER, "LEDGER_TRANSFER", money.Transfer(CONSUMER.address, amount))
    cleared = oversight.ClearFlags(PUBLISHER.address, ("amount",), "a prize")
    ledger.ok(REGULATOR, "REGULATION_CLEAR_FLAGS", cleared)
    limited = oversight.SetLimit(PUBLISHER.address, 1_000, DAY)
    ledger.ok(REGULATOR, "REGULATION_SET_LIMIT", limited)
    give = money.Transfer(CONSUMER.address, 1_001)
    assert ledger.send(PUBLISHER, "LEDGER_TRANSFER", give).code == "spending_limit"
    lifted = oversight.SetLimit(PUBLISHER.address, None, 0)
    ledger.ok(REGULATOR, "REGULATION_SET_LIMIT", lifted)
    values = msgspec.structs.asdict(DEFAULT_OVERSIGHT) | {"ceiling": 10**13}
    ledger.ok(REGULATOR, "REGULATION_SET_OVERSIGHT", oversight.SetOversight(**values))
    assert ledger.offer(model, 11, period=DAY).status == "ok"
    licence = buy(ledger, model, 0, periods=2)
    for _ in range(2):
        assert ledger.block(call(ledger, model, licence))[0].status == "ok"


def play(ledger: Ledger) -> None:
    """Some thirty transactions: transfers, models, calls good and bad, refusals, refunds."""
    friend = key("friend")
    give = money.Transfer(friend.address, 10**9)
    pair = [
        ledger.envelope(OPERATOR, "LEDGER_TRANSFER", give),
        ledger.envelope(OPERATOR, "LEDGER_TRANSFER", give, nonce=1),
    ]
    assert [result.status for result in ledger.block(*pair, b"\xc1 nonsense")] == [
        "ok",
        "ok",
        "inadmissible",
    ]
    assert ledger.register(friend, "consumer", "publisher").status == "ok"
    model, licence = licensed(ledger, linear(), calls=3)
    assert ledger.block(call(ledger, model, licence))[0].status == "ok"
    carried = input_attachment()[0].reference.commitment
    ledger.ok(CONSUMER, "LEDGER_ERASE", erasure.Erase((carried,), "asked for"))
    ledger.ok(REGULATOR, "REGULATION_SET_RETENTION", erasure.SetRetention(400 * DAY))
    bad = np.full((1, 2), np.nan, np.float32)
    assert ledger.block(call(ledger, model, licence, bad))[0].code == "bad_input"
    twice, data = program_of(
        *(("INFERENCE_INVOKE", calling(model, licence)),) * 2,
        ("LEDGER_TRANSFER", money.Transfer(friend.address, 10**14)),
    )
    result = ledger.send(CONSUMER, "INFERENCE_INVOKE", data, input_attachment(), code=twice)
    assert (result.code, len(result.receipts)) == ("insufficient_funds", 2)
    other = ledger.publish(doubled(), name="other", licence_text="Do no harm.", risk="minimal")
    ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(other, until=ledger.time + 30 * DAY))
    assert ledger.offer(other, 7, lasts=DAY).status == "ok"
    buy(ledger, other, 5)
    spent = buy(ledger, other, 1)
    assert ledger.block(call(ledger, other, spent))[0].status == "ok"
    assert ledger.block(call(ledger, other, spent))[0].code == "exhausted"
    ledger.block(advance=DAY)  # the licence of five calls ends
    watch(ledger, other)
    ledger.ok(REGULATOR, "REGULATION_FREEZE", regulation.Freeze(friend.address, "lost"))
    assert ledger.send(friend, "LEDGER_TRANSFER", give).code == "frozen_wallet"
    ledger.ok(PUBLISHER, "MODEL_WITHDRAW", models.Withdraw(other))
    text = ledger.application.genesis.policy + "\n// second edition\n"
    ledger.ok(REGULATOR, "REGULATION_SET_POLICY", governance.SetPolicy(text))
    buy(ledger, model, 4)
    ledger.ok(REGULATOR, "MODEL_REVOKE", models.Revoke(model, "found wanting"))
    ledger.block()
    offer = records.offers.load(ledger.state, model)
    assert offer is not None
    again = licences.Buy(model, ledger.model(model).digest, offer.id, 1)
    assert ledger.send(CONSUMER, "LICENCE_BUY", again).code == "approval_missing"
    play_contracts(ledger)
    play_governance(ledger)
