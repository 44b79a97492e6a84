"""REG-5, REG-11: regulators are replaced by m of n, and who left has no say."""

from __future__ import annotations

import pytest

from synnergy.identity.keys import KeyPair
from synnergy.opcodes import governance, regulation
from synnergy.opcodes import ledger as money
from synnergy.state import records
from tests.chain.market import buying
from tests.chain.small_models import linear
from tests.governance.support import agreement, members, reason, rotate, wallet
from tests.ledger.harness import (
    CONSUMER,
    DAY,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SECOND,
    Ledger,
    genesis,
    key,
)

SET = "REGULATION_SET_REGULATORS"
THIRD = key("third")


def regulators(ledger: Ledger) -> set[str]:
    return set(ledger.application.governance().regulators)


def test_m_of_n_appoint_and_roles_follow(pair: Ledger) -> None:
    assert pair.register(THIRD, "consumer").status == "ok"
    arguments = members(SECOND, THIRD, threshold=2)
    first = agreement(pair.send(REGULATOR, SET, arguments))
    assert (first.agreed, first.threshold, first.carried_out) == (1, 2, False)
    assert regulators(pair) == {REGULATOR.address, SECOND.address}
    second = agreement(pair.send(SECOND, SET, arguments))
    assert second.carried_out and second.proposal == first.proposal
    assert regulators(pair) == {SECOND.address, THIRD.address}
    assert wallet(pair, THIRD).roles == ("consumer", "regulator")
    assert wallet(pair, REGULATOR).roles == ()
    assert records.proposals.scan(pair.state) == []
    assert pair.register(key("late"), "consumer", by=REGULATOR).code == "policy_denied"
    assert pair.register(key("late"), "consumer", by=THIRD).status == "ok"


def test_a_regulator_who_left_has_no_yes_in_what_waits(pair: Ledger) -> None:
    """Its yes to a proposal counted while it was one; one more is needed after it left."""
    assert pair.register(THIRD, "consumer").status == "ok"
    text = governance.SetPolicy(genesis().policy + "\n// next\n")
    agreement(pair.send(REGULATOR, "REGULATION_SET_POLICY", text))
    for regulator in (REGULATOR, SECOND):
        pair.ok(regulator, SET, members(SECOND, THIRD, threshold=2))
    left = pair.send(REGULATOR, "REGULATION_SET_POLICY", text)
    assert reason(left) == ("refused", "REG-5", "not_a_regulator")
    one = agreement(pair.send(SECOND, "REGULATION_SET_POLICY", text))
    assert (one.agreed, one.carried_out) == (1, False)
    assert agreement(pair.send(THIRD, "REGULATION_SET_POLICY", text)).carried_out


def test_a_proposal_is_one_whoever_began_it(pair: Ledger) -> None:
    begun = agreement(pair.send(SECOND, SET, members(REGULATOR, SECOND)))
    assert pair.send(SECOND, SET, members(REGULATOR, SECOND)).code == "already_agreed"
    other = agreement(pair.send(SECOND, SET, members(REGULATOR, SECOND, threshold=2)))
    assert other.proposal != begun.proposal
    done = agreement(pair.send(REGULATOR, SET, members(REGULATOR, SECOND)))
    assert done.proposal == begun.proposal and done.carried_out
    assert pair.application.governance().threshold == 1


def test_a_lower_threshold_frees_what_has_enough(pair: Ledger) -> None:
    """Whoever asks again is told no, except where its yes has become enough."""
    text = governance.SetPolicy(genesis().policy + "\n// next\n")
    pair.ok(SECOND, "REGULATION_SET_POLICY", text)
    assert pair.send(SECOND, "REGULATION_SET_POLICY", text).code == "already_agreed"
    for regulator in (REGULATOR, SECOND):
        pair.ok(regulator, SET, members(REGULATOR, SECOND))
    assert agreement(pair.send(SECOND, "REGULATION_SET_POLICY", text)).carried_out


def test_proposals_expire(pair: Ledger) -> None:
    arguments = members(REGULATOR, SECOND)
    pair.ok(REGULATOR, SET, arguments)
    pair.block(advance=30 * DAY)
    assert records.proposals.scan(pair.state) == []
    assert agreement(pair.send(SECOND, SET, arguments)).agreed == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (members(REGULATOR, threshold=2), "bad_threshold"),
        (members(REGULATOR, SECOND, threshold=64), "bad_threshold"),
        (members(REGULATOR, THIRD), "unfit_regulator"),
        (members(REGULATOR, PUBLISHER), "unfit_regulator"),
        (members(REGULATOR, CONSUMER), "unfit_regulator"),
        (governance.SetRegulators((SECOND.address, SECOND.address), 1), "bad_regulators"),
        (
            governance.SetRegulators(
                tuple(sorted((REGULATOR.address, SECOND.address), reverse=True)), 1
            ),
            "bad_regulators",
        ),
    ],
)
def test_who_cannot_be_a_regulator(
    ledger: Ledger, arguments: governance.SetRegulators, code: str
) -> None:
    """Unregistered, frozen, deregistered; and more to agree than there are."""
    ledger.ok(REGULATOR, "REGULATION_FREEZE", regulation.Freeze(PUBLISHER.address, ""))
    ledger.ok(REGULATOR, "REGULATION_DEREGISTER", regulation.Deregister(CONSUMER.address, ""))
    assert reason(ledger.send(REGULATOR, SET, arguments)) == ("refused", "REG-11", code)
    assert regulators(ledger) == {REGULATOR.address, SECOND.address}


