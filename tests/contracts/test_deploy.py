"""Putting programs on the ledger: addresses, prices, who may (CONTRACT-1, CONTRACT-2)."""

from __future__ import annotations

import hashlib

import msgspec

from synnergy.identity.address import encode_address
from synnergy.opcodes.contracts import Deploy, Deployed
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.program import encode_program, function, instruction, program
from synnergy.wire.codec import decode, encode
from synnergy.wire.transaction import BodySignature, Envelope, signing_bytes
from tests.chain.market import program_of
from tests.contracts.puppet import CALL, DEPLOY, puppet, step
from tests.contracts.support import answer, ask, call, deploy
from tests.ledger.harness import CONSUMER, OPERATOR, REGULATOR, Ledger


def address_after(creator: str, nonce: int) -> str:
    """CONTRACT-1, written down a second time."""
    preimage = b"synnergy/contract/1\x00" + creator.encode() + nonce.to_bytes(8, "big")
    return encode_address(hashlib.sha256(preimage).digest()[:20])


def test_an_address_follows_from_deployer_and_nonce(ledger: Ledger) -> None:
    for nonce in range(3):
        assert deploy(ledger) == address_after(OPERATOR.address, nonce)
    record = records.contracts.load(ledger.state, address_after(OPERATOR.address, 2))
    assert record is not None
    assert (record.creator, record.deployer) == (OPERATOR.address, OPERATOR.address)
    assert record.program == hashlib.sha256(puppet()).digest()
    assert len(records.programs.scan(ledger.state)) == 1  # shared by all three


def test_a_contract_deploys_contracts_of_its_deployers(ledger: Ledger) -> None:
    factory = deploy(ledger)
    ledger.register(CONSUMER, "consumer", "operator")
    made = step(DEPLOY, encode(Deploy(puppet())))
    answer(call(ledger, factory, made, made, by=CONSUMER))
    for nonce in range(2):
        child = records.contracts.load(ledger.state, address_after(factory, nonce))
        assert child is not None
        assert (child.creator, child.deployer) == (factory, OPERATOR.address)
    assert records.contracts.load(ledger.state, address_after(factory, 2)) is None


def test_one_transaction_of_a_wallet_deploys_one_contract(ledger: Ledger) -> None:
    code, data = program_of(
        ("CONTRACT_DEPLOY", Deploy(puppet())), ("CONTRACT_DEPLOY", Deploy(puppet()))
    )
    raw = ledger.envelope(OPERATOR, "CONTRACT_DEPLOY", data, code=code)
    done = ledger.block(raw)[0]
    assert (done.status, done.rule, done.code) == ("refused", "CONTRACT-1", "address_taken")
    assert not records.contracts.scan(ledger.state)


def test_what_is_no_program_is_not_deployed(ledger: Ledger) -> None:
    underflow = encode_program(program(function(instruction("CORE_DROP"))))
    for code, rule in ((b"", "WIRE"), (b"\x00" * 40, "WIRE"), (underflow, "VM-6")):
        done = ledger.send(OPERATOR, "CONTRACT_DEPLOY", Deploy(code))
        assert done.status == "refused"
        assert done.rule.startswith(rule), (done.rule, done.message)
    assert not records.programs.scan(ledger.state)


def test_only_operators_deploy(ledger: Ledger) -> None:
    for wallet in (CONSUMER, REGULATOR):
        done = ledger.send(wallet, "CONTRACT_DEPLOY", Deploy(puppet()))
        assert (done.rule, done.code) == ("POL-1", "policy_denied")
        assert "operator" in done.message


def test_longer_programs_cost_more_by_what_they_leave(ledger: Ledger) -> None:
    """Verification and storage by the byte: a second program, 64 NOPs longer."""

    def gas(nops: int) -> int:
        code = encode_program(program(function(*[instruction("CORE_NOP")] * nops)))
        return ledger.send(OPERATOR, "CONTRACT_DEPLOY", Deploy(code)).gas_used

    schedule = ledger.application.surroundings(1, 0, ledger.state, {}).schedule
    more = 64 * 3
    carried = more * schedule.intrinsic["byte"].gas
    verified = more * schedule.intrinsic["program_byte"].gas
    blocks = more // 64 * schedule.units["storage_write_block"].gas
    copied = more // 64 * 2 * schedule.units["copy_block"].gas
    assert gas(4 * 64) - gas(3 * 64) == carried + verified + blocks + copied


def test_a_contract_is_a_wallet_that_nobody_can_sign_for_or_register(ledger: Ledger) -> None:
    contract = deploy(ledger)
    wallet = records.wallets.load(ledger.state, contract)
    assert wallet is not None and wallet.public_key == b"" and wallet.deployer == OPERATOR.address
    paid = decode(ledger.envelope(OPERATOR, "LEDGER_TRANSFER", b""), Envelope, 10_000)
    assert not isinstance(paid, Rejected)
    body = msgspec.structs.replace(paid.body, sender=contract, nonce=0)
    signature = BodySignature(OPERATOR.public_key, OPERATOR.sign(signing_bytes(body)))
    done = ledger.block(encode(Envelope(body, (signature,), ())))[0]
    assert done.status == "inadmissible", done.message


def test_deploying_into_a_call_that_fails_leaves_nothing(ledger: Ledger) -> None:
    outer, inner = deploy(ledger), deploy(ledger)
    failing = (step(DEPLOY, encode(Deploy(puppet()))), step(4))
    answer(call(ledger, outer, step(CALL, ask(inner, *failing, gas=2_000_000, catch=True))))
    assert records.contracts.load(ledger.state, address_after(inner, 0)) is None
    # The nonce was undone with it, so the address is free for the next one.
    answer(call(ledger, inner, failing[0]))
    assert records.contracts.load(ledger.state, address_after(inner, 0)) is not None


def test_the_result_names_the_contract(ledger: Ledger) -> None:
    done = ledger.send(OPERATOR, "CONTRACT_DEPLOY", Deploy(puppet()))
    value = decode(done.output, Deployed, 4_096)
    assert not isinstance(value, Rejected)
    assert [event.name for event in done.events] == ["contract.deployed"]
    assert done.events[0].attributes["contract"] == value.contract
