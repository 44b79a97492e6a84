"""The chain itself: its head, blocks, transactions, accounts, and payloads beside the tree."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from synnergy.chain.application import MAX_BLOCK_BYTES
from synnergy.chain.archive import Location, height_key, load_block, load_payload
from synnergy.chain.block import StoredTransaction
from synnergy.chain.genesis import Genesis
from synnergy.chain.queries.moment import Moment
from synnergy.chain.queries.oversight import LimitView, limit_view, open_flags
from synnergy.gas.schedule import load_schedule
from synnergy.opcodes.artefacts import CHUNK_BYTES
from synnergy.opcodes.context import Payload
from synnergy.pipeline import TransactionResult
from synnergy.receipts.header import header_hash
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm import catalogue
from synnergy.vm.domain import DomainOpcode
from synnergy.vm.templates import template_opcode
from synnergy.wire.codec import Struct, decode, decode_trusted
from synnergy.wire.transaction import (
    MAX_ATTACHMENTS,
    MAX_CODE_BYTES,
    MAX_DATA_BYTES,
    MAX_ENVELOPE_BYTES,
    Body,
    Envelope,
)
from synnergy.wire.types import Address, Amount, Count, Digest, Height, ShortText, Time

TransactionStatus = Literal["ok", "refused", "inadmissible", "pending", "dropped"]


class ChainView(Struct, frozen=True):
    """The head of the chain and what transactions on it must keep to.

    `limits` are those of the gas table in force and those of the encoding; uploads are cut into
    chunks of `chunk_bytes`; payloads are kept for `retention` ms, 0 for ever. `upgrade` is what
    was agreed on and is still to come.
    """

    chain_id: str
    height: Height
    app_hash: Digest
    time: Time
    governance: records.Governance
    local_only: bool
    limits: dict[str, Count]
    chunk_bytes: Count
    upgrade: records.Upgrade | None
    retention: Time


class BlockResult(Struct, frozen=True):
    """What became of one transaction of a block; `code` is empty where it is ok."""

    transaction: Digest
    status: TransactionStatus
    code: ShortText


class BlockView(Struct, frozen=True):
    """A block: its header's fields, the header's hash and signature, and its transactions.

    The header is the canonical msgpack of chain_id, height, time, previous, app_hash,
    transactions_root and results_root, under the names `spec/chain.md` gives them.
    """

    chain_id: str
    height: Height
    time: Time
    app_hash: Digest
    previous: Digest
    transactions_root: Digest
    results_root: Digest
    transactions: tuple[Digest, ...]
    results: tuple[BlockResult, ...]
    signature: bytes
    header_hash: Digest
    local_only: bool


class Verb(Struct, frozen=True):
    """What a template does: the name of its opcode and its arguments, null if they don't decode.

    `x-opcodes` of the OpenAPI document names the schema of each opcode's arguments and result.
    """

    name: ShortText
    arguments: Any


class BodyView(Body, frozen=True):
    """The signed body; `verbs` says what it does where its program is a verb's template."""

    verbs: tuple[Verb, ...]


class DroppedView(Struct, frozen=True):
    """The rule that a transaction no longer passes."""

    rule: ShortText
    code: ShortText
    message: str


class TransactionView(Struct, frozen=True):
    """A transaction: `pending` without a place, or where it is and what became of it.

    `dropped` is one that this node had accepted and waits for no more: `why` says so (ENG-4).
    """

    transaction: Digest
    status: TransactionStatus
    height: Height | None
    index: Count | None
    result: TransactionResult | None
    body: BodyView | None
    why: DroppedView | None = None


class AccountView(Struct, frozen=True):
    """An account; an address that never received anything has the balance and nonce 0."""

    address: Address
    balance: Amount
    nonce: Count
    registered: bool
    wallet: records.Wallet | None
    denials: records.Denials | None
    flags: tuple[records.Flag, ...]
    limit: LimitView | None


def chain_view(moment: Moment, genesis: Genesis) -> ChainView:
    schedule = load_schedule(moment.governance.gas_version)
    limits = {name: price.gas for name, price in schedule.limits.items()} | {
        "block_bytes": MAX_BLOCK_BYTES,
        "envelope_bytes": MAX_ENVELOPE_BYTES,
        "code_bytes": MAX_CODE_BYTES,
        "data_bytes": MAX_DATA_BYTES,
        "attachments": MAX_ATTACHMENTS,
    }
    return ChainView(
        chain_id=moment.header.chain_id,
        height=moment.header.height,
        app_hash=moment.header.app_hash,
        time=moment.header.time,
        governance=moment.governance,
        local_only=genesis.local_only,
        limits=limits,
        chunk_bytes=CHUNK_BYTES,
        upgrade=records.upgrade.load(moment.state, records.SINGLE),
        retention=records.retention_of(moment.state),
    )