@pytest.mark.parametrize("threshold", [0, 65, -1])
def test_impossible_thresholds_do_not_decode(ledger: Ledger, threshold: int) -> None:
    arguments = members(REGULATOR, SECOND, threshold=threshold)
    assert ledger.send(REGULATOR, SET, arguments).code == "malformed"
    assert ledger.send(REGULATOR, SET, governance.SetRegulators((), 1)).code == "malformed"


def test_a_joiner_whose_key_nobody_knows_is_refused(tmp_path) -> None:
    from msgspec.structs import replace

    wallets = tuple(
        replace(known, public_key="") if known.address == PUBLISHER.address else known
        for known in genesis().wallets
    )
    ledger = Ledger(tmp_path / "data", genesis(wallets=wallets))
    arguments = members(REGULATOR, PUBLISHER)
    assert ledger.send(REGULATOR, SET, arguments).code == "unfit_regulator"
    assert ledger.register(PUBLISHER, "publisher").status == "ok"
    ledger.ok(REGULATOR, SET, arguments)
    ledger.close()


def test_regulators_the_policy_set_locks_out_are_refused(ledger: Ledger) -> None:
    """POL-14: a set that names persons keeps them in."""
    text = genesis().policy + (
        '\n@id("the-first") @advice("the first regulator alone") forbid (principal,'
        f' action == Action::"set_policy", resource) unless {{ principal == Wallet::"'
        f'{REGULATOR.address}" }};\n'
    )
    ledger.ok(SECOND, "REGULATION_SET_POLICY", governance.SetPolicy(text))
    refused = ledger.send(SECOND, SET, members(SECOND))
    assert reason(refused) == ("refused", "POL-14", "policy_locks_out")
    assert "the-first" in refused.message
    ledger.ok(SECOND, SET, members(REGULATOR))


def test_strangers_set_nothing(ledger: Ledger) -> None:
    for verb, arguments in (
        (SET, members(CONSUMER)),
        ("REGULATION_SET_FEES", governance.SetFees(0, CONSUMER.address)),
        ("REGULATION_SET_PROTOCOL", governance.SetProtocol(2, 1_000)),
    ):
        refused = ledger.send(CONSUMER, verb, arguments)
        assert reason(refused) == ("refused", "REG-5", "not_a_regulator")


def test_approvals_of_who_left_do_not_count(ledger: Ledger) -> None:
    """REG-7, REG-11"""
    model = ledger.publish(linear())
    ledger.ok(SECOND, "MODEL_APPROVE", ledger.approval(model))
    assert ledger.offer(model).status == "ok"
    buy = buying(ledger, model, 1)
    assert ledger.send(CONSUMER, "LICENCE_BUY", buy).status == "ok"
    ledger.ok(SECOND, SET, members(REGULATOR))
    assert ledger.send(CONSUMER, "LICENCE_BUY", buy).code == "approval_missing"
    assert ledger.send(SECOND, "MODEL_APPROVE", ledger.approval(model)).code == "policy_denied"
    ledger.ok(REGULATOR, SET, members(REGULATOR, SECOND))
    assert ledger.send(CONSUMER, "LICENCE_BUY", buy).status == "ok"


def test_a_new_regulator_acts_without_funds(ledger: Ledger) -> None:
    """TX-9: the fee account pays for it, and for nobody who left."""
    assert ledger.register(THIRD, "consumer").status == "ok"
    assert ledger.register(key("x"), "consumer", by=THIRD).code == "insufficient_funds"
    ledger.ok(REGULATOR, SET, members(REGULATOR, THIRD))
    supply = ledger.balance(OPERATOR.address)
    assert ledger.register(key("x"), "consumer", by=THIRD).status == "ok"
    assert ledger.balance(OPERATOR.address) == supply
    ledger.ok(REGULATOR, SET, members(REGULATOR))
    assert ledger.register(key("y"), "consumer", by=THIRD).code == "insufficient_funds"


def test_a_regulator_replaced_mid_block_does_nothing_after_it(ledger: Ledger) -> None:
    replace = ledger.envelope(SECOND, SET, members(SECOND))
    late = ledger.envelope(
        REGULATOR, "REGULATION_FREEZE", regulation.Freeze(SECOND.address, "revenge")
    )
    done = ledger.block(replace, late)
    assert [result.status for result in done] == ["ok", "refused"]


# ---- fees ----------------------------------------------------------------------------------


