"""From request to verdict: deny by default, deny on any failure, the same answer in any order."""

from __future__ import annotations

import json

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from synnergy.policy.digest import policy_digest
from synnergy.policy.engine import Request, Verdict, compile_set, decide
from synnergy.policy.entities import (
    LicenceEntity,
    ModelEntity,
    WalletEntity,
    cedar_entities,
    entity_uid,
)
from synnergy.policy.texts import DEFAULT_SET, SCHEMA
from synnergy.rejected import Rejected

from .support import (
    CONSUMER,
    DEFAULT,
    LEDGER,
    PUBLISHER,
    STRANGER,
    ask,
    compiled,
    model,
    policy,
    request,
    wallet,
)

PAY = request(wallet(), "transfer", CONSUMER)
SAVE = request(wallet(), "publish", LEDGER)


# POL-1, POL-3


def test_an_empty_set_denies() -> None:
    assert ask("", PAY) == Verdict(False, (), "no policy permits transfer")


def test_a_denial_by_default_says_what_would_permit() -> None:
    text = (
        '@id("z") @advice("be rich") permit (principal, action, resource)'
        " when { principal.denials > 5 };"
        '@id("b") permit (principal, action == Action::"transfer", resource)'
        " when { principal.frozen };"
        '@id("c") @advice("no") permit (principal, action == Action::"buy", resource);'
        '@id("d") @advice("no") forbid (principal, action, resource) when { principal.frozen };'
    )
    verdict = ask(text, PAY)
    assert verdict == Verdict(
        False, (), "no policy permits this transfer; what would: b; z (be rich)"
    )


def test_forbids_outweigh_permits_and_are_all_named() -> None:
    text = (
        policy("true", name="yes")
        + policy("true", name="no-2", effect="forbid")
        + '@id("no-1") @advice("come back later") forbid (principal, action, resource);'
    )
    assert ask(text, PAY) == Verdict(
        False, ("no-1", "no-2"), "forbidden by no-1 (come back later); no-2"
    )


def test_permits_are_all_named() -> None:
    text = "".join(policy("true", name=name) for name in ("c", "a", "b"))
    assert ask(text, PAY) == Verdict(True, ("a", "b", "c"), "permitted by a, b, c")


def test_messages_stay_short() -> None:
    names = [f"p{number:03}" for number in range(256)]
    verdict = ask("".join(policy("true", name=name) for name in names), PAY)
    assert verdict.determining == tuple(names)
    assert verdict.message == f"permitted by {', '.join(names[:8])}, and 248 more"


@given(order=st.permutations(compiled(DEFAULT_SET).heads))
@settings(max_examples=15, deadline=None)
def test_the_order_of_policies_does_not_matter(order: list[object]) -> None:
    shuffled = compiled("\n".join(head.source for head in order))  # type: ignore[attr-defined]
    questions = [
        request(replace(CONSUMER, frozen=True, jurisdiction="KP"), "invoke", model(approvals=0)),
        request(CONSUMER, "invoke", model()),
        request(wallet(), "publish", LEDGER),
    ]
    for question in questions:
        assert decide(shuffled, question) == decide(DEFAULT, question)


def test_roles_are_a_set() -> None:
    one = request(wallet(roles=("consumer", "publisher")), "invoke", model())
    other = request(wallet(roles=("publisher", "consumer")), "invoke", model())
    assert decide(DEFAULT, one) == decide(DEFAULT, other)
    assert decide(DEFAULT, one).allowed


# POL-2

OVERFLOW = "9007199254740991 * 9007199254740991 * 9007199254740991 == principal.denials"
MISSING_ENTITY = 'Wallet::"nobody".registered'


@pytest.mark.parametrize("failing", [OVERFLOW, MISSING_ENTITY])
@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_a_failing_policy_denies(failing: str, effect: str) -> None:
    """Cedar itself skips what fails, so that a failing forbid would let everything through."""
    text = policy("true", name="yes") + policy(failing, name="broken", effect=effect)
    raw = cedarpy.is_authorized(*cedar_words(text, PAY))
    assert raw.allowed and raw.diagnostics.errors
    assert ask(text, PAY) == Verdict(
        False, ("error",), "the policy could not be evaluated: broken"
    )


def test_all_failing_policies_are_named() -> None:
    text = "".join(policy(OVERFLOW, name=name, effect="forbid") for name in ("b", "a"))
    assert ask(text, PAY).message == "the policy could not be evaluated: a, b"


