"""OVR-10, OVR-11: what may leave a wallet in a period."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synnergy.opcodes import artefacts, oversight
from synnergy.opcodes import ledger as money
from synnergy.opcodes.activity import present_limit
from synnergy.state import records
from synnergy.vm.program import instruction
from tests.chain.market import buy, buying, program_of
from tests.chain.small_models import linear
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, REGULATOR, SECOND, Ledger
from tests.oversight.support import HOUR, SHOP, configure, limit, pay


def spent(ledger: Ledger, wallet: str = CONSUMER.address) -> int:
    known = records.activities.load(ledger.state, wallet)
    assert known is not None and known.limit is not None
    return present_limit(known.limit, ledger.time).spent


def refused(ledger: Ledger, amount: int) -> str:
    result = ledger.send(CONSUMER, "LEDGER_TRANSFER", money.Transfer(SHOP.address, amount))
    assert (result.rule, result.code) == ("OVR-11", "spending_limit"), result.code
    return result.message


def test_up_to_the_limit_and_no_unit_more(ledger: Ledger) -> None:
    limit(ledger, CONSUMER, 1_000)
    start = ledger.time
    pay(ledger, [400, 599], CONSUMER)
    message = refused(ledger, 2)
    for figure in ("1000", "period of 1 h", "999 is spent", "1 is left", str(start + HOUR)):
        assert figure in message
    pay(ledger, [1], CONSUMER)
    refused(ledger, 1)
    pay(ledger, [0], CONSUMER)
    pay(ledger, [10**6], CONSUMER, to=CONSUMER)
    assert spent(ledger) == 1_000


def test_a_period_renews_to_the_millisecond(ledger: Ledger) -> None:
    limit(ledger, CONSUMER, 1_000)
    start = ledger.time
    pay(ledger, [1_000], CONSUMER)
    ledger.block(advance=start + HOUR - 1_001 - ledger.time)
    refused(ledger, 1)  # a millisecond before the end
    assert ledger.time == start + HOUR - 1
    raw = ledger.envelope(CONSUMER, "LEDGER_TRANSFER", money.Transfer(SHOP.address, 1_000))
    assert ledger.block(raw, advance=1)[0].status == "ok"
    refused(ledger, 1)
    ledger.block(advance=5 * HOUR + 7)
    pay(ledger, [1_000], CONSUMER)
    known = records.activities.load(ledger.state, CONSUMER.address)
    assert known is not None and known.limit is not None
    assert (known.limit.start - start) % HOUR == 0, "periods stay where they were"


def test_a_failed_transaction_spends_nothing(ledger: Ledger) -> None:
    limit(ledger, CONSUMER, 1_000)
    give = money.Transfer(SHOP.address, 900)
    trap = (instruction("CORE_UNREACHABLE"),)
    code, data = program_of(("LEDGER_TRANSFER", give), ending=trap)
    result = ledger.send(CONSUMER, "", data, code=code, gas_limit=100_000)
    assert result.code == "unreachable"
    assert spent(ledger) == 0
    code, data = program_of(*(("LEDGER_TRANSFER", give),) * 2)
    result = ledger.send(CONSUMER, "", data, code=code)
    assert result.code == "spending_limit", "both are counted within one transaction"
    assert spent(ledger) == 0
    pay(ledger, [1_000], CONSUMER)


def test_purchases_and_deposits_are_spending(ledger: Ledger) -> None:
    model = ledger.publish(linear())
    ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    assert ledger.offer(model, 100).status == "ok"
    limit(ledger, CONSUMER, 1_000)
    buy(ledger, model, 9)
    result = ledger.send(CONSUMER, "LICENCE_BUY", buying(ledger, model, 2))
    assert result.code == "spending_limit"
    assert spent(ledger) == 900
    limit(ledger, PUBLISHER, artefacts.DEPOSIT_PER_CHUNK)
    for name, code in ((b"one", ""), (b"two", "spending_limit")):
        digest = hashlib.sha256(name).digest()
        arguments = artefacts.Commit(digest, 3, (digest,))
        assert ledger.send(PUBLISHER, "MODEL_COMMIT", arguments).code == code
    assert spent(ledger, PUBLISHER.address) == artefacts.DEPOSIT_PER_CHUNK


def test_fees_are_no_spending(ledger: Ledger) -> None:
    limit(ledger, CONSUMER, 0)
    refused(ledger, 1)
    pay(ledger, [0], CONSUMER)
    assert spent(ledger) == 0


def test_a_limit_is_changed_and_lifted(ledger: Ledger) -> None:
    limit(ledger, CONSUMER, 1_000)
    start = ledger.time
    pay(ledger, [800], CONSUMER)
    limit(ledger, CONSUMER, 900)
    refused(ledger, 101)
    limit(ledger, CONSUMER, 500)
    assert "0 is left" in refused(ledger, 1)
    known = records.activities.load(ledger.state, CONSUMER.address)
    assert known is not None and known.limit is not None and known.limit.start == start
    limit(ledger, CONSUMER, 500, period=2 * HOUR)
    pay(ledger, [500], CONSUMER)
    limit(ledger, CONSUMER, None)
    pay(ledger, [10**6], CONSUMER)


def test_who_limits_whom(ledger: Ledger) -> None:
    arguments = oversight.SetLimit(CONSUMER.address, 1, HOUR)
    for who in (CONSUMER, OPERATOR):
        assert ledger.send(who, "REGULATION_SET_LIMIT", arguments).rule == "POL-1"
    unknown = oversight.SetLimit(SHOP.address, 1, HOUR)
    result = ledger.send(REGULATOR, "REGULATION_SET_LIMIT", unknown)
    assert (result.rule, result.code) == ("OVR-10", "unregistered")
    short = oversight.SetLimit(CONSUMER.address, 1, 999)
    assert ledger.send(REGULATOR, "REGULATION_SET_LIMIT", short).code == "bad_period"
    limit(ledger, CONSUMER, 1)
    ledger.ok(SECOND, "REGULATION_SET_LIMIT", oversight.SetLimit(CONSUMER.address, None, 0))
    pay(ledger, [2], CONSUMER)


def test_figures_and_limit_live_beside_each_other(ledger: Ledger) -> None:
    configure(ledger, ceiling=100)
    pay(ledger, [10] * 3, CONSUMER)
    limit(ledger, CONSUMER, 1_000)
    pay(ledger, [10] * 2, CONSUMER)
    known = records.activities.load(ledger.state, CONSUMER.address)
    assert known is not None and known.payments == 5
    pay(ledger, [101], CONSUMER)
    wallet = records.wallets.load(ledger.state, CONSUMER.address)
    assert wallet is not None and wallet.flags == ("amount", "ceiling")
    assert spent(ledger) == 121


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 700), st.sampled_from([1, 1_000, HOUR // 3, HOUR, 3 * HOUR])),
        min_size=1,
        max_size=12,
    )
)
@pytest.mark.parametrize("amount", [1_000])
def test_no_period_sees_more_than_its_limit(
    ledger: Ledger, amount: int, steps: list[tuple[int, int]]
) -> None:
    """Against a plain list of payments."""
    limit(ledger, CONSUMER, None)
    limit(ledger, CONSUMER, amount)
    start = ledger.time
    paid: dict[int, int] = {}
    for wanted, advance in steps:
        raw = ledger.envelope(CONSUMER, "LEDGER_TRANSFER", money.Transfer(SHOP.address, wanted))
        (result,) = ledger.block(raw, advance=advance)
        period = (ledger.time - start) // HOUR
        fits = paid.get(period, 0) + wanted <= amount
        assert (result.status == "ok") == fits
        if fits:
            paid[period] = paid.get(period, 0) + wanted
