"""Each way to be refused has its own code, and leaves no trace but the fee where one is due."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from synnergy.identity.keys import KeyPair
from synnergy.opcodes import governance, inference, licences, models, regulation
from synnergy.opcodes import ledger as money
from synnergy.pipeline import TransactionResult
from synnergy.state import records
from synnergy.vm import catalogue
from synnergy.wire.codec import encode
from synnergy.wire.transaction import Attachment
from tests.ledger.harness import (
    CONSUMER,
    DAY,
    OPERATOR,
    PUBLISHER,
    REGULATOR,
    SECOND,
    SIGNER,
    START,
    Ledger,
    genesis,
    key,
    salted,
    tensors,
)
from tests.ledger.test_main_job import bought, invoke

Case = Callable[[Ledger], TransactionResult]
TRANSFER = money.Transfer(CONSUMER.address, 5)


def unsigned_by_sender(ledger: Ledger) -> TransactionResult:
    return ledger.block(ledger.envelope(OPERATOR, "LEDGER_TRANSFER", TRANSFER, signer=CONSUMER))[0]


def bad_signature(ledger: Ledger) -> TransactionResult:
    raw = bytearray(ledger.envelope(OPERATOR, "LEDGER_TRANSFER", TRANSFER))
    at = raw.rindex(b"\xa9signature\xc4\x40") + 15
    raw[at] ^= 1
    return ledger.block(bytes(raw))[0]


def replayed(ledger: Ledger) -> TransactionResult:
    raw = ledger.envelope(OPERATOR, "LEDGER_TRANSFER", TRANSFER)
    assert ledger.block(raw)[0].status == "ok"
    return ledger.block(raw)[0]


def swapped_attachment(ledger: Ledger) -> TransactionResult:
    raw = ledger.envelope(
        OPERATOR,
        "LEDGER_TRANSFER",
        TRANSFER,
        (salted(b"one"),),
        listed=(salted(b"two").reference,),
    )
    return ledger.block(raw)[0]


def salt_moved_into_content(ledger: Ledger) -> TransactionResult:
    """The same commitment, split elsewhere: the length in the body tells them apart (TX-4)."""
    honest, moved = salted(b"content"), Attachment(b"", b"s" * 32 + b"content")
    assert honest.reference.commitment == moved.reference.commitment
    raw = ledger.envelope(
        OPERATOR, "LEDGER_TRANSFER", TRANSFER, (moved,), listed=(honest.reference,)
    )
    return ledger.block(raw)[0]


def send(**header: object) -> Case:
    return lambda ledger: ledger.send(OPERATOR, "LEDGER_TRANSFER", TRANSFER, **header)


INADMISSIBLE: list[tuple[str, Case]] = [
    ("malformed", lambda ledger: ledger.block(b"\xc1 not an envelope")[0]),
    ("malformed", lambda ledger: ledger.block(b"")[0]),
    ("too_large", lambda ledger: ledger.block(bytes(5 * 1024 * 1024))[0]),
    ("wrong_chain", send(chain_id="other-" + "0" * 32)),
    ("wrong_signatures", unsigned_by_sender),
    ("bad_signature", bad_signature),
    ("wrong_attachments", swapped_attachment),
    ("wrong_attachments", salt_moved_into_content),
    ("replayed", replayed),
    ("nonce_too_high", send(nonce=7)),
    ("expired", lambda ledger: (ledger.block(), send(expiry_height=1)(ledger))[1]),
    ("expiry_too_far", send(expiry_height=2**52)),
    ("gas_price_too_low", send(gas_price=0)),
    ("gas_limit_too_high", send(gas_limit=2**52)),
    ("gas_limit_too_low", send(gas_limit=100)),
    ("insufficient_funds", send(gas_price=10**15)),
    (
        "unregistered",
        lambda ledger: ledger.send(key("stranger"), "LEDGER_TRANSFER", TRANSFER),
    ),
]


@pytest.mark.parametrize(("code", "case"), INADMISSIBLE)
def test_the_inadmissible_has_no_effect(ledger: Ledger, code: str, case: Case) -> None:
    """TX-6: no fee, no nonce, no change of state."""
    if code in ("replayed", "expired"):
        result = case(ledger)
    else:
        before = ledger.application.app_hash
        result = case(ledger)
        assert ledger.application.app_hash == before
    assert (result.status, result.code) == ("inadmissible", code), result.message
    assert (result.fee, result.gas_used) == (0, 0)
    assert result.message and result.rule


def check_refused(
    ledger: Ledger, sender: KeyPair, code: str, act: Callable[[], TransactionResult]
) -> TransactionResult:
    """Refused with this code: the fee and the nonce are all that changed of the sender."""
    before = records.accounts.load(ledger.state, sender.address)
    result = act()
    after = records.accounts.load(ledger.state, sender.address)
    assert (result.status, result.code) == ("refused", code), result.message
    assert result.fee > 0
    assert after.nonce == before.nonce + 1
    if sender != OPERATOR:  # fees come back to the operator, who is the fee account
        assert after.balance == before.balance - result.fee
    return result


def test_spending_what_is_not_there(ledger: Ledger) -> None:
    arguments = money.Transfer(OPERATOR.address, 10**13)
    check_refused(
        ledger,
        CONSUMER,
        "insufficient_funds",
        lambda: ledger.send(CONSUMER, "LEDGER_TRANSFER", arguments),
    )


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("malformed", b""),
        ("malformed", b"\x81\xa2to"),
        ("malformed", encode({"to": CONSUMER.address, "amount": 5, "extra": 1})),
        ("malformed", encode({"to": CONSUMER.address, "amount": -1})),
        ("malformed", encode({"to": CONSUMER.address, "amount": 2**53})),
        ("not_canonical", encode({"amount": 5, "to": CONSUMER.address})),
        ("bad_address", encode({"to": "syn1" + "q" * 38, "amount": 5})),
    ],
)
def test_malformed_arguments(ledger: Ledger, code: str, data: bytes) -> None:
    check_refused(ledger, CONSUMER, code, lambda: ledger.send(CONSUMER, "LEDGER_TRANSFER", data))


def test_a_program_that_is_none(ledger: Ledger) -> None:
    result = ledger.send(CONSUMER, "LEDGER_TRANSFER", TRANSFER, code=b"\x00\x01")
    assert result.status == "refused" and result.fee > 0


def test_a_frozen_wallet_only_receives(ledger: Ledger) -> None:
    ledger.ok(REGULATOR, "REGULATION_FREEZE", regulation.Freeze(CONSUMER.address, "lost key"))
    arguments = money.Transfer(OPERATOR.address, 1)
    result = check_refused(
        ledger,
        CONSUMER,
        "frozen_wallet",
        lambda: ledger.send(CONSUMER, "LEDGER_TRANSFER", arguments),
    )
    assert "frozen-wallet" in result.message
    ledger.ok(OPERATOR, "LEDGER_TRANSFER", TRANSFER)
    denied = records.denials.load(ledger.state, CONSUMER.address)
    assert denied is not None and denied.count == 1  # REG-8
    ledger.ok(REGULATOR, "REGULATION_UNFREEZE", regulation.Unfreeze(CONSUMER.address))
    ledger.ok(CONSUMER, "LEDGER_TRANSFER", arguments)


def test_wrong_jurisdiction(ledger: Ledger, logistic: tuple[bytes, np.ndarray]) -> None:
    content, _ = logistic
    model = ledger.publish(content, jurisdictions=("DE", "GB"))
    ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    ledger.offer(model)
    abroad = key("abroad")
    ledger.ok(OPERATOR, "LEDGER_TRANSFER", money.Transfer(abroad.address, 10**9))
    assert ledger.register(abroad, "consumer", jurisdiction="US").status == "ok"
    offer = records.offers.load(ledger.state, model)
    arguments = licences.Buy(model, ledger.model(model).digest, offer.id, 1)
    result = check_refused(
        ledger,
        abroad,
        "outside_approved_jurisdictions",
        lambda: ledger.send(abroad, "LICENCE_BUY", arguments),
    )
    assert "outside-approved-jurisdictions" in result.message


@pytest.mark.parametrize(("risk", "needed"), [("minimal", 1), ("limited", 1), ("high", 2)])
def test_unapproved_models_are_not_offered(
    ledger: Ledger, logistic: tuple[bytes, np.ndarray], risk: str, needed: int
) -> None:
    content, _ = logistic
    model = ledger.publish(content, risk=risk)
    for regulator in (REGULATOR, SECOND)[:needed]:
        assert ledger.offer(model).code in ("approval_missing", "second_approval_missing")
        ledger.ok(regulator, "MODEL_APPROVE", ledger.approval(model))
        ledger.ok(regulator, "MODEL_APPROVE", ledger.approval(model))  # counts once (REG-7)
    assert ledger.offer(model).status == "ok"


def test_an_approval_ends_on_its_date(ledger: Ledger, logistic: tuple[bytes, np.ndarray]) -> None:
    content, _ = logistic
    model = ledger.publish(content)
    approval = ledger.approval(model, until=ledger.time + DAY)
    ledger.ok(REGULATOR, "MODEL_APPROVE", approval)
    assert ledger.offer(model).status == "ok"
    ledger.block(advance=DAY)
    assert ledger.offer(model).code == "approval_missing"


def test_approvals_bind_what_was_shown(ledger: Ledger, logistic: tuple[bytes, np.ndarray]) -> None:
    content, _ = logistic
    model = ledger.publish(content)
    for change in ({"digest": bytes(32)}, {"risk": "minimal"}, {"jurisdictions": ("FR",)}):
        result = ledger.send(REGULATOR, "MODEL_APPROVE", ledger.approval(model, **change))
        assert result.code == "approval_mismatch"
    past = ledger.approval(model, until=START - 1)
    assert ledger.send(REGULATOR, "MODEL_APPROVE", past).code == "approval_expired"


def test_nobody_approves_their_own_model(tmp_path, logistic: tuple[bytes, np.ndarray]) -> None:
    """REG-7 holds whatever the policy set says."""
    first = genesis()
    wallets = tuple(
        type(wallet)(
            wallet.address, wallet.public_key, wallet.jurisdiction, ("publisher", "regulator"),
            wallet.balance,
        )
        if wallet.address == REGULATOR.address
        else wallet
        for wallet in first.wallets
    )  # fmt: skip
    permissive = (
        first.policy.replace('forbid (principal, action == Action::"approve"', "//").split(
            "// Whoever gains"
        )[0]
        + first.policy.split("when { resource.publisher == principal };")[-1]
    )
    ledger = Ledger(tmp_path / "own", genesis(wallets=wallets, policy=permissive))
    content, _ = logistic
    model = ledger.publish(content, REGULATOR)
    result = ledger.send(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    assert (result.status, result.code) == ("refused", "self_approval")
    ledger.close()


def test_licences_are_the_callers_own_and_from_before(
    ledger: Ledger, logistic: tuple[bytes, np.ndarray]
) -> None:
    content, rows = logistic
    model, licence = bought(ledger, content)
    other = key("other")
    ledger.ok(OPERATOR, "LEDGER_TRANSFER", money.Transfer(other.address, 10**9))
    ledger.register(other, "consumer")
    arguments = inference.Invoke(model, licence, 0, None)
    attachment = (salted(tensors(X=rows)),)
    for attempt in (arguments, inference.Invoke(model, bytes(32), 0, None)):
        result = check_refused(
            ledger,
            other,
            "unlicensed",
            lambda attempt=attempt: ledger.send(other, "INFERENCE_INVOKE", attempt, attachment),
        )
        assert len(result.receipts) == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Y": np.zeros((1, 4), np.float32)}, "bad_input"),
        ({"X": np.zeros((1, 3), np.float32)}, "bad_input"),
        ({"X": np.zeros((1, 4), np.float64)}, "bad_input"),
        ({"X": np.zeros((0, 4), np.float32)}, "bad_input"),
        ({"X": np.full((1, 4), np.nan, np.float32)}, "bad_input"),
        ({"X": np.full((1, 4), np.inf, np.float32)}, "bad_input"),
        ({"X": np.zeros((101, 4), np.float32)}, "too_many_rows"),
    ],
)
def test_bad_inputs_are_refused_before_execution_is_charged(
    ledger: Ledger, logistic: tuple[bytes, np.ndarray], given: dict[str, np.ndarray], code: str
) -> None:
    """INF-2, INF-3"""
    content, rows = logistic
    model, licence = bought(ledger, content)
    raw, _ = invoke(ledger, model, licence, rows)
    good = ledger.block(raw)[0]
    arguments = inference.Invoke(model, licence, 0, None)
    attachment = (salted(tensors(**given)),)
    result = check_refused(
        ledger,
        CONSUMER,
        code,
        lambda: ledger.send(CONSUMER, "INFERENCE_INVOKE", arguments, attachment),
    )
    # Its bytes are paid for twice, where they are carried and where they are read (GAS-7).
    size = len(attachment[0].content) - len(salted(tensors(X=rows)).content)
    assert result.gas_used - 2 * size < good.gas_used
    assert records.licences.load(ledger.state, licence).used == 1


def test_a_copied_upload_is_refused(ledger: Ledger, logistic: tuple[bytes, np.ndarray]) -> None:
    """MKT-2: whoever commits to a digest first owns it."""
    content, _ = logistic
    ledger.upload(content)
    thief = key("thief")
    ledger.ok(OPERATOR, "LEDGER_TRANSFER", money.Transfer(thief.address, 10**9))
    ledger.register(thief, "publisher")
    with pytest.raises(AssertionError, match="digest_taken"):
        ledger.upload(content, thief)


def test_a_published_version_is_immutable(
    ledger: Ledger, logistic: tuple[bytes, np.ndarray]
) -> None:
    content, _ = logistic
    ledger.publish(content)
    record = next(iter(records.models.scan(ledger.state)))[1]
    again = models.Publish(
        record.digest, record.name, record.version, "minimal", (), None, None, None, True
    )
    result = ledger.send(PUBLISHER, "MODEL_PUBLISH", again)
    assert result.code == "already_published"


def test_a_file_that_is_no_model_names_the_reason(ledger: Ledger) -> None:
    with pytest.raises(AssertionError, match="unsupported_model"):
        ledger.publish(b"no model at all")


def test_no_verb_runs_without_its_check() -> None:
    """POL-1: each verb names a Cedar action of the schema, or is governed by m of n."""
    from synnergy.policy.texts import SCHEMA

    verbs = catalogue.domain()
    assert len(verbs) >= 15
    for opcode in verbs:
        if opcode.governance:
            assert opcode.action is None and opcode.template_only
        else:
            assert opcode.resource is not None
            assert f"action {opcode.action} appliesTo" in SCHEMA


def test_each_verb_asks_the_policy(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """POL-1, from outside: with a policy that says no to everyone, no verb does anything."""
    from synnergy.opcodes import host
    from synnergy.policy.engine import Verdict

    asked: list[str] = []

    def deny(_compiled: object, request: object) -> Verdict:
        asked.append(request.action)
        return Verdict(False, (), "no")

    monkeypatch.setattr(host, "decide", deny)
    for opcode in catalogue.domain():
        if opcode.governance:
            continue
        monkeypatch.setattr("synnergy.opcodes.host.authorise", _with_any_resource(host.authorise))
        result = ledger.send(CONSUMER, opcode.name, _smallest(opcode.args))
        assert (result.status, result.code) == ("refused", "policy_denied"), opcode.name
    assert set(asked) == {opcode.action for opcode in catalogue.domain() if opcode.action}


def _with_any_resource(authorise):
    from dataclasses import replace

    from synnergy.opcodes.entities import ledger_resource

    def inner(context, opcode, arguments):
        return authorise(context, replace(opcode, resource=ledger_resource), arguments)

    return inner


def _smallest(struct: type) -> object:
    """Some well-formed argument block of a verb."""
    import msgspec

    def value(field: msgspec.structs.FieldInfo) -> object:
        examples: dict[str, object] = {
            "to": CONSUMER.address,
            "address": CONSUMER.address,
            "contract": CONSUMER.address,
            "catch": False,
            "model": bytes(20),
            "name": "name",
            "version": "1",
            "risk": "minimal",
            "jurisdiction": "GB",
            "chunks": (bytes(32),),
            "payloads": (bytes(32),),
            "reason": "a reason",
            "text": "",
            "signature": bytes(64),
            "chain_id": "",
            "allow_missing": False,
            "jurisdictions": (),
            "roles": (),
            "kinds": (),
        }
        if field.name in examples:
            return examples[field.name]
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            return _smallest(field.type)
        for candidate in (None, 1, bytes(32)):
            try:
                return msgspec.convert(candidate, field.type)
            except msgspec.ValidationError:
                continue
        raise AssertionError(field)

    return struct(**{field.name: value(field) for field in msgspec.structs.fields(struct)})


def test_policy_changes_need_m_of_n(tmp_path) -> None:
    """REG-5"""
    ledger = Ledger(tmp_path / "two", genesis(threshold=2))
    text = genesis().policy + "\n// a second edition\n"
    arguments = governance.SetPolicy(text)
    assert ledger.send(CONSUMER, "REGULATION_SET_POLICY", arguments).code == "not_a_regulator"
    ledger.ok(REGULATOR, "REGULATION_SET_POLICY", arguments)
    assert ledger.application.governance().policy_version == 1
    again = ledger.send(REGULATOR, "REGULATION_SET_POLICY", arguments)
    assert again.code == "already_agreed"
    ledger.ok(SECOND, "REGULATION_SET_POLICY", arguments)
    assert ledger.application.governance().policy_version == 2
    assert records.policies.load(ledger.state, 2).text == text
    locked = governance.SetPolicy('@id("none") forbid (principal, action, resource);')
    assert ledger.send(SECOND, "REGULATION_SET_POLICY", locked).code == "policy_locks_out"
    ledger.close()


def test_regulators_verbs_are_templates_only(ledger: Ledger) -> None:
    """REG-6: the same verb from another program is refused."""
    from synnergy.vm.program import decode_program, encode_program
    from synnergy.vm.templates import template
    from synnergy.wire.transaction import MAX_DATA_BYTES

    program = decode_program(template("REGULATION_FREEZE"))
    import msgspec

    other = encode_program(msgspec.structs.replace(program, memory_pages=program.memory_pages + 1))
    assert MAX_DATA_BYTES
    arguments = regulation.Freeze(CONSUMER.address, "")
    result = ledger.send(REGULATOR, "REGULATION_FREEZE", arguments, code=other)
    assert (result.status, result.code) == ("refused", "not_a_template")


def test_a_regulator_without_funds_is_sponsored(tmp_path) -> None:
    """TX-9: gas is metered all the same; the fee account pays itself."""
    first = genesis()
    poor = tuple(
        type(w)(w.address, w.public_key, w.jurisdiction, w.roles,
                w.balance + 10**12 if w.address == OPERATOR.address
                else 0 if w.address == REGULATOR.address else w.balance)
        for w in first.wallets
    )  # fmt: skip
    ledger = Ledger(tmp_path / "poor", genesis(wallets=poor))
    supply = ledger.balance(OPERATOR.address)
    assert ledger.register(key("someone"), "consumer").status == "ok"
    assert ledger.balance(OPERATOR.address) == supply
    result = ledger.send(REGULATOR, "LEDGER_TRANSFER", TRANSFER, code=b"\x00")
    assert (result.status, result.code) == ("inadmissible", "insufficient_funds")
    ledger.close()


def test_the_signer_is_no_wallet(ledger: Ledger) -> None:
    assert ledger.send(SIGNER, "LEDGER_TRANSFER", TRANSFER).code == "unregistered"
