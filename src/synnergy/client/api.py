"""A node over HTTP: one method for each route, typed answers, failures as ClientError.

Reading is retried where the connection broke or the node asks to come back (CLIENT-6); handing a
transaction over is not repeated blindly, see `transactions`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote as quote_path

import httpx
import msgspec

from synnergy.client import replies
from synnergy.client.failures import ClientError, WrongUse
from synnergy.wire.transaction import MAX_ENVELOPE_BYTES

T = TypeVar("T")

DEFAULT_NODE = "http://127.0.0.1:7070"
ENVIRONMENT_VARIABLE = "SYNNERGY_NODE"
#: Seconds before the second, third and fourth attempt.
PAUSES = (0.1, 0.4, 1.2)
CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
#: How many records a node puts into one answer at most.
PAGE = 1_000
#: No answer that is read into memory as a whole is longer.
MAX_REPLY_BYTES = 64 * 1024 * 1024
#: Nor is a line of a stream, which is read line by line.
MAX_LINE_BYTES = 1024 * 1024
LINES = "application/x-ndjson"

_BUSY = (429, 503)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class NodeUnavailable(ClientError):
    """No node could be reached, or it does not answer as one."""


class Node:
    """A connection to one node. Use as a context manager, or call `close`."""

    def __init__(self, url: str = DEFAULT_NODE, transport: httpx.BaseTransport | None = None):
        """`transport` replaces the network, for tests. WrongUse where `url` is no HTTP address."""
        self.url = url.rstrip("/")
        try:
            parsed = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise WrongUse("bad_node", f"{url!r} is not a node's address: {error}") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise WrongUse(
                "bad_node", f"{url!r} is not a node's address; one looks like {DEFAULT_NODE}"
            )
        self._http = httpx.Client(
            base_url=self.url,
            transport=transport,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            trust_env=parsed.host not in _LOOPBACK,  # a proxy can't reach this machine's loopback
        )

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # ---- the chain -------------------------------------------------------------------------

    def chain(self) -> replies.Chain:
        return self._read("/v1/chain", replies.Chain)

    def health(self) -> replies.Health:
        return self._read("/health", replies.Health)

    def genesis(self) -> bytes:
        return self._bytes("/v1/genesis")

    def block(self, height: int | str) -> replies.Block:
        return self._read(f"/v1/blocks/{height}", replies.Block)

    def account(self, address: str) -> replies.Account:
        return self._read(f"/v1/accounts/{address}", replies.Account)

    def state(self, table: str, key: str) -> replies.StateReply:
        """A record with its proof."""
        path = f"/v1/state/{table}/{quote_path(key)}"
        return self._read(path, replies.StateReply, prove="true")

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

        With `follow` new events come as they happen, and the iterator ends with the node; else it
        ends behind the newest block. `names` keeps only those, `model.*` all that begin so;
        `after` goes on behind an event's id, whatever `start` says.
        """
        query: list[tuple[str, str | int | float | bool | None]] = [
            ("follow", "true" if follow else "false"),
            *(("name", name) for name in names),
        ]
        if start is not None:
            query.append(("from", str(start)))
        headers = {"Accept": LINES} | ({} if after is None else {"Last-Event-ID": after})
        with (
            self._reaching(),
            self._http.stream("GET", "/v1/events", params=query, headers=headers) as response,
        ):
            if response.status_code != 200:
                response.read()
                raise _failure(response)
            yield _events(response)

    # ---- transactions ----------------------------------------------------------------------

    def post_transaction(self, envelope: bytes, wait: float = 0) -> replies.TransactionReply:
        """Hand an envelope over, once. NodeUnavailable where it surely didn't arrive."""
        return self._post("/v1/transactions", envelope, replies.TransactionReply, wait=f"{wait:g}")

    def quote(self, envelope: bytes) -> replies.Quote:
        """What an envelope would be charged; its signature may be anything."""
        return self._post("/v1/quotes", envelope, replies.Quote)

    def transaction(self, identifier: str) -> replies.TransactionReply | None:
        """What became of a transaction, None where the node does not know it."""
        return self._find(f"/v1/transactions/{identifier}", replies.TransactionReply)

    # ---- models, licences, receipts --------------------------------------------------------

    def models(self, publisher: str | None = None) -> tuple[replies.Model, ...]:
        """Every model, or every one of a publisher's."""
        chosen = {"publisher": publisher} if publisher else {}
        found: list[replies.Model] = []
        while page := self._read("/v1/models", replies.Models, **chosen).models:
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
        return self._read(f"/v1/documents/{digest}", replies.Document).text

    def licence(self, identifier: str) -> replies.Licence:
        return self._read(f"/v1/licences/{identifier}", replies.Licence)

    def licences(self, licensee: str, model: str | None = None) -> tuple[replies.Licence, ...]:
        """Every licence of a licensee, or those for one model."""
        chosen = {"licensee": licensee} | ({"model": model} if model else {})
        found: list[replies.Licence] = []
        while page := self._read("/v1/licences", replies.Licences, **chosen).licences:
            found += page
            if len(page) < PAGE:
                break
            chosen["after"] = page[-1].id
        return tuple(found)

    def receipt(self, identifier: str) -> bytes:
        """The receipt file, without opening."""
        return self._bytes(f"/v1/receipts/{identifier}")

    def payload(self, commitment: str, headers: Mapping[str, str]) -> replies.Payload:
        """An attachment or output; see `payloads` for the signed headers."""
        content = self._bytes(f"/v1/payloads/{commitment}", headers)
        return _decode(content, replies.Payload, msgspec.msgpack.decode)

    @contextmanager
    def artefact_chunks(self, model: str) -> Generator[Iterator[bytes]]:
        """A model's file, chunk by chunk."""
        path = f"/v1/models/{model}/artefact"
        with self._reaching(), self._http.stream("GET", path) as response:
            if response.status_code != 200:
                response.read()
                raise _failure(response)
            yield response.iter_bytes()

    # ---- contracts -------------------------------------------------------------------------

    def contract(self, address: str) -> replies.Contract:
        return self._read(f"/v1/contracts/{address}", replies.Contract)

    # ---- policy ----------------------------------------------------------------------------

    def policy(self) -> replies.Policy:
        return self._read("/v1/policy", replies.Policy)

    def check_policy(self, who: str, action: str, resource: str) -> replies.PolicyVerdict:
        return self._read(
            "/v1/policy/check", replies.PolicyVerdict, who=who, action=action, resource=resource
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
            page = self._read("/v1/flags", replies.Flags, **chosen)
            found += page.flags
            if page.next is None:
                return tuple(found)
            chosen["after"] = page.next

    def oversight(self) -> dict[str, int]:
        """By what parameters conduct is flagged."""
        return self._read("/v1/oversight", dict[str, int])

    # ---- inside ----------------------------------------------------------------------------

    def _read(self, path: str, kind: type[T], **query: str) -> T:
        return _decode(self._get(path, query).content, kind, msgspec.json.decode)

    def _find(self, path: str, kind: type[T]) -> T | None:
        response = self._get(path, {}, missing=True)
        if response.status_code == 404:
            return None
        return _decode(response.content, kind, msgspec.json.decode)

    def _bytes(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        return self._get(path, {}, headers).content

    def _get(
        self,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        *,
        missing: bool = False,
    ) -> httpx.Response:
        """GET with retries; a 404 is an answer where `missing`, else ClientError."""
        for pause in (*PAUSES, None):
            try:
                with self._reaching():
                    response = self._bounded(path, query, headers)
            except NodeUnavailable as gone:
                if pause is None or gone.code == "no_node":
                    raise
            else:
                if response.status_code == 200 or (missing and response.status_code == 404):
                    return response
                if pause is None or response.status_code not in (*_BUSY, 502, 504):
                    raise _failure(response)
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _bounded(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str] | None
    ) -> httpx.Response:
        """One GET whose body is read up to MAX_REPLY_BYTES and no further."""
        with self._http.stream("GET", path, params=query, headers=headers) as response:
            body = bytearray()
            for part in response.iter_bytes():
                body += part
                if len(body) > MAX_REPLY_BYTES:
                    raise NodeUnavailable("bad_reply", f"{self.url} answers without end")
            return httpx.Response(
                response.status_code, content=bytes(body), request=response.request
            )

    def _post(self, path: str, envelope: bytes, kind: type[T], **query: str) -> T:
        if len(envelope) > MAX_ENVELOPE_BYTES:
            raise ClientError(
                "too_large",
                f"the transaction has {len(envelope)} bytes, at most {MAX_ENVELOPE_BYTES} travel",
                rule="TX-2",
            )
        for pause in (*PAUSES, None):
            with self._reaching():
                response = self._http.post(
                    path,
                    params=query,
                    content=envelope,
                    headers={"Content-Type": "application/octet-stream"},
                )
            if response.status_code in (200, 202):
                return _decode(response.content, kind, msgspec.json.decode)
            # Back-pressure means that the node took nothing, so that asking again is safe.
            if response.status_code not in _BUSY or pause is None:
                raise _failure(response)
            time.sleep(pause)
        raise AssertionError("unreachable")

    @contextmanager
    def _reaching(self) -> Generator[None]:
        """Turn what can go wrong on the way into NodeUnavailable.

        The code `no_node` means that nothing was sent; with `no_answer` something may have been.
        """
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise NodeUnavailable(
                "no_node",
                f"no node answers at {self.url} ({error}); start one with `synnergy start`,"
                f" or name another with --node or {ENVIRONMENT_VARIABLE}",
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = str(error) or type(error).__name__
            raise NodeUnavailable(
                "no_answer", f"the node at {self.url} broke off: {said}"
            ) from None


def _events(response: httpx.Response) -> Iterator[replies.Event]:
    """The events of a stream of lines; empty lines only say that the node is still there."""
    pending = b""
    for part in response.iter_bytes():
        *lines, pending = (pending + part).split(b"\n")
        if len(pending) > MAX_LINE_BYTES:
            raise NodeUnavailable("bad_reply", "the node answers with a line without end")
        for line in lines:
            if line:
                yield _decode(line, replies.Event, msgspec.json.decode)
    if pending:
        raise NodeUnavailable("bad_reply", "the node's events end in the middle of one")


def _decode(content: bytes, kind: type[T], decode: Callable[..., T]) -> T:
    try:
        return decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NodeUnavailable(
            "bad_reply", f"the node's answer is not a {kind.__name__}: {error}"
        ) from None


def _failure(response: httpx.Response) -> ClientError:
    """The error that a node's answer stands for."""
    try:
        said = msgspec.json.decode(response.content, type=replies.ErrorReply).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NodeUnavailable(
            "bad_reply",
            f"{response.request.url.host} answered with status {response.status_code}",
            status=response.status_code,
        )
    # A node that failed inside may have done what it was asked all the same.
    kind = NodeUnavailable if response.status_code >= 500 else ClientError
    return kind(said.code, said.message, rule=said.rule)
