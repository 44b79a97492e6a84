"""What a transaction would be charged in the next block (GAS-6), from one moment of the chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import msgspec

from synnergy.chain.application import Application
from synnergy.chain.archive import payloads_of
from synnergy.chain.queries.moment import Moment, fresh_journal
from synnergy.identity.authenticate import Transaction, decode_transaction
from synnergy.pipeline import Surroundings, check_key, intrinsic_gas, quote
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.cache import ProgramCache
from synnergy.vm.templates import template_opcode
from synnergy.wire.codec import Struct
from synnergy.wire.types import MAX_INTEGER, Amount, Gas, ShortText

#: A program of the caller's own, or a contract's, is run for a quote as far as this gas, since
#: nobody pays for the run; other verbs do no work that their quote would have to repeat (API-8).
MAX_PROGRAM_GAS = 20_000_000


class QuoteView(Struct, frozen=True):
    """The charge, to the unit; where `status` is refused, what the refused attempt would cost."""

    gas: Gas
    fee: Amount
    status: Literal["ok", "refused"]
    rule: ShortText
    code: ShortText
    message: str
    output: bytes


def quote_view(moment: Moment, application: Application, raw: bytes) -> QuoteView | Rejected:
    """Quote an envelope whose signature, nonce and gas limit need not be final.

    A gas limit of 0 stands for the largest. Rejected for what could never be admitted.
    """
    transaction = decode_transaction(raw, application.chain_id)
    if isinstance(transaction, Rejected):
        return transaction
    journal = fresh_journal(moment.view)
    wallet = records.wallets.load(journal, transaction.body.sender)
    stranger = check_key(transaction, wallet)
    if stranger is not None:
        return stranger
    header = moment.header
    carried = payloads_of(transaction)
    around = application.surroundings(header.height + 1, header.time, journal, carried)
    # The application's own cache of programs belongs to the thread that makes blocks.
    around = replace(around, programs=ProgramCache(around.schedule.program_prices))
    limited = _limit(transaction, around)
    if isinstance(limited, Rejected):
        return limited
    result = quote(limited, journal, around)
    if result.code == "out_of_gas" and limited.body.gas_limit < _wanted(transaction, around):
        return Rejected(
            "API-8",
            "quote_too_long",
            f"a program is run for a quote as far as {MAX_PROGRAM_GAS} gas; this one needs more",
        )
    if result.fee > MAX_INTEGER:
        return Rejected("WIRE-3", "fee_too_high", "gas × gas price is not below 2^53")
    return QuoteView(
        gas=result.gas_used,
        fee=result.fee,
        status="ok" if result.status == "ok" else "refused",
        rule=result.rule,
        code=result.code,
        message=result.message,
        output=result.output,
    )


def _wanted(transaction: Transaction, around: Surroundings) -> int:
    return transaction.body.gas_limit or around.schedule.limits["transaction"].gas


def _limit(transaction: Transaction, around: Surroundings) -> Transaction | Rejected:
    """The transaction with the gas limit it is quoted under."""
    wanted = _wanted(transaction, around)
    most = around.schedule.limits["transaction"].gas
    if wanted > most:
        return Rejected(
            "GAS-5", "gas_limit_too_high", f"the gas limit is {wanted}, at most {most}"
        )
    intrinsic = intrinsic_gas(transaction, around.schedule)
    if wanted < intrinsic:
        return Rejected(
            "GAS-4",
            "gas_limit_too_low",
            f"the gas limit is {wanted}, carrying this transaction alone takes {intrinsic}",
        )
    if template_opcode(transaction.body.code) in (None, "CONTRACT_CALL"):
        wanted = min(wanted, intrinsic + MAX_PROGRAM_GAS)
    body = msgspec.structs.replace(transaction.body, gas_limit=wanted)
    return msgspec.structs.replace(transaction, body=body)