def test_what_is_not_evaluated_does_not_fail() -> None:
    assert ask(policy(f"true || {OVERFLOW}"), PAY).allowed


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        (replace(PAY, action="mint"), "mint on Wallet"),
        (replace(PAY, action=""), " on Wallet"),
        (replace(PAY, action='transfer"'), 'transfer" on Wallet'),
        (replace(PAY, resource=LEDGER), "transfer on Ledger"),
        (replace(SAVE, context={}), "publish on Ledger"),
        (replace(SAVE, context={"height": 1, "time": 1}), "publish on Ledger"),
        (replace(SAVE, context={**SAVE.context, "extra": 1}), "publish on Ledger"),
        (replace(SAVE, context={**SAVE.context, "height": "1"}), "publish on Ledger"),
        (replace(SAVE, context={**SAVE.context, "height": True}), "publish on Ledger"),
        (replace(SAVE, context={**SAVE.context, "height": 1.0}), "publish on Ledger"),
        (replace(SAVE, context={**SAVE.context, "height": None}), "publish on Ledger"),
        (replace(SAVE, principal=wallet(denials="1")), "publish on Ledger"),
        (replace(SAVE, principal=wallet(denials=True)), "publish on Ledger"),
        (replace(SAVE, principal=wallet(frozen=0)), "publish on Ledger"),
        (replace(SAVE, principal=wallet(jurisdiction=None)), "publish on Ledger"),
        (replace(SAVE, principal=wallet(roles=(1,))), "publish on Ledger"),
    ],
)
def test_what_does_not_fit_the_schema_is_denied(question: Request, problem: str) -> None:
    for text in (policy("true"), policy("context == context")):
        assert ask(text, question) == Verdict(
            False, ("error",), f"the request does not fit the policy schema: {problem}"
        )


# POL-11

EDGE = 2**53 - 1


@pytest.mark.parametrize("amount", [EDGE, -EDGE, 0])
def test_integers_up_to_the_edge_are_exact(amount: int) -> None:
    sign = "-" if amount < 0 else ""
    text = policy(
        f'context has amount && context["amount"] == {sign}{abs(amount)}', name="exact"
    ).replace("action,", 'action == Action::"transfer",')
    assert ask(text, request(wallet(), "transfer", CONSUMER, amount=amount)).allowed


@pytest.mark.parametrize(
    "amount", [EDGE + 1, -EDGE - 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400]
)
def test_integers_beyond_it_are_denied(amount: int) -> None:
    for text in (policy("true"), policy("context == context")):
        for question, name in (
            (request(wallet(), "transfer", CONSUMER, amount=amount), "amount"),
            (request(wallet(denials=amount), "publish", LEDGER), "denials"),
            (request(CONSUMER, "invoke", model(approvals=amount)), "approvals"),
            (request(CONSUMER, "invoke", model(publisher=wallet("p", denials=amount))), "denials"),
        ):
            assert ask(text, question) == Verdict(
                False,
                ("error",),
                f"the request can't be decided: {name} is outside the integers below 2^53",
            )


def test_one_entity_has_one_content() -> None:
    itself = request(wallet("w"), "transfer", wallet("w"))
    assert ask(policy("true"), itself).allowed
    torn = request(wallet("w"), "transfer", wallet("w", frozen=True))
    assert ask(policy("true"), torn) == Verdict(
        False, ("error",), "the request can't be decided: two different contents of Wallet w"
    )
    publisher = request(wallet("w"), "invoke", model(publisher=wallet("w", frozen=True)))
    assert ask(policy("true"), publisher).determining == ("error",)


@pytest.mark.parametrize("principal", [wallet("\ud800"), wallet(jurisdiction="\udfff")])
def test_texts_are_unicode(principal: WalletEntity) -> None:
    assert ask(policy("true"), request(principal, "publish", LEDGER)).determining == ("error",)


@given(address=st.text(), jurisdiction=st.text(), roles=st.lists(st.text(), max_size=3))
@settings(max_examples=60, deadline=None)
def test_texts_are_data(address: str, jurisdiction: str, roles: list[str]) -> None:
    """Whatever an address or a role holds, it is compared, never parsed."""
    text = policy("principal == principal && principal.registered")
    odd = wallet(address, jurisdiction=jurisdiction, roles=tuple(roles))
    assert ask(text, request(odd, "publish", LEDGER)).allowed
    assert ask(text, request(wallet("w"), "transfer", replace(odd, address="x" + address))).allowed


# POL-9, POL-10


def test_parse_errors_name_the_policy() -> None:
    text = policy("true", name="good") + policy("1 1", name="bad") + policy("true", name="fine")
    result = compile_set(text)
    assert isinstance(result, Rejected)
    assert (result.rule, result.code) == ("POL-9", "policy_parse")
    assert result.message.startswith("policy bad is not Cedar: ")


