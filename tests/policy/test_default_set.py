"""The default set: who may do what to what, and what a refusal says (POL-20 to POL-25)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from synnergy.policy.engine import Request, Verdict, decide
from synnergy.policy.entities import Entity, LicenceEntity, ModelEntity, WalletEntity
from synnergy.policy.texts import DEFAULT_SET, SCHEMA

from .support import (
    CONSUMER,
    DEFAULT,
    LEDGER,
    PUBLISHER,
    REGULATOR,
    STRANGER,
    compiled,
    model,
    request,
    wallet,
)

GOLDEN = Path(__file__).parent / "vectors" / "default_verdicts.json"

FROZEN = wallet("frozen", frozen=True, roles=("consumer", "publisher"))
SANCTIONED = wallet("sanctioned", jurisdiction="KP", roles=("consumer", "publisher"))
OPERATOR = wallet("operator", roles=("operator",), operator=True)
FLAGGED = wallet("flagged", roles=("consumer",), flags=("ramp", "amount"))
AMERICAN = wallet("american", jurisdiction="US", roles=("consumer",))
OTHER_PUBLISHER = wallet("rival", roles=("publisher",))
PUBLISHING_REGULATOR = wallet("both", regulator=True, roles=("publisher",))

CASES: dict[str, tuple[Request, bool, tuple[str, ...]]] = {
    # POL-20
    "unregistered does nothing": (
        request(STRANGER, "transfer", CONSUMER),
        False,
        ("unregistered-wallet",),
    ),
    "unregistered regulator does nothing": (
        request(replace(STRANGER, regulator=True), "freeze", CONSUMER),
        False,
        ("unregistered-wallet",),
    ),
    "frozen does not pay": (request(FROZEN, "transfer", CONSUMER), False, ("frozen-wallet",)),
    "frozen does not publish": (request(FROZEN, "publish", LEDGER), False, ("frozen-wallet",)),
    "frozen does not invoke": (request(FROZEN, "invoke", model()), False, ("frozen-wallet",)),
    "sanctioned does not pay": (
        request(SANCTIONED, "transfer", CONSUMER),
        False,
        ("sanctioned-wallet",),
    ),
    "sanctioned does not buy": (
        request(SANCTIONED, "buy", model(jurisdictions=())),
        False,
        ("sanctioned-wallet",),
    ),
    "sanctioned is not paid": (
        request(CONSUMER, "transfer", SANCTIONED),
        False,
        ("sanctioned-recipient",),
    ),
    "the other sanctioned jurisdiction": (
        request(wallet("w", jurisdiction="IR"), "transfer", wallet("v", jurisdiction="IR")),
        False,
        ("sanctioned-recipient", "sanctioned-wallet"),
    ),
    "a sanctioned publisher's model is not bought": (
        request(CONSUMER, "buy", model(publisher=SANCTIONED)),
        False,
        ("sanctioned-publisher",),
    ),
    "a sanctioned publisher's model is not invoked": (
        request(CONSUMER, "invoke", model(publisher=SANCTIONED)),
        False,
        ("sanctioned-publisher",),
    ),
    # POL-26
    "operator deploys": (request(OPERATOR, "deploy", LEDGER), True, ("operators-run-contracts",)),
    "consumer does not deploy": (request(CONSUMER, "deploy", LEDGER), False, ()),
    "operator calls": (
        request(OPERATOR, "call", wallet("contract")),
        True,
        ("operators-run-contracts",),
    ),
    "nobody calls a frozen contract": (
        request(OPERATOR, "call", wallet("contract", frozen=True)),
        False,
        ("frozen-contract",),
    ),
    "nobody calls a deregistered contract": (
        request(OPERATOR, "call", wallet("contract", registered=False)),
        False,
        ("unregistered-contract",),
    ),
    "nobody pays a sanctioned contract": (
        request(OPERATOR, "call", SANCTIONED),
        False,
        ("sanctioned-recipient",),
    ),
    # POL-21
    "registered pays registered": (
        request(wallet(), "transfer", CONSUMER),
        True,
        ("registered-wallets-pay",),
    ),
    "registered pays unregistered": (
        request(wallet(), "transfer", STRANGER),
        True,
        ("registered-wallets-pay",),
    ),
    "registered pays frozen": (
        request(wallet(), "transfer", FROZEN),
        True,
        ("registered-wallets-pay",),
    ),
    "registered pays itself": (
        request(wallet(), "transfer", wallet()),
        True,
        ("registered-wallets-pay",),
    ),
    "anybody registered asks for erasure": (
        request(wallet(), "erase", LEDGER),
        True,
        ("registered-wallets-ask-for-erasure",),
    ),
    "publisher uploads": (request(PUBLISHER, "upload", LEDGER), True, ("publishers-publish",)),
    "publisher publishes": (request(PUBLISHER, "publish", LEDGER), True, ("publishers-publish",)),
    "consumer does not upload": (request(CONSUMER, "upload", LEDGER), False, ()),
    "consumer does not publish": (request(CONSUMER, "publish", LEDGER), False, ()),
    "publisher offers": (
        request(PUBLISHER, "offer", model()),
        True,
        ("publishers-manage-their-models",),
    ),
    "rival does not offer": (request(OTHER_PUBLISHER, "offer", model()), False, ()),
    "publisher without the role does not offer": (
        request(wallet("x"), "offer", model(publisher=wallet("x"))),
        False,
        (),
    ),
    "publisher withdraws": (
        request(PUBLISHER, "withdraw", model(approvals=0)),
        True,
        ("publishers-manage-their-models",),
    ),
    "rival does not withdraw": (request(OTHER_PUBLISHER, "withdraw", model()), False, ()),
    "consumer buys": (request(CONSUMER, "buy", model()), True, ("consumers-use-models",)),
    "consumer invokes": (request(CONSUMER, "invoke", model()), True, ("consumers-use-models",)),
    "publisher does not invoke": (request(PUBLISHER, "invoke", model()), False, ()),
    "no role does not buy": (request(wallet(), "buy", model()), False, ()),
    "regulator registers": (
        request(REGULATOR, "register", STRANGER),
        True,
        ("regulators-supervise",),
    ),
    "consumer does not register": (request(CONSUMER, "register", STRANGER), False, ()),
    "regulator approves": (
        request(REGULATOR, "approve", model(approvals=0)),
        True,
        ("regulators-supervise",),
    ),
    "publisher does not approve": (
        request(PUBLISHER, "approve", model()),
        False,
        ("no-approval-of-own-models",),
    ),
    "regulator revokes": (request(REGULATOR, "revoke", model()), True, ("regulators-supervise",)),
    "publisher does not revoke": (request(PUBLISHER, "revoke", model()), False, ()),
    "regulator freezes": (request(REGULATOR, "freeze", CONSUMER), True, ("regulators-supervise",)),
    "regulator unfreezes": (
        request(REGULATOR, "unfreeze", FROZEN),
        True,
        ("regulators-supervise",),
    ),
    "consumer does not freeze": (request(CONSUMER, "freeze", PUBLISHER), False, ()),
    "regulator sets the policy": (
        request(REGULATOR, "set_policy", LEDGER),
        True,
        ("regulators-supervise",),
    ),
    "consumer does not set the policy": (request(CONSUMER, "set_policy", LEDGER), False, ()),
    "regulator rotates a lost key": (
        request(REGULATOR, "rotate_key", CONSUMER),
        True,
        ("regulators-supervise",),
    ),
    "a wallet rotates its own key": (
        request(CONSUMER, "rotate_key", CONSUMER),
        True,
        ("wallets-rotate-their-keys",),
    ),
    "no wallet rotates another's key": (request(CONSUMER, "rotate_key", PUBLISHER), False, ()),
    "a frozen wallet keeps its key": (
        request(FROZEN, "rotate_key", FROZEN),
        False,
        ("frozen-wallet",),
    ),
    "regulator deregisters": (
        request(REGULATOR, "deregister", FROZEN),
        True,
        ("regulators-supervise",),
    ),
    "consumer does not deregister": (request(CONSUMER, "deregister", CONSUMER), False, ()),
    "regulator does not invoke": (request(REGULATOR, "invoke", model()), False, ()),
    # POL-22
    "no approval of one's own model": (
        request(PUBLISHING_REGULATOR, "approve", model(publisher=PUBLISHING_REGULATOR)),
        False,
        ("no-approval-of-own-models",),
    ),
    "own model may be revoked": (
        request(PUBLISHING_REGULATOR, "revoke", model(publisher=PUBLISHING_REGULATOR)),
        True,
        ("regulators-supervise",),
    ),
    "regulators are not frozen": (
        request(REGULATOR, "freeze", PUBLISHING_REGULATOR),
        False,
        ("regulators-are-not-frozen",),
    ),
    "regulators are not deregistered": (
        request(REGULATOR, "deregister", PUBLISHING_REGULATOR),
        False,
        ("regulators-are-not-deregistered",),
    ),
    "no regulator rotates another's key": (
        request(REGULATOR, "rotate_key", PUBLISHING_REGULATOR),
        False,
        ("regulators-keep-their-keys",),
    ),
    "a regulator rotates its own key": (
        request(REGULATOR, "rotate_key", REGULATOR),
        True,
        ("regulators-supervise", "wallets-rotate-their-keys"),
    ),
    # POL-23
    "withdrawn is not invoked": (
        request(CONSUMER, "invoke", model(withdrawn=True)),
        False,
        ("model-withdrawn",),
    ),
    "withdrawn is not offered": (
        request(PUBLISHER, "offer", model(withdrawn=True)),
        False,
        ("model-withdrawn",),
    ),
    "revoked is not bought": (
        request(CONSUMER, "buy", model(revoked=True)),
        False,
        ("model-revoked",),
    ),
    "revoked and unapproved is not invoked": (
        request(CONSUMER, "invoke", model(revoked=True, approvals=0)),
        False,
        ("approval-missing", "model-revoked", "second-approval-missing"),
    ),
    "a frozen publisher's model is not invoked": (
        request(CONSUMER, "invoke", model(publisher=FROZEN)),
        False,
        ("publisher-frozen",),
    ),
    "a deregistered publisher's model is not bought": (
        request(CONSUMER, "buy", model(publisher=replace(PUBLISHER, registered=False, roles=()))),
        False,
        ("publisher-unregistered",),
    ),
    "anybody registered reads statistics": (
        request(wallet(), "analyse", model()),
        True,
        ("registered-wallets-read-statistics",),
    ),
    # POL-24
    "high risk with one of two approvals": (
        request(CONSUMER, "invoke", model(approvals=1)),
        False,
        ("second-approval-missing",),
    ),
    "high risk with one approval of a single regulator": (
        request(CONSUMER, "invoke", model(approvals=1), regulators=1),
        True,
        ("consumers-use-models",),
    ),
    "high risk with no approval of a single regulator": (
        request(CONSUMER, "invoke", model(approvals=0), regulators=1),
        False,
        ("approval-missing", "second-approval-missing"),
    ),
    "high risk with no regulator at all": (
        request(CONSUMER, "invoke", model(approvals=0), regulators=0),
        False,
        ("approval-missing",),
    ),
    "high risk with three of five approvals": (
        request(CONSUMER, "buy", model(approvals=3), regulators=5),
        True,
        ("consumers-use-models",),
    ),
    "limited risk with one approval": (
        request(CONSUMER, "buy", model(risk="limited", approvals=1)),
        True,
        ("consumers-use-models",),
    ),
    "minimal risk without approval": (
        request(PUBLISHER, "offer", model(risk="minimal", approvals=0)),
        False,
        ("approval-missing",),
    ),
    "unacceptable risk": (
        request(CONSUMER, "invoke", model(risk="unacceptable")),
        False,
        ("risk-class-unknown",),
    ),
    # POL-25
    "outside the jurisdictions": (
        request(AMERICAN, "invoke", model()),
        False,
        ("outside-approved-jurisdictions",),
    ),
    "not bought outside the jurisdictions": (
        request(AMERICAN, "buy", model()),
        False,
        ("outside-approved-jurisdictions",),
    ),
    "anywhere": (
        request(AMERICAN, "invoke", model(jurisdictions=())),
        True,
        ("consumers-use-models",),
    ),
    "second jurisdiction": (
        request(replace(CONSUMER, jurisdiction="FR"), "invoke", model()),
        True,
        ("consumers-use-models",),
    ),
    # POL-29
    "flagged pays": (
        request(FLAGGED, "transfer", CONSUMER),
        True,
        ("flagged-wallet", "registered-wallets-pay"),
    ),
    "flagged invokes": (
        request(FLAGGED, "invoke", model()),
        True,
        ("consumers-use-models", "flagged-wallet"),
    ),
    "flagged is paid": (request(CONSUMER, "transfer", FLAGGED), True, ("registered-wallets-pay",)),
    "flagged does not publish without the role": (request(FLAGGED, "publish", LEDGER), False, ()),
    "flagged and frozen": (
        request(replace(FLAGGED, frozen=True), "transfer", CONSUMER),
        False,
        ("frozen-wallet",),
    ),
    "regulator clears flags": (
        request(REGULATOR, "clear_flags", FLAGGED),
        True,
        ("regulators-supervise",),
    ),
    "flagged does not clear its flags": (request(FLAGGED, "clear_flags", FLAGGED), False, ()),
    "regulator sets a limit": (
        request(REGULATOR, "set_limit", CONSUMER),
        True,
        ("regulators-supervise",),
    ),
    "consumer sets no limit": (request(CONSUMER, "set_limit", CONSUMER), False, ()),
    # POL-2
    "unknown action": (request(CONSUMER, "mint", LEDGER), False, ("error",)),
    "resource of another type": (request(CONSUMER, "invoke", CONSUMER), False, ("error",)),
    "resource no action applies to": (
        request(CONSUMER, "invoke", LicenceEntity("l", model(), CONSUMER, PUBLISHER)),
        False,
        ("error",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_who_may_do_what(name: str) -> None:
    question, allowed, determining = CASES[name]
    verdict = decide(DEFAULT, question)
    assert (verdict.allowed, verdict.determining) == (allowed, determining)


def test_verdicts_are_those_recorded() -> None:  # POL-3
    """Wording included: refusals stand in results, which clients quote.

    After an intended change: `python -m tests.policy.test_default_set`.
    """
    assert _verdicts() == GOLDEN.read_bytes()


def test_every_action_of_the_schema_is_permitted_to_somebody() -> None:  # POL-16
    actions = {line.split()[1] for line in SCHEMA.splitlines() if line.startswith("action ")}
    permitted = {question.action for question, allowed, _ in CASES.values() if allowed}
    assert actions == permitted


def test_every_policy_of_the_set_decides_a_case() -> None:
    decisive = {name for _, _, determining in CASES.values() for name in determining}
    assert {head.id for head in DEFAULT.heads} <= decisive


def test_every_policy_gives_advice() -> None:
    assert [head.id for head in DEFAULT.heads if not (head.advice or head.remark)] == []


FLAG_KINDS = st.sets(
    st.sampled_from(["amount", "ceiling", "denials", "ramp", "ring", "velocity"]), min_size=1
)


@given(name=st.sampled_from(sorted(CASES)), kinds=FLAG_KINDS, everybody=st.booleans())
def test_flags_change_no_decision(name: str, kinds: set[str], everybody: bool) -> None:  # POL-29
    question, _, _ = CASES[name]
    asking = question.principal.address

    def with_flags(entity: Entity, flags: tuple[str, ...]) -> Entity:
        if isinstance(entity, WalletEntity):
            named = everybody or entity.address == asking
            return replace(entity, flags=flags if named else ())
        if isinstance(entity, ModelEntity):
            return replace(entity, publisher=with_flags(entity.publisher, flags))
        return entity

    def verdict(flags: tuple[str, ...]) -> Verdict:
        principal = with_flags(question.principal, flags)
        assert isinstance(principal, WalletEntity)
        resource = with_flags(question.resource, flags)
        return decide(DEFAULT, replace(question, principal=principal, resource=resource))

    plain, flagged = verdict(()), verdict(tuple(sorted(kinds)))
    assert flagged.allowed == plain.allowed
    assert set(flagged.determining) - {"flagged-wallet"} == set(plain.determining)
    assert ("flagged-wallet" in flagged.determining) == plain.allowed


def test_the_policy_that_the_docs_give_stops_a_ring() -> None:
    page = (Path(__file__).parents[2] / "docs" / "oversight.md").read_text("utf-8")
    example = page.split("```cedar\n")[1].split("```")[0]
    stricter = compiled(DEFAULT_SET + example)
    for flags, expected in ((("amount",), True), (("amount", "ring"), False)):
        buyer = replace(FLAGGED, flags=flags)
        assert decide(stricter, request(buyer, "buy", model())).allowed is expected


def _verdicts() -> bytes:
    verdicts = {name: decide(DEFAULT, question) for name, (question, _, _) in CASES.items()}
    return msgspec.json.format(msgspec.json.encode(verdicts), indent=2) + b"\n"


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_bytes(_verdicts())
