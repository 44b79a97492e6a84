"""Clients of a network, who submit transfers and remember what was acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from synnergy.client import replies
from synnergy.client.api import Node
from synnergy.client.failures import ClientError, NodeUnavailable
from synnergy.identity.keys import KeyPair
from tests.crash.load import WALLETS, Acknowledged, acknowledgement, envelope
from tests.network.validators import Validator

#: How long a client lets a validator wait for a block before it asks the next one, in seconds.
WAIT_SECONDS = 4.0
PAUSE_SECONDS = 0.1


@dataclass
class Client:
    """One wallet that submits a transfer after the other, through any validator that answers."""

    keys: KeyPair
    validators: Sequence[Validator]
    chain_id: str
    first: int
    acknowledged: list[Acknowledged] = field(default_factory=list[Acknowledged])
    wrong: list[str] = field(default_factory=list[str])
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with ExitStack() as stack:
            nodes = [stack.enter_context(validator.node()) for validator in self.validators]
            at = self.first
            nonce = 0
            while not self.stopping.is_set():
                identifier, raw = envelope(self.keys, nonce, self.chain_id)
                try:
                    found = self._submit(nodes[at], identifier, raw)
                except ClientError as failed:
                    if failed.code not in _ELSEWHERE and not isinstance(failed, NodeUnavailable):
                        self.wrong.append(f"{identifier}: {failed.code} {failed}")
                        return
                    at = (at + 1) % len(nodes)
                    self.stopping.wait(PAUSE_SECONDS)
                    continue
                if found is None:  # the same bytes elsewhere: one transaction, however often sent
                    at = (at + 1) % len(nodes)
                    continue
                if found.status != "ok" or found.transaction != identifier:
                    self.wrong.append(f"{identifier}: {found.status} {found.result}")
                    return
                self.acknowledged.append(acknowledgement(found))
                nonce += 1

    def _submit(self, node: Node, identifier: str, raw: bytes) -> replies.TransactionReply | None:
        """What became of it, None where it still waits."""
        try:
            reply = node.post_transaction(raw, WAIT_SECONDS)
        except ClientError as failed:
            if failed.code != "replayed":
                raise
            # An earlier attempt went through, and its answer was lost.
            known = node.transaction(identifier)
            if known is None or known.height is None:
                raise
            return known
        return reply if reply.height is not None else None


#: What one validator says of a transaction may differ from the others' while it lags behind.
_ELSEWHERE = ("replayed", "nonce_too_high", "busy", "halted", "duplicate", "too_many_requests")


class Load:
    """All clients at once, each in a thread of its own, each first at another validator."""

    def __init__(self, validators: Sequence[Validator], chain_id: str) -> None:
        self.clients = [
            Client(keys, validators, chain_id, index % len(validators))
            for index, keys in enumerate(WALLETS)
        ]
        self._threads = [threading.Thread(target=client.run) for client in self.clients]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def acknowledged(self) -> list[Acknowledged]:
        return [one for client in self.clients for one in list(client.acknowledged)]

    def check(self) -> None:
        """Nobody got an answer that cannot be right."""
        assert [client.wrong for client in self.clients] == [[]] * len(self.clients)

    def stop(self) -> None:
        for client in self.clients:
            client.stopping.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        self.check()