@pytest.mark.parametrize(
    "text",
    [
        policy("principal.zz", name="bad"),
        policy("resource.roles", name="bad"),
        policy("principal.denials", name="bad"),
        policy("principal.denials == true", name="bad"),
        policy('principal == User::"a"', name="bad"),
        policy("[].contains(1)", name="bad"),
        policy("context.amount > 1", name="bad"),
        '@id("bad") permit (principal, action == Action::"mint", resource);',
        '@id("bad") permit (principal is Model, action, resource);',
        '@id("bad") permit (principal, action == Action::"transfer", resource is Ledger);',
    ],
)
def test_invalid_sets_name_the_policy(text: str) -> None:
    result = compile_set(policy("true", name="good") + text)
    assert isinstance(result, Rejected)
    assert (result.rule, result.code) == ("POL-10", "policy_invalid")
    assert "policy bad: " in result.message and "good" not in result.message


def test_problems_are_listed_in_order_and_counted() -> None:
    text = "".join(policy(f"principal.z{n}", name=f"p{n}") for n in range(12))
    result = compile_set(text)
    assert isinstance(result, Rejected)
    assert result == compile_set(text)
    named = [part.split(":")[0] for part in result.message.split("; ")]
    assert named == ["policy p0", "policy p1", "policy p2", "policy p3", "policy p4", "and 7 more"]


def test_a_message_is_bounded() -> None:
    wide = ",".join(f"a{number}:{number}" for number in range(3000))
    result = compile_set(policy(f"{{{wide}}} == 1"))
    assert isinstance(result, Rejected)
    assert len(result.message) < 400


# POL-13


def test_the_digest_is_of_the_exact_bytes() -> None:
    text = "// é\r\n" + policy("true")
    assert compiled(text).digest == policy_digest(text.encode())
    assert policy_digest(text) != policy_digest(text + "\n")
    assert (
        policy_digest("").hex()
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    assert compile_set(text.encode()).text == text  # type: ignore[union-attr]


# POL-15


@pytest.mark.parametrize(
    ("condition", "reads"),
    [
        ("context.height > 5", True),
        ('context["height"] > 5', True),
        ("context has height && 1 == 1", True),
        ('context["\\u{68}eight"] > 5', None),
        ("context == context", None),
        ("[context].contains(context)", None),
        ("{a: context} has a", None),
        ("principal.denials > 5", False),
        ('principal.jurisdiction == "x" // height', False),
    ],
)
def test_what_a_set_reads(condition: str, reads: bool | None) -> None:
    text = f'@id("a") permit (principal, action, resource) when {{ {condition} \n}};'
    names = compiled(text).reader.names
    assert (None if names is None else "height" in names) == reads


@pytest.mark.parametrize("expression", ["context.height", 'context["\\u{68}eight"]'])
def test_what_is_read_is_not_forgotten(expression: str) -> None:
    text = policy(f"{expression} == 8")
    assert not ask(text, request(wallet(), "publish", LEDGER, height=7)).allowed
    assert ask(text, request(wallet(), "publish", LEDGER, height=8)).allowed


WALLETS = st.builds(
    WalletEntity,
    address=st.sampled_from(["a", "b", "c", "0", "1", "2"]),
    registered=st.booleans(),
    frozen=st.booleans(),
    jurisdiction=st.sampled_from(["DE", "US", "KP", ""]),
    roles=st.sets(st.sampled_from(["consumer", "publisher"])).map(tuple),
    regulator=st.booleans(),
    denials=st.integers(0, 3),
)
MODELS = st.builds(
    ModelEntity,
    digest=st.sampled_from(["m", "0", "1", "2"]),
    publisher=WALLETS,
    risk=st.sampled_from(["minimal", "high", "other"]),
    jurisdictions=st.sets(st.sampled_from(["DE", "US"])).map(tuple),
    approvals=st.integers(0, 3),
    withdrawn=st.booleans(),
    revoked=st.booleans(),
)
ACTIONS = ["transfer", "upload", "publish", "offer", "withdraw", "buy", "invoke", "approve"]
ACTIONS += ["revoke", "register", "freeze", "unfreeze", "set_policy", "mint"]
ACTIONS += ["rotate_key", "deregister"]
HIDDEN = (
    DEFAULT_SET
    + '@id("late") forbid (principal, action, resource) when { context.height > 8 };'
    + '@id("shy") permit (principal, action == Action::"buy", resource)'
    + ' when { principal.denials < 2 && context["total"] < 3 };'
)
# POL-19: ids that a text names, one of them a number such as stands for those it does not name.
NAMED = """
@id("a") permit (principal == Wallet::"a", action, resource);
@id("zero") forbid (principal == Wallet::"0", action, resource);
@id("self") permit (principal, action == Action::"transfer", resource)
  when { principal == resource };
@id("payee") permit (principal, action == Action::"transfer", resource)
  when { [Wallet::"b", Wallet::"1"].contains(resource) };
@id("own") permit (principal, action == Action::"invoke", resource)
  when { resource.publisher == principal };
@id("one") forbid (principal, action == Action::"invoke", resource == Model::"1");
"""
SETS = {text: compiled(text) for text in (DEFAULT_SET, HIDDEN, NAMED)}


@given(
    text=st.sampled_from(list(SETS)),
    principal=WALLETS,
    action=st.sampled_from(ACTIONS),
    resource=st.one_of(WALLETS, MODELS, st.just(LEDGER)),
    height=st.integers(7, 10),
    total=st.integers(1, 4),
)
@settings(max_examples=400, deadline=None)
def test_verdicts_are_those_of_cedar(
    text: str,
    principal: WalletEntity,
    action: str,
    resource: WalletEntity | ModelEntity,
    height: int,
    total: int,
) -> None:
    """Against Cedar asked anew from texts, without handles, caches and forgotten integers."""
    question = request(principal, action, resource, height=height)
    if action == "buy":
        question = replace(question, context={**question.context, "total": total})
    verdict = decide(SETS[text], question)
    try:
        raw = cedarpy.is_authorized(*cedar_words(text, question))
    except ValueError:  # two contents of one entity
        assert verdict.determining == ("error",)
        return
    if raw.decision is cedarpy.Decision.NoDecision:
        assert verdict.determining == ("error",)
        return
    assert not raw.diagnostics.errors
    names = raw.diagnostics.id_annotations_by_reason
    assert verdict.allowed == raw.allowed
    assert verdict.determining == tuple(
        sorted(names[reason] for reason in raw.diagnostics.reasons)
    )


def cedar_words(text: str, question: Request) -> tuple[dict[str, object], str, str, str]:
    """The arguments of `cedarpy.is_authorized`."""
    asked = {
        "principal": entity_uid(question.principal),
        "action": {"type": "Action", "id": question.action},
        "resource": entity_uid(question.resource),
        "context": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in question.context.items()
        },
    }
    entities = [
        {"uid": entity.uid, "attrs": entity.attributes, "parents": []}
        for entity in cedar_entities(question.principal, question.resource)
    ]
    return asked, text, json.dumps(entities), SCHEMA


