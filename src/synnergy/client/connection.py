"""One node over HTTP: requests with limits, and what goes wrong as NodeUnavailable (CLIENT-6)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import httpx
import msgspec

from synnergy.client import replies
from synnergy.client.failures import ClientError, NodeUnavailable, NothingSent, WrongUse
from synnergy.wire.codec import read_json

T = TypeVar("T")

DEFAULT_NODE = "http://127.0.0.1:7070"
ENVIRONMENT_VARIABLE = "SYNNERGY_NODE"
CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
#: No answer that is read into memory as a whole is longer.
MAX_REPLY_BYTES = 64 * 1024 * 1024

#: The code of a node that names another, which has what was asked for.
ELSEWHERE = "elsewhere"

_LOOPBACK = ("127.0.0.1", "localhost", "::1")

_FORM = (b"content-encoding", b"content-length", b"transfer-encoding")

Query = Sequence[tuple[str, str]]


class Connection:
    """A connection to the node at one address; WrongUse where `url` is no HTTP address."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
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
            trust_env=parsed.host not in _LOOPBACK,  # a proxy can't reach this machine's loopback
        )

    def close(self) -> None:
        self._http.close()

    def get(
        self,
        path: str,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        silence: float = READ_SECONDS,
    ) -> httpx.Response:
        """A whole answer. A node may be silent for `silence` seconds."""
        return self._whole(self._send("GET", path, query, headers, None, silence))

    def open(
        self,
        path: str,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        silence: float = READ_SECONDS,
    ) -> httpx.Response:
        """An answer whose body is still to come, where its status is 200; the reader closes it."""
        response = self._send("GET", path, query, headers, None, silence)
        return response if response.status_code == 200 else self._whole(response)

    def post(
        self, path: str, content: bytes, query: Query = (), silence: float = READ_SECONDS
    ) -> httpx.Response:
        headers = {"Content-Type": "application/octet-stream"}
        return self._whole(self._send("POST", path, query, headers, content, silence))

    def _send(
        self,
        method: str,
        path: str,
        query: Query,
        headers: Mapping[str, str] | None,
        content: bytes | None,
        silence: float,
    ) -> httpx.Response:
        with self.reaching():
            request = self._http.build_request(
                method,
                path,
                params=list(query),
                headers=headers,
                content=content,
                timeout=httpx.Timeout(silence, connect=CONNECT_SECONDS),
            )
            return self._http.send(request, stream=True)

    def _whole(self, response: httpx.Response) -> httpx.Response:
        """An answer read up to MAX_REPLY_BYTES and no further."""
        body = bytearray()
        with self.reaching():
            try:
                for part in response.iter_bytes():
                    body += part
                    if len(body) > MAX_REPLY_BYTES:
                        raise NodeUnavailable("bad_reply", f"{self.url} answers without end")
            finally:
                response.close()
        # The body is decompressed; what headers say of its form is no longer true.
        raw = response.headers.raw
        kept = [(name, value) for name, value in raw if name.lower() not in _FORM]
        return httpx.Response(
            response.status_code, headers=kept, content=bytes(body), request=response.request
        )

    @contextmanager
    def reaching(self) -> Generator[None]:
        """Turn what can go wrong on the way into NodeUnavailable.

        NothingSent where no connection came about; else something may have been sent.
        """
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise NothingSent(
                "no_node",
                f"no node answers at {self.url} ({error}); start one with `synnergy start`,"
                f" or name another with --node or {ENVIRONMENT_VARIABLE}",
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = str(error) or type(error).__name__
            raise NodeUnavailable(
                "no_answer", f"the node at {self.url} broke off: {said}"
            ) from None


def failure(response: httpx.Response) -> ClientError:
    """The error that a node's answer stands for."""
    try:
        said = read_json(response.content, replies.ErrorReply).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NodeUnavailable(
            "bad_reply",
            f"{response.request.url.host} answered with status {response.status_code}",
            status=response.status_code,
        )
    # A node that failed inside may have done what it was asked all the same.
    kind = NodeUnavailable if response.status_code >= 500 else ClientError
    named = said.details.get("endpoint") if said.code == ELSEWHERE else None
    details = {"endpoint": named} if isinstance(named, str) else {}
    return kind(said.code, said.message, rule=said.rule, **details)


def decode_reply(content: bytes, kind: type[T], decode: Callable[..., T]) -> T:
    """A typed answer; NodeUnavailable where it is none of that type."""
    try:
        return decode(content, kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NodeUnavailable(
            "bad_reply", f"the node's answer is not a {kind.__name__}: {error}"
        ) from None
