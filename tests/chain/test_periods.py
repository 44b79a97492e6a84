"""MKT-10: a period's price goes to the publisher with its first call; the rest comes back."""

from __future__ import annotations

import pytest

from synnergy.opcodes import licences, models, regulation
from synnergy.pipeline import TransactionResult
from synnergy.state import records
from synnergy.vm.program import instruction
from tests.chain.market import buy, buying, call, calling, input_attachment, program_of
from tests.chain.small_models import linear
from tests.chain.test_settlement import receipt_of
from tests.ledger.harness import CONSUMER, DAY, PUBLISHER, REGULATOR, Ledger

PRICE = 700
TRAP = (instruction("CORE_UNREACHABLE"),)


def on_sale(ledger: Ledger, period: int = DAY, price: int = PRICE) -> bytes:
    model = ledger.publish(linear())
    ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    assert ledger.offer(model, price, period=period).status == "ok"
    return model


def licence_of(ledger: Ledger, identifier: bytes) -> records.Licence:
    found = records.licences.load(ledger.state, identifier)
    assert found is not None
    return found


def called(
    ledger: Ledger, model: bytes, licence: bytes, at: int | None = None
) -> TransactionResult:
    """A call in a block at time `at`, or in the next one."""
    advance = 1 if at is None else at - ledger.time
    return ledger.block(call(ledger, model, licence), advance=advance)[0]


def prices(ledger: Ledger, result: TransactionResult) -> list[int]:
    return [receipt_of(ledger, identifier).price for identifier in result.receipts]


def test_the_first_call_of_each_period_pays(ledger: Ledger) -> None:
    model = on_sale(ledger)
    licence = buy(ledger, model, 0, periods=3)
    bought = licence_of(ledger, licence)
    assert (bought.escrow, bought.expires) == (3 * PRICE, bought.bought + 3 * DAY)
    publisher = ledger.balance(PUBLISHER.address)
    at = (
        (bought.bought + 5, PRICE),
        (bought.bought + DAY - 1, 0),
        (bought.bought + DAY, PRICE),
        (bought.bought + DAY + 1, 0),
        (bought.bought + 3 * DAY - 1, PRICE),
    )
    paid = 0
    for moment, price in at:
        result = called(ledger, model, licence, moment)
        assert (result.status, prices(ledger, result)) == ("ok", [price])
        paid += price
        assert ledger.balance(PUBLISHER.address) == publisher + paid
    last = licence_of(ledger, licence)
    assert (last.used, last.settled, last.escrow, last.status) == (5, 3, 0, "open")
    ended = called(ledger, model, licence, bought.bought + 3 * DAY)
    assert ended.code == "licence_expired"
    assert licence_of(ledger, licence).status == "expired"
    stats = records.stats.load(ledger.state, model)
    assert stats is not None and (stats.calls, stats.revenue) == (5, 3 * PRICE)


def test_periods_without_a_call_come_back(ledger: Ledger) -> None:
    model = on_sale(ledger)
    licence = buy(ledger, model, 0, periods=4)
    called(ledger, model, licence)
    called(ledger, model, licence, licence_of(ledger, licence).bought + 2 * DAY)
    consumer = ledger.balance(CONSUMER.address)
    assert licence_of(ledger, licence).escrow == 2 * PRICE, "also of the period that passed"
    ledger.block(advance=2 * DAY)
    assert ledger.balance(CONSUMER.address) == consumer + 2 * PRICE
    assert licence_of(ledger, licence).status == "expired"


@pytest.mark.parametrize("how", ["withdraw", "revoke", "freeze"])
def test_a_closed_model_refunds_unsettled_periods(ledger: Ledger, how: str) -> None:
    """MKT-8: the period at hand, too, where no call was made in it."""
    model = on_sale(ledger)
    paying, waiting = buy(ledger, model, 0, periods=3), buy(ledger, model, 0, periods=3)
    called(ledger, model, paying)
    if how == "withdraw":
        ledger.ok(PUBLISHER, "MODEL_WITHDRAW", models.Withdraw(model))
    elif how == "revoke":
        ledger.ok(REGULATOR, "MODEL_REVOKE", models.Revoke(model, "tested"))
    else:
        frozen = regulation.Freeze(PUBLISHER.address, "tested")
        ledger.ok(REGULATOR, "REGULATION_FREEZE", frozen)
    before = ledger.balance(CONSUMER.address)
    ledger.block()
    assert ledger.balance(CONSUMER.address) == before + 5 * PRICE
    assert {licence_of(ledger, one).status for one in (paying, waiting)} == {"closed"}


