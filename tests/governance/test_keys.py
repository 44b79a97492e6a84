"""ID-3 … ID-5, TX-5, REG-9: a wallet's key is another one day, and the wallet stays."""

from __future__ import annotations

import pytest

from synnergy.identity.keys import KeyPair
from synnergy.opcodes import governance, regulation
from synnergy.opcodes import ledger as money
from synnergy.rejected import Rejected
from synnergy.state import records
from tests.governance.support import new_key, reason, rotate, rotation, wallet
from tests.ledger.harness import (
    CONSUMER,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SECOND,
    Ledger,
    genesis,
    key,
)

GIVE = money.Transfer(OPERATOR.address, 5)
STRANGER_SIGNS = ("inadmissible", "TX-5", "wrong_signatures")


def send(ledger: Ledger, sender: KeyPair, **header: object) -> tuple[str, str, str]:
    return reason(ledger.send(sender, "LEDGER_TRANSFER", GIVE, **header))


def test_a_rotated_key_signs_for_the_old_address(ledger: Ledger) -> None:
    before = ledger.balance(CONSUMER.address)
    fresh = rotate(ledger, CONSUMER, "one")
    assert fresh.address == CONSUMER.address
    assert send(ledger, fresh)[0] == "ok"
    assert ledger.balance(CONSUMER.address) < before
    refused = ledger.send(CONSUMER, "LEDGER_TRANSFER", GIVE)
    assert reason(refused) == STRANGER_SIGNS
    # Its nonce and funds are untouched, and nobody is told that a transaction of its id failed.
    assert refused.transaction == bytes(32) and refused.fee == 0
    assert send(ledger, fresh)[0] == "ok"


def test_the_old_key_ends_within_the_block(ledger: Ledger) -> None:
    """What was verified, and let wait, before the rotation is no more admissible after it."""
    fresh = new_key("one", CONSUMER)
    change = ledger.envelope(CONSUMER, "REGULATION_ROTATE_KEY", rotation(ledger, CONSUMER, fresh))
    old = ledger.envelope(CONSUMER, "LEDGER_TRANSFER", GIVE, nonce=1)
    new = ledger.envelope(fresh, "LEDGER_TRANSFER", GIVE, nonce=1)
    waiting = ledger.application.journal()
    for raw in (change, old):
        assert not isinstance(ledger.application.check(raw, waiting), Rejected)
    results = ledger.block(change, old, new)
    assert [result.status for result in results] == ["ok", "inadmissible", "ok"]
    again = ledger.application.check(old, ledger.application.journal())
    assert isinstance(again, Rejected) and again.code == "wrong_signatures"
    assert ledger.application.prepare([old]) == ()


def test_a_regulator_rotates_a_lost_key(ledger: Ledger) -> None:
    fresh = rotate(ledger, CONSUMER, "found", by=SECOND)
    assert send(ledger, CONSUMER) == STRANGER_SIGNS
    assert send(ledger, fresh)[0] == "ok"
    assert wallet(ledger, CONSUMER).public_key == fresh.public_key


def test_a_frozen_wallet_is_given_a_key_by_a_regulator_alone(ledger: Ledger) -> None:
    ledger.ok(REGULATOR, "REGULATION_FREEZE", regulation.Freeze(CONSUMER.address, "stolen"))
    own = rotation(ledger, CONSUMER, new_key("own"))
    assert ledger.send(CONSUMER, "REGULATION_ROTATE_KEY", own).code == "frozen_wallet"
    fresh = rotate(ledger, CONSUMER, "given", by=REGULATOR)
    assert send(ledger, fresh) == ("refused", "POL-1", "frozen_wallet")
    ledger.ok(REGULATOR, "REGULATION_UNFREEZE", regulation.Unfreeze(CONSUMER.address))
    assert send(ledger, fresh)[0] == "ok"


@pytest.mark.parametrize(
    ("sender", "target", "code"),
    [
        (PUBLISHER, CONSUMER, "policy_denied"),
        (REGULATOR, SECOND, "regulators_keep_their_keys"),
        (REGULATOR, key("nobody"), "unregistered"),
    ],
)
def test_who_may_not_rotate(ledger: Ledger, sender: KeyPair, target: KeyPair, code: str) -> None:
    arguments = rotation(ledger, target, new_key("one"))
    assert ledger.send(sender, "REGULATION_ROTATE_KEY", arguments).code == code


def test_no_policy_lets_a_stranger_or_one_regulator_take_a_key(ledger: Ledger) -> None:
    """REG-9 holds whatever Cedar permits."""
    everything = '@id("all") permit (principal, action, resource);'
    ledger.ok(REGULATOR, "REGULATION_SET_POLICY", governance.SetPolicy(everything))
    for sender, target in ((PUBLISHER, CONSUMER), (REGULATOR, SECOND), (CONSUMER, REGULATOR)):
        arguments = rotation(ledger, target, new_key("one"))
        refused = ledger.send(sender, "REGULATION_ROTATE_KEY", arguments)
        assert reason(refused) == ("refused", "REG-9", "not_its_own")
    rotate(ledger, SECOND, "its own")


