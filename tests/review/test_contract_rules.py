"""A contract is no way around rules for the wallet that deployed it."""

from __future__ import annotations

import hashlib

from synnergy.opcodes import artefacts, governance, licences, models, regulation
from synnergy.wire.transaction import Attachment
from tests.chain.market import buying, licensed, program_of
from tests.chain.market import call as invoke
from tests.chain.small_models import linear
from tests.contracts.support import answer, call, deploy
from tests.ledger.harness import CONSUMER, PUBLISHER, REGULATOR, SECOND, Ledger


def published_by_contract(ledger: Ledger) -> tuple[str, bytes]:
    """What a regulator's own contract published: (contract, model)."""
    ledger.register(REGULATOR, "operator", "publisher", "regulator")
    content = linear()
    digest = hashlib.sha256(content).digest()
    publish = models.Publish(
        digest, "model", "1", "limited", (), None, None, None, allow_missing=False
    )
    code, data = program_of(
        ("MODEL_COMMIT", artefacts.Commit(digest, len(content), (digest,))),
        ("MODEL_UPLOAD", artefacts.Upload(digest, 0, 0)),
        ("MODEL_PUBLISH", publish),
    )
    contract = deploy(ledger, code, by=REGULATOR)
    chunk = (Attachment(b"", content),)
    done = call(ledger, contract, data, by=REGULATOR, amount=10_000, attachments=chunk)
    answer(done)
    return contract, models.model_id(contract, "model", "1")


def test_nobody_approves_what_a_contract_of_its_own_published(ledger: Ledger) -> None:  # REG-7
    _, model = published_by_contract(ledger)
    own = ledger.send(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    assert (own.rule, own.code) == ("REG-7", "self_approval")
    ledger.ok(SECOND, "MODEL_APPROVE", ledger.approval(model))


def test_what_stops_a_deployer_stops_the_models_of_its_contract(ledger: Ledger) -> None:
    """CONTRACT-5, POL-23: to publish through a contract is no way around a freeze."""
    contract, model = published_by_contract(ledger)
    ledger.ok(SECOND, "MODEL_APPROVE", ledger.approval(model))
    asked = licences.Buy(model, ledger.model(model).digest, bytes(32), 1)
    assert ledger.send(CONSUMER, "LICENCE_BUY", asked).code == "not_offered"
    # A regulator is neither frozen nor deregistered; it has to be replaced first.
    alone = governance.SetRegulators((SECOND.address,), 1)
    ledger.ok(SECOND, "REGULATION_SET_REGULATORS", alone)
    freeze = regulation.Freeze(REGULATOR.address, "approved itself")
    ledger.ok(SECOND, "REGULATION_FREEZE", freeze)
    assert ledger.send(CONSUMER, "LICENCE_BUY", asked).code == "publisher_frozen"
    assert call(ledger, contract).code == "frozen_contract"
    ledger.ok(SECOND, "REGULATION_UNFREEZE", regulation.Unfreeze(REGULATOR.address))
    assert ledger.send(CONSUMER, "LICENCE_BUY", asked).code == "not_offered"
    leave = regulation.Deregister(REGULATOR.address, "gone")
    ledger.ok(SECOND, "REGULATION_DEREGISTER", leave)
    assert ledger.send(CONSUMER, "LICENCE_BUY", asked).code == "publisher_unregistered"
    paid = call(ledger, contract, amount=1)
    assert (paid.code, ledger.balance(contract)) == ("unregistered_contract", 10_000)


def test_a_publisher_under_sanctions_is_not_paid_for_what_it_sold_before(ledger: Ledger) -> None:
    """POL-20: neither by new licences nor by those that are open."""
    model, licence = licensed(ledger, linear())
    ledger.register(PUBLISHER, "publisher", jurisdiction="KP")
    held = ledger.balance(PUBLISHER.address)
    more = ledger.send(CONSUMER, "LICENCE_BUY", buying(ledger, model, 1))
    called = ledger.block(invoke(ledger, model, licence))[0]
    assert (more.code, called.code) == ("sanctioned_publisher",) * 2
    assert ledger.balance(PUBLISHER.address) == held