def genesis_file(moment: Moment) -> bytes:
    """The text of `genesis.json`, as the chain was begun with it."""
    stored = moment.view.get("meta", b"genesis")
    if stored is None:
        raise LookupError("the store has no genesis")
    return stored


def block_view(moment: Moment, height: int, genesis: Genesis) -> BlockView | None:
    """The block at `height`, or None where the chain has none yet."""
    if not 0 <= height <= moment.header.height:
        return None
    block = load_block(moment.view.get, height)
    if block is None:
        return None
    header = block.header
    stored = moment.view.scan("results", height_key(height), height_key(height + 1))
    results = [decode_trusted(value, TransactionResult) for _, value in stored]
    return BlockView(
        chain_id=header.chain_id,
        height=header.height,
        time=header.time,
        app_hash=header.app_hash,
        previous=header.previous,
        transactions_root=header.transactions,
        results_root=header.results,
        transactions=tuple(result.transaction for result in results),
        results=tuple(
            BlockResult(result.transaction, result.status, result.code) for result in results
        ),
        signature=block.signature,
        header_hash=header_hash(header),
        local_only=genesis.local_only,
    )


def transaction_view(moment: Moment, transaction: bytes) -> TransactionView | None:
    """A committed transaction, or None; inadmissible ones have no place to be found by."""
    stored = moment.view.get("transactions", transaction)
    if stored is None:
        return None
    place = decode_trusted(stored, Location)
    key = height_key(place.height) + place.index.to_bytes(4, "big")
    kept = moment.view.get("results", key)
    block = load_block(moment.view.get, place.height)
    if kept is None or block is None:
        raise LookupError(f"block {place.height} of a stored transaction is missing")
    result = decode_trusted(kept, TransactionResult)
    return TransactionView(
        transaction=transaction,
        status=result.status,
        height=place.height,
        index=place.index,
        result=result,
        body=_body_view(block.transactions[place.index]),
    )


def pending_view(transaction: bytes) -> TransactionView:
    """A transaction that waits for its block."""
    return TransactionView(transaction, "pending", None, None, None, None)


def dropped_view(transaction: bytes, why: Rejected) -> TransactionView:
    """A transaction that was accepted, and that no block will hold as far as this node knows."""
    told = DroppedView(why.rule, why.code, why.message)
    return TransactionView(transaction, "dropped", None, None, None, None, told)


def _body_view(stored: StoredTransaction) -> BodyView | None:
    if stored.whole:
        return None
    body = decode_trusted(stored.content, Envelope).body
    return BodyView(**msgspec.structs.asdict(body), verbs=decode_verbs(body))


def decode_verbs(body: Body) -> tuple[Verb, ...]:
    """The verb of a template with its decoded arguments; nothing for any other program."""
    name = template_opcode(body.code)
    opcode = catalogue.by_name(name) if name is not None else None
    if not isinstance(opcode, DomainOpcode):
        return ()
    arguments = decode(body.data, opcode.args, MAX_DATA_BYTES)
    return (Verb(opcode.name, None if isinstance(arguments, Rejected) else arguments),)


def account_view(moment: Moment, address: str) -> AccountView:
    account = records.accounts.load(moment.state, address)
    wallet = records.wallets.load(moment.state, address)
    return AccountView(
        address=address,
        balance=account.balance if account else 0,
        nonce=account.nonce if account else 0,
        registered=wallet is not None and not wallet.deregistered,
        wallet=wallet,
        denials=records.denials.load(moment.state, address),
        flags=open_flags(moment, address),
        limit=limit_view(moment, address),
    )


def find_payload(moment: Moment, commitment: bytes) -> Payload | None:
    """What is kept beside the tree under a commitment; None where unknown or erased."""
    return load_payload(moment.view.get, commitment)


def may_read_payload(moment: Moment, payload: Payload, reader: str | None) -> bool:
    """Whether `reader` (None: somebody unknown) is a party of the payload or a regulator."""
    if not payload.parties:
        return True
    return reader is not None and (
        reader in payload.parties or reader in moment.governance.regulators
    )