def test_a_settled_period_outlives_its_transaction(ledger: Ledger) -> None:
    """MKT-6: two calls, then a trap; the period is paid once, and stays paid."""
    model = on_sale(ledger)
    licence = buy(ledger, model, 0, periods=2)
    publisher = ledger.balance(PUBLISHER.address)
    steps = (("INFERENCE_INVOKE", calling(model, licence)),) * 2
    code, data = program_of(*steps, ending=TRAP)
    result = ledger.send(CONSUMER, "", data, input_attachment(), code=code, gas_limit=300_000)
    assert (result.code, prices(ledger, result)) == ("unreachable", [PRICE, 0])
    assert ledger.balance(PUBLISHER.address) == publisher + PRICE
    kept = licence_of(ledger, licence)
    assert (kept.used, kept.settled, kept.escrow) == (2, 1, PRICE)
    assert prices(ledger, called(ledger, model, licence)) == [0]


def test_a_failed_call_settles_no_period(ledger: Ledger) -> None:
    model = on_sale(ledger)
    licence = buy(ledger, model, 0, periods=2)
    good = called(ledger, model, licence)
    at = licence_of(ledger, licence).bought + DAY
    raw = call(ledger, model, licence, gas_limit=good.gas_used - 100)
    assert ledger.block(raw, advance=at - ledger.time)[0].code == "out_of_gas"
    assert licence_of(ledger, licence).escrow == PRICE


def test_an_offer_sells_one_thing(ledger: Ledger) -> None:
    model = on_sale(ledger)
    digest = ledger.model(model).digest
    for per_call, per_period, period in ((5, 5, DAY), (5, 0, DAY), (0, 5, 0), (0, 5, 999)):
        arguments = models.PutOffer(model, digest, per_call, 100, DAY, per_period, period)
        refused = ledger.send(PUBLISHER, "MODEL_OFFER", arguments)
        assert (refused.rule, refused.code) == ("MKT-10", "bad_offer")
    for calls, periods in ((1, 0), (0, 0), (1, 1)):
        refused = ledger.send(CONSUMER, "LICENCE_BUY", buying(ledger, model, calls, periods))
        assert (refused.rule, refused.code) == ("MKT-10", "not_what_is_sold")
    decade = buying(ledger, model, 0, 3_661)
    assert ledger.send(CONSUMER, "LICENCE_BUY", decade).code == "too_many_periods"
    assert buy(ledger, model, 0, periods=3_660)
    assert ledger.offer(model, PRICE).status == "ok"
    for calls, periods in ((0, 1), (0, 0), (1, 1)):
        refused = ledger.send(CONSUMER, "LICENCE_BUY", buying(ledger, model, calls, periods))
        assert (refused.rule, refused.code) == ("MKT-10", "not_what_is_sold")


def test_no_total_is_too_large_to_be_refused(ledger: Ledger) -> None:
    """More than any amount that state could hold."""
    model = on_sale(ledger, period=1_000, price=2**53 - 1)
    for periods in (2, 10**8):
        refused = ledger.send(CONSUMER, "LICENCE_BUY", buying(ledger, model, 0, periods))
        assert refused.code == "insufficient_funds"
    assert ledger.offer(model, 2**53 - 1).status == "ok"
    huge = licences.Buy(
        model,
        ledger.model(model).digest,
        buying(ledger, model, 1).offer,
        10**9,
    )
    assert ledger.send(CONSUMER, "LICENCE_BUY", huge).code == "insufficient_funds"


def test_a_period_for_nothing(ledger: Ledger) -> None:
    model = on_sale(ledger, price=0)
    licence = buy(ledger, model, 0, periods=1)
    result = called(ledger, model, licence)
    assert prices(ledger, result) == [0]
    assert licence_of(ledger, licence).settled == 1