# POL-16


def test_an_action_is_one_line_of_the_schema() -> None:
    line = "action audit appliesTo { principal: Wallet, resource: Licence, context: Block };"
    text = (
        '@id("a") permit (principal, action == Action::"audit", resource) when {'
        " resource.licensee == principal && resource.model.publisher == resource.publisher"
        " && resource.publisher.registered };"
    )
    assert isinstance(compile_set(text), Rejected)
    result = compile_set(text, f"{SCHEMA}\n{line}")
    assert not isinstance(result, Rejected)
    licence = LicenceEntity("l", model(), CONSUMER, PUBLISHER)
    assert decide(result, request(CONSUMER, "audit", licence)).allowed
    assert not decide(result, request(PUBLISHER, "audit", licence)).allowed


REMARK = '@id("noted") @remark("look twice") permit (principal, action, resource);'


def test_a_remark_grants_nothing() -> None:  # POL-18
    verdict = ask(REMARK, request(CONSUMER, "invoke", model()))
    assert (verdict.allowed, verdict.determining) == (False, ())
    assert "noted" not in verdict.message
    empty = REMARK.replace("look twice", "")
    assert not ask(empty, request(CONSUMER, "invoke", model())).allowed


def test_a_remark_is_named_beside_a_permit() -> None:  # POL-18
    text = REMARK + policy("principal.registered", name="known")
    verdict = ask(text, request(CONSUMER, "invoke", model()))
    assert (verdict.allowed, verdict.determining) == (True, ("known", "noted"))
    assert ask(text, request(STRANGER, "invoke", model())).determining == ()


def test_a_forbid_is_no_remark() -> None:  # POL-18
    refused = compile_set(REMARK.replace("permit", "forbid"))
    assert isinstance(refused, Rejected)
    assert (refused.rule, refused.code) == ("POL-18", "policy_remark")