def test_statements_of_other_chains_and_keys_are_refused(ledger: Ledger) -> None:
    fresh = new_key("one")
    for chain in ("", "test-" + "0" * 32):
        arguments = rotation(ledger, CONSUMER, fresh, chain=chain)
        refused = ledger.send(CONSUMER, "REGULATION_ROTATE_KEY", arguments)
        assert reason(refused) == ("refused", "ID-4", "wrong_chain")
    good = rotation(ledger, CONSUMER, fresh)
    signed_by_the_old = regulation.RotateKey(
        good.statement, CONSUMER.sign(regulation.rotation_bytes(good.statement))
    )
    # A statement for one wallet, or one to be registered, is none for another wallet.
    elsewhere = regulation.RotateKey(
        regulation.RotationStatement(PUBLISHER.address, fresh.public_key, good.statement.chain_id),
        good.signature,
    )
    registering = regulation.RegistrationStatement(fresh.public_key, good.statement.chain_id)
    misused = regulation.RotateKey(
        good.statement, fresh.sign(regulation.statement_bytes(registering))
    )
    for sender, arguments in (
        (CONSUMER, signed_by_the_old),
        (PUBLISHER, elsewhere),
        (CONSUMER, misused),
    ):
        refused = ledger.send(sender, "REGULATION_ROTATE_KEY", arguments)
        assert reason(refused) == ("refused", "ID-4", "bad_statement")


def test_a_key_serves_one_wallet_once(ledger: Ledger) -> None:
    """ID-5, replayed statements included."""
    replayed = rotation(ledger, CONSUMER, new_key("one"))
    first = rotate(ledger, CONSUMER, "one")
    second = rotate(ledger, first, "two")
    for sender, wanted in (
        (second, second),  # its own
        (second, first),  # its former
        (second, CONSUMER),  # its first
        (PUBLISHER, first),  # another's former
        (PUBLISHER, second),  # another's
        (PUBLISHER, OPERATOR),  # another's, which never was rotated
    ):
        arguments = rotation(ledger, sender, wanted)
        refused = ledger.send(sender, "REGULATION_ROTATE_KEY", arguments)
        assert reason(refused) == ("refused", "ID-5", "key_in_use")
    for sender in (second, REGULATOR):
        refused = ledger.send(sender, "REGULATION_ROTATE_KEY", replayed)
        assert reason(refused) == ("refused", "ID-5", "key_in_use")
    assert send(ledger, second)[0] == "ok"


def test_registrations_are_signed_by_the_present_key(ledger: Ledger) -> None:
    """REG-2, ID-5: an old key registers nothing; the present one, the wallet it serves."""
    before = ledger.application.app_hash
    first = rotate(ledger, CONSUMER, "one")
    second = rotate(ledger, first, "two")
    assert ledger.application.app_hash != before
    for old in (CONSUMER, first):
        refused = ledger.register(old, "publisher")
        assert reason(refused) == ("refused", "REG-2", "old_key")
    own_address = KeyPair.from_seed(second.seed).address
    assert ledger.register(second, "publisher", jurisdiction="FR").status == "ok"
    changed = wallet(ledger, CONSUMER)
    assert (changed.jurisdiction, changed.roles) == ("FR", ("publisher",))
    assert changed.public_key == second.public_key
    assert records.wallets.load(ledger.state, own_address) is None


def test_a_key_that_was_rotated_in_opens_no_wallet_of_its_own(ledger: Ledger) -> None:
    fresh = rotate(ledger, CONSUMER, "one")
    alone = KeyPair.from_seed(fresh.seed)
    ledger.ok(OPERATOR, "LEDGER_TRANSFER", money.Transfer(alone.address, 10**9))
    assert send(ledger, alone, nonce=0) == ("inadmissible", "TX-7", "unregistered")


def test_a_regulators_key_is_rotated_by_itself_and_it_stays_one(ledger: Ledger) -> None:
    fresh = rotate(ledger, REGULATOR, "regulator")
    assert ledger.register(key("someone"), "consumer", by=REGULATOR).code == "wrong_signatures"
    assert ledger.register(key("someone"), "consumer", by=fresh).status == "ok"


def test_a_genesis_wallet_without_a_key_has_the_one_of_its_address(tmp_path) -> None:
    from msgspec.structs import replace

    wallets = tuple(
        replace(known, public_key="") if known.address == SECOND.address else known
        for known in genesis().wallets
    )
    ledger = Ledger(tmp_path / "data", genesis(wallets=wallets))
    assert wallet(ledger, SECOND).public_key == b""
    assert send(ledger, SECOND, signer=CONSUMER) == STRANGER_SIGNS
    assert send(ledger, SECOND)[0] == "ok"
    fresh = rotate(ledger, SECOND, "shown")
    assert send(ledger, SECOND) == STRANGER_SIGNS
    assert send(ledger, fresh)[0] == "ok"
    ledger.close()
