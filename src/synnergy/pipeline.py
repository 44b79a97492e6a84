"""READ FIRST: one transaction from bytes to receipt, a stage a line.

    bytes → decode → authenticate → admit → execute ─┬ price ─ authorise ─ apply ┬→ settle → result
            wire/    identity/      (here)   vm/     └ gas/    policy/   opcodes/┘  receipts/

Stages exchange frozen values; only this module knows them all; nothing downstream reaches back.
A transaction ends in one of three ways (TX-6): `inadmissible` has no effect at all; `refused` is
rolled back, but pays its fee and advances its nonce; `ok` takes effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from synnergy.gas.meter import Meter
from synnergy.gas.schedule import Schedule
from synnergy.identity.authenticate import Transaction
from synnergy.opcodes.context import BlockInfo, Context, Erasure, Event, Payload, credit, debit
from synnergy.opcodes.frames import begin, keep, note_failure, record_failures, run, undo
from synnergy.policy.engine import CompiledSet
from synnergy.receipts.receipt import Receipt
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.journal import Journal
from synnergy.state.keys import is_key_of
from synnergy.vm.cache import ProgramCache
from synnergy.vm.interpreter import Outcome
from synnergy.vm.templates import template_opcode
from synnergy.wire.codec import Struct
from synnergy.wire.types import Amount, Digest, Gas, ShortText

#: A transaction may name an expiry at most this many blocks ahead (TX-8).
MAX_EXPIRY_AHEAD = 1_000_000
#: Characters of a result's message; it is kept for ever (TX-6).
MAX_MESSAGE = 4_000
NOTHING_REJECTED = Rejected("", "", "")
#: Bytes that a program may return or revert with: a verb's result fits, and it is kept for ever.
MAX_RETURNED = 4_096


class TransactionResult(Struct, frozen=True):
    """What became of a transaction; `rule`, `code` and `message` say why where it isn't ok.

    `fee` was paid for `gas_used`; `output` is what the program returned; `receipts` are ids.
    """

    transaction: Digest
    status: Literal["ok", "refused", "inadmissible"]
    rule: ShortText
    code: ShortText
    message: str
    where: ShortText
    gas_used: Gas
    fee: Amount
    output: bytes
    events: tuple[Event, ...]
    receipts: tuple[Digest, ...]


class Executed(msgspec.Struct, frozen=True):
    """A result together with what is kept, and forgotten, beside the tree."""

    result: TransactionResult
    receipts: tuple[Receipt, ...]
    outputs: tuple[tuple[bytes, Payload], ...]
    erasures: tuple[Erasure, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a block gives to each of its transactions.

    `policy` is the set in force as the journal stands; `artefact_chunk` reads a file's chunk,
    beside the tree; `programs` keeps verified programs.
    """

    block: BlockInfo
    schedule: Schedule
    policy: Callable[[], CompiledSet]
    artefact_chunk: Callable[[bytes], Payload | None]
    programs: ProgramCache


def run_transaction(transaction: Transaction, journal: Journal, around: Surroundings) -> Executed:
    """The arrow from an authenticated transaction on. Changes state through `journal` only."""
    wallet = records.wallets.load(journal, transaction.body.sender)
    stranger = check_key(transaction, wallet)
    if stranger is not None:  # who didn't sign it says nothing of what becomes of it
        return inadmissible(bytes(32), stranger)
    admitted = admit(transaction, wallet, journal, around)
    if isinstance(admitted, Rejected):
        return inadmissible(transaction.id, admitted)
    reserve(transaction, journal, admitted)
    context = open_context(transaction, journal, around)
    point = begin(context)
    outcome = execute_program(context)
    if outcome.status == "ok":
        keep(context, point)
    else:
        undo(context, point)
        note_failure(context, outcome)
    record_failures(context)
    fee = pay(transaction, journal, admitted, context.meter.used)
    return conclude(context, outcome, fee)


def quote(transaction: Transaction, journal: Journal, around: Surroundings) -> TransactionResult:
    """What a transaction would be charged, to the unit, or which of its own rules refuses it.

    Asks no policy, pays nothing, runs no model; `journal` is to be thrown away (GAS-6).
    """
    context = open_context(transaction, journal, around, quoting=True)
    outcome = execute_program(context)
    fee = context.meter.used * transaction.body.gas_price
    return conclude(context, outcome, fee).result


def open_context(
    transaction: Transaction, journal: Journal, around: Surroundings, *, quoting: bool = False
) -> Context:
    return Context(
        journal=journal,
        block=around.block,
        transaction=transaction,
        meter=Meter(transaction.body.gas_limit),
        schedule=around.schedule,
        policy=around.policy(),
        artefact_chunk=around.artefact_chunk,
        programs=around.programs,
        quoting=quoting,
    )


def intrinsic_gas(transaction: Transaction, schedule: Schedule) -> int:
    """Gas for carrying and verifying a transaction, before anything of it runs (GAS-4)."""
    body = transaction.body
    lengths = [one.length for one in body.attachments] if body.attachments else ()
    return schedule.intrinsic_gas(len(body.data), len(body.code), lengths)


def check_key(transaction: Transaction, wallet: records.Wallet | None) -> Rejected | None:
    """Whether the key that signed is the sender's, registered as `wallet` (TX-5, ID-3)."""
    sender = transaction.body.sender
    if is_key_of(transaction.public_key, sender, wallet):
        return None
    return Rejected(
        "TX-5",
        "wrong_signatures",
        f"the signing key is not that of the sender {sender}, or no longer",
    )


