"""Nodes over HTTP: one method for each route, typed answers, failures as ClientError.

Reading is retried where the connection broke or the node asks to come back (CLIENT-6), and goes on
to the next node where there are several (CLIENT-21); handing a transaction over is not repeated
blindly, see `transactions`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import quote as quote_path

import httpx

from synnergy.client import replies
from synnergy.client.connection import DEFAULT_NODE, Connection, decode_reply
from synnergy.client.failures import ClientError
from synnergy.client.nodes import Nodes, at_hand
from synnergy.client.streams import LINES, Stream, follow_events
from synnergy.wire.codec import read_json, read_msgpack
from synnergy.wire.transaction import MAX_ENVELOPE_BYTES

T = TypeVar("T")

#: How many records a node puts into one answer at most.
PAGE = 1_000
NO_QUERY: Mapping[str, str] = MappingProxyType({})
#: A quote may wait in line.
QUOTE_SECONDS = 30.0


class Node:
    """One node, or several of one chain as if they were one (CLIENT-21).

    Use as a context manager, or call `close`.
    """

    def __init__(
        self,
        url: str = DEFAULT_NODE,
        transport: httpx.BaseTransport | None = None,
        *,
        fallbacks: Sequence[str] = (),
        chain_id: str = "",
    ):
        """`url` is an address, or several with commas between, asked in this order.

        `fallbacks` are asked after them, if they serve `chain_id`; with some, `url` may be "".
        `transport` replaces the network, for tests. WrongUse where `url` names no HTTP address.
        """
        named = [one.strip() for one in url.split(",")]
        if fallbacks or len(named) > 1:
            named = [one for one in named if one]
        self._nodes = Nodes(named, fallbacks, chain_id, transport)

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._nodes.close()

    @property
    def url(self) -> str:
        """The address that is asked first at present."""
        return self._nodes.url

    # ---- the chain -------------------------------------------------------------------------

    def chain(self) -> replies.Chain:
        return self._read("/v1/chain", replies.Chain)

    def health(self) -> replies.Health:
        """How the node is that is asked first."""
        return self._read("/health", replies.Health)

    def genesis(self) -> bytes:
        return self._bytes("/v1/genesis")

    def block(self, height: int | str) -> replies.Block:
        settled = at_hand if isinstance(height, int) else None
        return self._read(f"/v1/blocks/{height}", replies.Block, settled=settled)

    def account(self, address: str) -> replies.Account:
        return self._read(f"/v1/accounts/{address}", replies.Account)

    def state(self, table: str, key: str) -> replies.StateReply:
        """A record with its proof."""
        path = f"/v1/state/{table}/{quote_path(key)}"
        return self._read(path, replies.StateReply, {"prove": "true"})

    @contextmanager
    def events(
        self,
        start: int | None = None,
        *,
        follow: bool = False,
        names: Sequence[str] = (),
        after: str | None = None,
    ) -> Generator[Iterator[replies.Event]]:
        """What happened, in order: from block `start` on (None: from the first that the node has).

        With `follow` new events come as they happen, and the iterator ends with the node, or of
        several with the last; else it ends behind the newest block. `names` keeps only those,
        `model.*` all that begin so; `after` goes on behind an event's id, whatever `start` says.
        """
        query = [("follow", "true" if follow else "false"), *(("name", name) for name in names)]
        if start is not None:
            query.append(("from", str(start)))
        stream = Stream(self._nodes, "/v1/events", query)
        stream.open(after, LINES)
        try:
            yield follow_events(self._nodes, stream, after, follow)
        finally:
            stream.close()

    # ---- transactions ----------------------------------------------------------------------

    def post_transaction(self, envelope: bytes, wait: float = 0) -> replies.TransactionReply:
        """Hand an envelope over; a node may hold the line for `wait` seconds.

        NothingSent where it surely didn't arrive, other NodeUnavailable where it may have.
        """
        _check_size(envelope)
        query = [("wait", f"{wait:g}")]
        response = self._nodes.hand_over("/v1/transactions", envelope, query, wait)
        if response.status_code == 409:
            said = decode_reply(response.content, replies.ErrorReply, read_json)
            return replies.TransactionReply("", "dropped", why=said.error)
        reply = decode_reply(response.content, replies.TransactionReply, read_json)
        self._nodes.saw(reply.height or 0)
        return reply

    def quote(self, envelope: bytes) -> replies.Quote:
        """What an envelope would be charged; its signature may be anything."""
        _check_size(envelope)
        return self._nodes.ask(
            lambda connection, silence: connection.post(
                "/v1/quotes", envelope, silence=max(silence, QUOTE_SECONDS)
            ),
            lambda response: decode_reply(response.content, replies.Quote, read_json),
        )

    def transaction(self, identifier: str) -> replies.TransactionReply | None:
        """What became of a transaction, None where no node that can be reached knows it.

        One that is in a block counts, whichever node says so, and then one that is pending.
        """
        path = f"/v1/transactions/{identifier}"
        return self._find(path, replies.TransactionReply, _undropped)

    # ---- models, licences, receipts --------------------------------------------------------

    def models(self, publisher: str | None = None) -> tuple[replies.Model, ...]:
        """Every model, or every one of a publisher's."""
        chosen = {"publisher": publisher} if publisher else {}
        found: list[replies.Model] = []
        while page := self._read("/v1/models", replies.Models, chosen).models:
            found += page
            if len(page) < PAGE:
                break
            chosen["after"] = page[-1].id
        return tuple(found)

    def model(self, identifier: str) -> replies.Model:
        return self._read(f"/v1/models/{identifier}", replies.Model)

    def find_model(self, identifier: str) -> replies.Model | None:
        """A model, None where the ledger has none of that id."""
        return self._find(f"/v1/models/{identifier}", replies.Model)

    def artefact(self, digest: str) -> replies.Artefact | None:
        return self._find(f"/v1/artefacts/{digest}", replies.Artefact)

    def document(self, digest: str) -> str:
        return self._read(f"/v1/documents/{digest}", replies.Document, settled=at_hand).text

    def licence(self, identifier: str) -> replies.Licence:
        return self._read(f"/v1/licences/{identifier}", replies.Licence)

    def licences(self, licensee: str, model: str | None = None) -> tuple[replies.Licence, ...]:
        """Every licence of a licensee, or those for one model."""
        chosen = {"licensee": licensee} | ({"model": model} if model else {})
        found: list[replies.Licence] = []
        while page := self._read("/v1/licences", replies.Licences, chosen).licences:
            found += page
            if len(page) < PAGE:
                break
            chosen["after"] = page[-1].id
        return tuple(found)

    def receipt(self, identifier: str) -> bytes:
        """The receipt file, without opening."""
        return self._bytes(f"/v1/receipts/{identifier}", at_hand)

    def commit(self, height: int | str) -> bytes:
        """CometBFT's header of a height, or of the `latest`, with its proof, see `trust`."""
        settled = at_hand if isinstance(height, int) else None
        return self._bytes(f"/v1/commits/{height}", settled)

    def payload(self, commitment: str, headers: Mapping[str, str]) -> replies.Payload:
        """An attachment or output; see `payloads` for the signed headers."""
        path = f"/v1/payloads/{commitment}"
        return self._nodes.ask(
            lambda connection, silence: connection.get(path, (), headers, silence),
            lambda response: decode_reply(response.content, replies.Payload, read_msgpack),
            at_hand,
            signed=True,
        )

    @contextmanager
    def artefact_chunks(self, model: str) -> Generator[Iterator[bytes]]:
        """A model's file, chunk by chunk."""
        stream = Stream(self._nodes, f"/v1/models/{model}/artefact")
        stream.open()
        try:
            yield stream.parts()
        finally:
            stream.close()

    # ---- contracts -------------------------------------------------------------------------

    def contract(self, address: str) -> replies.Contract:
        return self._read(f"/v1/contracts/{address}", replies.Contract)

    # ---- policy ----------------------------------------------------------------------------

    def policy(self) -> replies.Policy:
        return self._read("/v1/policy", replies.Policy)

    def check_policy(self, who: str, action: str, resource: str) -> replies.PolicyVerdict:
        return self._read(
            "/v1/policy/check",
            replies.PolicyVerdict,
            {"who": who, "action": action, "resource": resource},
        )

    def proposal(self, identifier: str) -> replies.Proposal:
        return self._read(f"/v1/proposals/{identifier}", replies.Proposal)

    def proposals(self) -> replies.Proposals:
        return self._read("/v1/proposals", replies.Proposals)

    def validators(self) -> replies.Validators:
        """The nodes of the network, with and without a vote."""
        return self._read("/v1/validators", replies.Validators)

    def flags(self, wallet: str | None = None) -> tuple[replies.Flag, ...]:
        """Every open flag, or a wallet's."""
        chosen = {"wallet": wallet} if wallet else {}
        found: list[replies.Flag] = []
        while True:
            page = self._read("/v1/flags", replies.Flags, chosen)
            found += page.flags
            if page.next is None:
                return tuple(found)
            chosen["after"] = page.next

    def oversight(self) -> dict[str, int]:
        """By what parameters conduct is flagged."""
        return self._read("/v1/oversight", dict[str, int])

    # ---- inside ----------------------------------------------------------------------------

    def _read(
        self,
        path: str,
        kind: type[T],
        query: Mapping[str, str] = NO_QUERY,
        settled: Callable[[httpx.Response], bool] | None = None,
    ) -> T:
        return self._nodes.ask(
            lambda connection, silence: connection.get(path, [*query.items()], None, silence),
            lambda response: decode_reply(response.content, kind, read_json),
            settled,
        )

    def _find(
        self,
        path: str,
        kind: type[T],
        settled: Callable[[httpx.Response], bool] | None = None,
    ) -> T | None:
        try:
            return self._read(path, kind, settled=settled)
        except ClientError as failed:
            if failed.code != "not_found":
                raise
            return None

    def _bytes(self, path: str, settled: Callable[[httpx.Response], bool] | None = None) -> bytes:
        def send(connection: Connection, silence: float) -> httpx.Response:
            return connection.get(path, (), None, silence)

        return self._nodes.ask(send, lambda response: response.content, settled)


def _check_size(envelope: bytes) -> None:
    if len(envelope) > MAX_ENVELOPE_BYTES:
        raise ClientError(
            "too_large",
            f"the transaction has {len(envelope)} bytes, at most {MAX_ENVELOPE_BYTES} travel",
            rule="TX-2",
        )


def _undropped(response: httpx.Response) -> bool:
    """Whether a node knows of a transaction, and more than that it dropped it."""
    if response.status_code != 200:
        return at_hand(response)
    reply = decode_reply(response.content, replies.TransactionReply, read_json)
    return reply.status != "dropped"