def test_fees_change_from_the_next_transaction_on(ledger: Ledger) -> None:
    """REG-12"""
    give = money.Transfer(PUBLISHER.address, 5)
    ledger.ok(REGULATOR, "REGULATION_SET_FEES", governance.SetFees(3, PUBLISHER.address))
    assert ledger.send(CONSUMER, "LEDGER_TRANSFER", give).code == "gas_price_too_low"
    before = ledger.balance(PUBLISHER.address)
    result = ledger.send(CONSUMER, "LEDGER_TRANSFER", give, gas_price=3)
    assert ledger.balance(PUBLISHER.address) == before + result.fee + 5
    assert result.fee == 3 * result.gas_used


@pytest.mark.parametrize(
    ("price", "account", "code"),
    [
        (1_000_001, PUBLISHER, "cannot_sponsor"),
        (2**53 - 1, OPERATOR, "cannot_sponsor"),
        (1, THIRD, "unregistered"),
    ],
)
def test_fees_that_would_silence_the_regulators_are_refused(
    ledger: Ledger, price: int, account: KeyPair, code: str
) -> None:
    """REG-12: with a price that nobody can pay, nobody could ever lower it again."""
    refused = ledger.send(
        REGULATOR, "REGULATION_SET_FEES", governance.SetFees(price, account.address)
    )
    assert reason(refused) == ("refused", "REG-12", code)
    assert ledger.application.governance().minimum_gas_price == 1


# ---- deregistration ------------------------------------------------------------------------

OUT = regulation.Deregister(PUBLISHER.address, "left the country")


def test_the_deregistered_only_receive(ledger: Ledger) -> None:
    """REG-10, TX-7"""
    before = ledger.balance(PUBLISHER.address)
    ledger.ok(REGULATOR, "REGULATION_DEREGISTER", OUT)
    give = money.Transfer(CONSUMER.address, 5)
    refused = ledger.send(PUBLISHER, "LEDGER_TRANSFER", give)
    assert reason(refused) == ("inadmissible", "TX-7", "deregistered")
    ledger.ok(CONSUMER, "LEDGER_TRANSFER", money.Transfer(PUBLISHER.address, 7))
    assert ledger.balance(PUBLISHER.address) == before + 7
    again = ledger.send(REGULATOR, "REGULATION_DEREGISTER", OUT)
    assert reason(again) == ("refused", "REG-10", "unregistered")
    assert ledger.register(PUBLISHER, "consumer").status == "ok"
    assert ledger.send(PUBLISHER, "LEDGER_TRANSFER", give).status == "ok"


def test_models_of_the_deregistered_are_refunded_and_unsold(ledger: Ledger) -> None:
    model = ledger.publish(linear())
    ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    assert ledger.offer(model).status == "ok"
    buy = buying(ledger, model, 3)
    before = ledger.balance(CONSUMER.address)
    fee = ledger.send(CONSUMER, "LICENCE_BUY", buy).fee
    ledger.ok(REGULATOR, "REGULATION_DEREGISTER", OUT)
    assert ledger.send(CONSUMER, "LICENCE_BUY", buy).code == "publisher_unregistered"
    assert records.open_licences.scan(ledger.state) == []
    assert records.offers.load(ledger.state, model) is None
    assert ledger.register(PUBLISHER, "publisher").status == "ok"
    again = ledger.send(CONSUMER, "LICENCE_BUY", buy)
    assert again.code == "not_offered"
    assert ledger.offer(model).status == "ok"
    paid = before - ledger.balance(CONSUMER.address)
    assert fee < paid < 10 * fee  # the fees of three attempts, and nothing for licences
    assert ledger.send(CONSUMER, "LICENCE_BUY", buying(ledger, model, 1)).status == "ok"


def test_no_regulator_is_deregistered(ledger: Ledger) -> None:
    arguments = regulation.Deregister(SECOND.address, "")
    refused = ledger.send(REGULATOR, "REGULATION_DEREGISTER", arguments)
    assert refused.code == "regulators_are_not_deregistered"
    everything = '@id("all") permit (principal, action, resource);'
    ledger.ok(REGULATOR, "REGULATION_SET_POLICY", governance.SetPolicy(everything))
    refused = ledger.send(REGULATOR, "REGULATION_DEREGISTER", arguments)
    assert reason(refused) == ("refused", "REG-10", "is_regulator")
    ledger.ok(REGULATOR, SET, members(REGULATOR))
    ledger.ok(REGULATOR, "REGULATION_DEREGISTER", arguments)


def test_a_deregistered_wallet_comes_back_with_its_present_key_alone(ledger: Ledger) -> None:
    fresh = rotate(ledger, PUBLISHER, "one")
    ledger.ok(REGULATOR, "REGULATION_DEREGISTER", OUT)
    assert ledger.register(PUBLISHER, "publisher").code == "old_key"
    assert ledger.register(fresh, "publisher").status == "ok"
    assert wallet(ledger, PUBLISHER).deregistered is False
