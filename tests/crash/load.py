"""Clients that submit transfers one after the other, and remember what was acknowledged."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from synnergy.chain.genesis import chain_id_of
from synnergy.client import replies
from synnergy.client.api import Node
from synnergy.client.failures import ClientError
from synnergy.identity.keys import KeyPair
from synnergy.opcodes import ledger as money
from synnergy.vm.templates import template
from synnergy.wire.codec import encode
from synnergy.wire.transaction import (
    Attachment,
    Body,
    BodySignature,
    Envelope,
    signing_bytes,
    transaction_id,
)
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, REGULATOR, genesis

WALLETS = (OPERATOR, PUBLISHER, CONSUMER, REGULATOR)


@dataclass(frozen=True)
class Acknowledged:
    """What the node said became of a transaction; it must say so for ever."""

    transaction: str
    height: int
    fee: int
    output: str


def envelope(sender: KeyPair, nonce: int, chain_id: str) -> tuple[str, bytes]:
    """A transfer, every third with a note of some pages: (its id, its bytes)."""
    note = Attachment(b"n" * 32, nonce.to_bytes(8, "big") * 6_000)
    attachments = (note,) if nonce % 3 == 0 else ()
    body = Body(
        chain_id=chain_id,
        sender=sender.address,
        nonce=nonce,
        gas_limit=100_000,
        gas_price=1,
        expiry_height=900_000,
        code=template("LEDGER_TRANSFER"),
        data=encode(money.Transfer(WALLETS[nonce % 4].address, nonce)),
        attachments=tuple(attachment.reference for attachment in attachments),
    )
    signature = BodySignature(sender.public_key, sender.sign(signing_bytes(body)))
    return transaction_id(body).hex(), encode(Envelope(body, (signature,), attachments))


def acknowledgement(reply: replies.TransactionReply) -> Acknowledged:
    assert reply.result is not None and reply.height is not None
    return Acknowledged(reply.transaction, reply.height, reply.result.fee, reply.result.output)


@dataclass
class Client:
    """One wallet at one node; `run` goes on until the node is gone."""

    keys: KeyPair
    url: str
    acknowledged: list[Acknowledged] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def run(self) -> None:
        chain_id = chain_id_of(genesis())
        with Node(self.url) as node:
            try:
                nonce = node.account(self.keys.address).nonce
                while True:
                    identifier, raw = envelope(self.keys, nonce, chain_id)
                    reply = node.post_transaction(raw, 10)
                    if reply.status == "pending":
                        continue  # the same bytes again: one transaction, however often sent
                    if reply.status != "ok" or reply.transaction != identifier:
                        self.wrong.append(f"{identifier}: {reply.status} {reply.result}")
                        return
                    self.acknowledged.append(acknowledgement(reply))
                    nonce += 1
            except ClientError as gone:
                if gone.code == "replayed":
                    self.wrong.append(str(gone))


class Load:
    """All clients at once, each in a thread of its own."""

    def __init__(self, url: str) -> None:
        self.clients = [Client(keys, url) for keys in WALLETS]
        self._threads = [threading.Thread(target=client.run) for client in self.clients]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> list[Acknowledged]:
        """Once the node is gone: everything that was acknowledged."""
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive()
        assert [client.wrong for client in self.clients] == [[]] * len(self.clients)
        return [one for client in self.clients for one in client.acknowledged]