def admit(
    transaction: Transaction,
    wallet: records.Wallet | None,
    journal: Journal,
    around: Surroundings,
) -> str | Rejected:
    """Who pays, or why the transaction is inadmissible. Reads state; runs nothing (TX-7, TX-8).

    `wallet` is the sender's registration.
    """
    body = transaction.body
    governance = records.governance.load(journal, records.SINGLE)
    assert governance is not None
    account = records.accounts.load(journal, body.sender)
    if account is None or wallet is None:
        return Rejected(
            "TX-7",
            "unregistered",
            f"{body.sender} is not registered with the regulatory node; it can only receive."
            " A regulator can register it",
        )
    if wallet.deregistered:
        return Rejected(
            "TX-7",
            "deregistered",
            f"the registration of {body.sender} was ended by a regulator; it can only receive."
            " A regulator can register it again",
        )
    if body.nonce != account.nonce:
        kind = "replayed" if body.nonce < account.nonce else "nonce_too_high"
        return Rejected(
            "TX-7", kind, f"the nonce is {body.nonce}, the sender's next one is {account.nonce}"
        )
    height = around.block.height
    if body.expiry_height < height:
        return Rejected(
            "TX-8",
            "expired",
            f"the transaction expired at height {body.expiry_height}, it is {height} now",
        )
    if body.expiry_height > height + MAX_EXPIRY_AHEAD:
        return Rejected(
            "TX-8", "expiry_too_far", f"expiry is at most {MAX_EXPIRY_AHEAD} blocks ahead"
        )
    if body.gas_price < governance.minimum_gas_price:
        return Rejected(
            "GAS-5",
            "gas_price_too_low",
            f"the gas price is {body.gas_price}, at least {governance.minimum_gas_price} is asked",
        )
    limit = around.schedule.limits["transaction"].gas
    if body.gas_limit > limit:
        return Rejected(
            "GAS-5", "gas_limit_too_high", f"the gas limit is {body.gas_limit}, at most {limit}"
        )
    intrinsic = intrinsic_gas(transaction, around.schedule)
    if body.gas_limit < intrinsic:
        return Rejected(
            "GAS-4",
            "gas_limit_too_low",
            f"the gas limit is {body.gas_limit}, carrying it alone takes {intrinsic}",
        )
    return payer_of(transaction, journal, governance, account)


def payer_of(
    transaction: Transaction,
    journal: Journal,
    governance: records.Governance,
    account: records.Account,
) -> str | Rejected:
    """The sender; or, for a regulator without funds, the account that genesis names (TX-9)."""
    body = transaction.body
    needed = body.gas_limit * body.gas_price
    if account.balance >= needed:
        return body.sender
    if body.sender in governance.regulators and template_opcode(body.code) is not None:
        sponsor = records.accounts.load(journal, governance.fee_account)
        if sponsor is not None and sponsor.balance >= needed:
            return governance.fee_account
    return Rejected(
        "TX-9",
        "insufficient_funds",
        f"gas limit × gas price is {needed}, {body.sender} has {account.balance}",
    )


def reserve(transaction: Transaction, journal: Journal, payer: str) -> None:
    """Advance the nonce and take gas limit × price from the payer's balance."""
    body = transaction.body
    reserved = body.gas_limit * body.gas_price
    if payer != body.sender:
        refused = debit(journal, payer, reserved)
        assert refused is None
        reserved = 0
    account = records.accounts.load(journal, body.sender)
    assert account is not None and account.balance >= reserved
    changed = records.Account(account.balance - reserved, account.nonce + 1)
    records.accounts.save(journal, body.sender, changed)


def execute_program(context: Context) -> Outcome:
    """Charge the intrinsic gas, verify the program, interpret it."""
    body = context.transaction.body
    assert context.meter.charge(intrinsic_gas(context.transaction, context.schedule))
    verified = context.programs.verified(body.code)
    if isinstance(verified, Rejected):
        return Outcome("refused", b"", 0, verified)
    return run(context, verified, body.data, context.meter, verified.template, MAX_RETURNED)


def pay(transaction: Transaction, journal: Journal, payer: str, gas_used: int) -> int:
    """Give back what wasn't used; the rest is the fee, to the account that genesis names."""
    body = transaction.body
    governance = records.governance.load(journal, records.SINGLE)
    assert governance is not None
    fee = gas_used * body.gas_price
    credit(journal, payer, body.gas_limit * body.gas_price - fee)
    credit(journal, governance.fee_account, fee)
    return fee


def conclude(context: Context, outcome: Outcome, fee: int) -> Executed:
    """The result, and the receipts with the fee and gas that are known only now (RCPT-1)."""
    rejected = outcome.rejection or NOTHING_REJECTED
    message = rejected.message[:MAX_MESSAGE]
    gas_used = context.meter.used
    receipts = [settlement.receipt for settlement in context.settlements] + context.attempts
    receipts.sort(key=lambda receipt: receipt.index)
    receipts = [msgspec.structs.replace(receipt, fee=fee, gas=gas_used) for receipt in receipts]
    result = TransactionResult(
        transaction=context.transaction.id,
        status="ok" if outcome.status == "ok" else "refused",
        rule=rejected.rule,
        code=rejected.code,
        message=message,
        where=str(outcome.where or ""),
        gas_used=gas_used,
        fee=fee,
        output=outcome.output,
        events=tuple(context.events),
        receipts=tuple([receipt.id for receipt in receipts]),
    )
    outputs = tuple([settlement.output for settlement in context.settlements])
    return Executed(result, tuple(receipts), outputs, tuple(context.erasures))


def inadmissible(transaction: bytes, why: Rejected) -> Executed:
    """No effect, no fee, no nonce: only a result that says so (TX-6)."""
    message = why.message[:MAX_MESSAGE]
    result = TransactionResult(
        transaction, "inadmissible", why.rule, why.code, message, "", 0, 0, b"", (), ()
    )
    return Executed(result, (), (), ())
