"""From a verb to a committed transaction: build, quote, sign, hand over, follow (CLIENT-4).

A transaction that was handed over and of which nothing is heard is never sent again under another
nonce: its outcome is unknown, and whoever asked gets its id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from synnergy.client import replies
from synnergy.client.api import Node
from synnergy.client.failures import (
    ClientError,
    Dropped,
    NodeUnavailable,
    NothingSent,
    OutcomeUnknown,
    WrongUse,
)
from synnergy.client.nodes import STALE_NONCE
from synnergy.identity.keys import KeyPair
from synnergy.rejected import Rejected
from synnergy.vm.templates import template
from synnergy.wire.codec import decode, encode
from synnergy.wire.transaction import (
    MAX_DATA_BYTES,
    Attachment,
    Body,
    BodySignature,
    Envelope,
    signing_bytes,
    transaction_id,
)

R = TypeVar("R")

#: A transaction may be included for this many blocks.
LIFETIME_BLOCKS = 1_000
#: What a gas limit adds to the quote, where the balance allows it: a fifth.
MARGIN = 5
#: Seconds that the node is asked to hold the line, and how long a transaction is followed in all.
WAIT_SECONDS = 20.0
PATIENCE_SECONDS = 120.0
#: Pauses before trying again with a fresh nonce, when another of the sender's was faster.
NONCE_PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0)
#: Seconds after which a transaction that no node knows is handed over again, and again.
AGAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Call(Generic[R]):
    """One verb with its arguments; `result` is the struct that its output decodes to.

    `spends` is what the verb itself takes from the balance, beside the fee.
    """

    opcode: str
    arguments: msgspec.Struct
    result: type[R]
    attachments: tuple[Attachment, ...] = ()
    spends: int = 0


@dataclass(frozen=True, slots=True)
class Sent(Generic[R]):
    """A verb that took effect; `fee` was paid for `gas_used`."""

    transaction: str
    height: int
    gas_used: int
    fee: int
    value: R
    receipts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Handed:
    """A transaction on its way: its bytes, which stay the same, and what was last heard of it."""

    identifier: str
    envelope: bytes
    reply: replies.TransactionReply


@dataclass(frozen=True, slots=True)
class Signing:
    """What is about to be signed, for whoever wants to see it first."""

    sender: str
    call: Call[object]
    quote: replies.Quote


def no_announcement(_: Signing) -> None:
    """Shows nothing."""


def no_record(_: bytes) -> None:
    """Remembers nothing."""


@dataclass(slots=True)
class Sender:
    """A wallet at a node. `announce` sees every verb before it is signed."""

    node: Node
    keys: KeyPair
    announce: Callable[[Signing], None] = no_announcement
    patience: float = PATIENCE_SECONDS
    _chain: replies.Chain | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return self.keys.address

    def chain(self) -> replies.Chain:
        """The chain as it stood when last asked."""
        return self._chain or self.refresh()

    def refresh(self) -> replies.Chain:
        """Ask for the chain again, whose height decides when a transaction expires."""
        self._chain = self.node.chain()
        return self._chain

    def quote(self, call: Call[R]) -> replies.Quote:
        """What `call` would be charged. Needs no signature."""
        return quote_call(self.node, self.chain(), self.keys.public_key, self.address, call)

    def send(
        self,
        call: Call[R],
        record: Callable[[bytes], None] = no_record,
        gas_limit: int | None = None,
    ) -> Sent[R]:
        """Carry a verb out. `record` is given the transaction's id before it leaves.

        With a `gas_limit` nothing is quoted, and a refusal costs what was used of it. Raises
        ClientError where it is refused (with the id where a fee was paid), OutcomeUnknown.
        """
        self.refresh()
        quote = self._own_limit(gas_limit) if gas_limit is not None else self.quote(call)
        if quote.status == "refused":
            self._check_registered()
            raise ClientError(quote.code, quote.message, rule=quote.rule)
        self.announce(Signing(self.address, call, quote))  # pyright: ignore[reportArgumentType]
        for pause in (*NONCE_PAUSES, None):
            account = self.node.account(self.address)
            limit = gas_limit or self._limit(quote.gas, call.spends, account.balance)
            body = self.body(call, account.nonce, limit)
            try:
                record(transaction_id(body))
                return conclude(self.hand_over(body, call.attachments), call)
            except ClientError as stale:
                if stale.code not in STALE_NONCE or "tx" in stale.details or pause is None:
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable")

    def _own_limit(self, gas: int) -> replies.Quote:
        """The most that a transaction under this gas limit can be charged."""
        return replies.Quote(gas, gas * self.chain().governance.minimum_gas_price, "ok")

    def body(self, call: Call[R], nonce: int, gas_limit: int) -> Body:
        chain = self.chain()
        expiry = chain.height + LIFETIME_BLOCKS
        return build_body(chain, self.address, call, nonce, gas_limit, expiry)

    def hand_over(
        self, body: Body, attachments: tuple[Attachment, ...], wait: float = WAIT_SECONDS
    ) -> replies.TransactionReply:
        """Sign, post and follow until committed. OutcomeUnknown where nothing is heard."""
        identifier = transaction_id(body).hex()
        try:
            return self.follow(self.post(body, attachments, wait))
        except KeyboardInterrupt:
            raise OutcomeUnknown(
                identifier, f"interrupted after transaction {identifier} was handed over"
            ) from None

    def post(self, body: Body, attachments: tuple[Attachment, ...], wait: float) -> Handed:
        """Sign and post; `pending` where the line broke after something was sent."""
        identifier = transaction_id(body).hex()
        envelope = sign(body, attachments, self.keys)
        try:
            reply = self.node.post_transaction(envelope, wait)
        except NothingSent:
            raise
        except NodeUnavailable as gone:
            if gone.code == "halted":
                raise OutcomeUnknown(identifier, gone.message) from None
            reply = replies.TransactionReply(identifier, "pending")
        except ClientError as failed:
            # An earlier attempt of this very transaction may have arrived after all.
            known = self.node.transaction(identifier) if failed.code == "replayed" else None
            if known is None:
                raise
            reply = known
        return Handed(identifier, envelope, reply)

    def follow(self, handed: Handed) -> replies.TransactionReply:
        """Ask for a pending transaction until it is committed, or patience ends.

        Where no node knows it any more, the same bytes are handed over again (CLIENT-4). Raises
        OutcomeUnknown, Dropped, and ClientError where another transaction took its nonce.
        """
        identifier, reply = handed.identifier, handed.reply
        deadline = time.monotonic() + self.patience
        again = time.monotonic() + AGAIN_SECONDS
        said = ""
        for pause in _pauses():
            if reply.status == "dropped" and reply is handed.reply:
                with suppress(NodeUnavailable):  # who dropped it may be the only one who did
                    reply = self.node.transaction(identifier) or reply
            if reply.status == "dropped":
                raise _dropped(identifier, reply.why or replies.Failure("", ""))
            if reply.status != "pending":
                return reply
            if time.monotonic() >= deadline:
                break
            time.sleep(pause)
            try:
                known = self.node.transaction(identifier)
                if known is None and time.monotonic() >= again:
                    again = time.monotonic() + AGAIN_SECONDS
                    known = self.node.post_transaction(handed.envelope)
            except ClientError as failed:
                # A refusal says nothing of the copy that was handed over before.
                said = "" if isinstance(failed, NodeUnavailable) else failed.message
                continue
            reply = known or reply
        refusal = f"; handed over again it was refused: {said}" if said else ""
        raise OutcomeUnknown(
            identifier,
            f"transaction {identifier} was handed over, and nothing was heard of it in"
            f" {self.patience:g} s; `synnergy tx show {identifier}` tells once it is known"
            + refusal,
        )

    def _check_registered(self) -> None:
        """What comes first for whoever is unregistered, whatever else a quote has found."""
        if not self.node.account(self.address).registered:
            raise ClientError(
                "unregistered",
                f"{self.address} is not registered with the regulatory node; it can only receive."
                " A regulator can register it",
                rule="TX-7",
            )

    def _limit(self, gas: int, spends: int, balance: int) -> int:
        """The quote, with a margin that neither the balance nor the chain's limit rules out."""
        chain = self.chain()
        generous = min(gas + gas // MARGIN, chain.limits.get("transaction", gas))
        price = chain.governance.minimum_gas_price
        return max(gas, generous) if balance >= generous * price + spends else gas


def quote_call(
    node: Node, chain: replies.Chain, public_key: bytes, sender: str, call: Call[R]
) -> replies.Quote:
    """A quote for whoever holds `public_key`: header numbers don't matter, nor the signature."""
    body = build_body(chain, sender, call, 0, 0, chain.height + LIFETIME_BLOCKS)
    unsigned = BodySignature(public_key, bytes(64))
    return node.quote(encode(Envelope(body, (unsigned,), call.attachments)))


def build_body(
    chain: replies.Chain, sender: str, call: Call[R], nonce: int, gas_limit: int, expiry: int
) -> Body:
    """The body of the one program that carries out this verb, and nothing else.

    WrongUse where an argument is out of its declared range.
    """
    return Body(
        chain_id=chain.chain_id,
        sender=sender,
        nonce=nonce,
        gas_limit=gas_limit,
        gas_price=chain.governance.minimum_gas_price,
        expiry_height=expiry,
        code=template(call.opcode),
        data=encode_arguments(call.arguments),
        attachments=tuple(attachment.reference for attachment in call.attachments),
    )


def encode_arguments(arguments: msgspec.Struct) -> bytes:
    """The argument block; what a ledger would refuse to decode is refused here already."""
    try:
        data = encode(arguments)
    except (OverflowError, UnicodeEncodeError, msgspec.EncodeError) as error:
        raise WrongUse("bad_argument", f"an argument cannot be written: {error}") from None
    valid = decode(data, type(arguments), MAX_DATA_BYTES)
    if isinstance(valid, Rejected):
        raise WrongUse("bad_argument", valid.message, rule=valid.rule)
    return data


def sign(body: Body, attachments: tuple[Attachment, ...], keys: KeyPair) -> bytes:
    """The envelope's bytes."""
    signature = BodySignature(keys.public_key, keys.sign(signing_bytes(body)))
    return encode(Envelope(body, (signature,), attachments))


def conclude(reply: replies.TransactionReply, call: Call[R]) -> Sent[R]:
    """The verb's own result from a committed transaction; ClientError where it was refused."""
    result = reply.result
    if result is None or reply.height is None:
        raise NodeUnavailable("bad_reply", "the node says committed, but not with what result")
    if result.status != "ok":
        receipts = {"receipt": result.receipts[0]} if result.receipts else {}
        raise ClientError(
            result.code,
            result.message,
            rule=result.rule,
            tx=reply.transaction,
            height=reply.height,
            gas_used=result.gas_used,
            fee=result.fee,
            **receipts,
        )
    value = decode(bytes.fromhex(result.output), call.result, MAX_DATA_BYTES)
    if isinstance(value, Rejected):
        raise NodeUnavailable("bad_reply", f"the node's result cannot be read: {value.message}")
    return Sent(
        reply.transaction, reply.height, result.gas_used, result.fee, value, result.receipts
    )


def _dropped(identifier: str, why: replies.Failure) -> ClientError:
    """The failure that a dropped transaction is."""
    if why.code == "replayed":  # its nonce is another's for good, so that it has no effect
        return ClientError(why.code, why.message, rule=why.rule)
    return Dropped(identifier, why.message, why.rule)


def _pauses() -> Iterator[float]:
    pause = 0.02
    while True:
        yield pause
        pause = min(pause * 1.5, 0.5)
