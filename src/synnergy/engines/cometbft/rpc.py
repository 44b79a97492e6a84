"""The JSON-RPC of the CometBFT beside this node: handing entries over, and reading what it keeps.

Answers that only one caller reads come as parsed JSON, in CometBFT's own shape.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx
import msgspec

from synnergy.wire.codec import read_json

T = TypeVar("T")

CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 15.0
#: The longest page of validators that CometBFT gives.
PAGE: Final = 100
#: No answer is longer; the longest are blocks, whose transactions are in base64.
MAX_REPLY_BYTES: Final = 64 * 1024 * 1024


class RpcError(Exception):
    """CometBFT answered with an error; `code` is its number, `data` its words."""

    def __init__(self, code: int, data: str) -> None:
        super().__init__(f"CometBFT answers: {data} ({code})")
        self.code = code
        self.data = data


class MempoolFull(RpcError):
    """The mempool takes nothing now; the same entry may be handed over again later."""


class AlreadyKnown(RpcError):
    """The mempool had this very entry before: it waits, or it was decided, or it was refused."""


class TooLarge(RpcError):
    """The entry is longer than the mempool takes."""


class CometUnreachable(Exception):
    """CometBFT does not answer. Something that was being handed over may have arrived."""


class Broadcast(msgspec.Struct, frozen=True):
    """What the application's CheckTx said of an entry; code 0 means that it waits now."""

    code: int
    hash: str
    log: str = ""
    data: str = ""
    codespace: str = ""


class NodeInfo(msgspec.Struct, frozen=True):
    id: str
    moniker: str = ""
    network: str = ""
    version: str = ""


class SyncInfo(msgspec.Struct, frozen=True):
    latest_block_height: int
    latest_app_hash: str
    latest_block_hash: str
    latest_block_time: str
    earliest_block_height: int
    catching_up: bool


class ValidatorInfo(msgspec.Struct, frozen=True):
    """This node's consensus key as the newest block's validators know it; power 0: no vote."""

    address: str
    voting_power: int


class Status(msgspec.Struct, frozen=True):
    node_info: NodeInfo
    sync_info: SyncInfo
    validator_info: ValidatorInfo


class PeerInfo(msgspec.Struct, frozen=True):
    node_info: NodeInfo
    is_outbound: bool
    remote_ip: str


class NetInfo(msgspec.Struct, frozen=True):
    peers: tuple[PeerInfo, ...]


class _Page(msgspec.Struct, frozen=True):
    validators: list[dict[str, Any]]
    total: int


class _AbciInfo(msgspec.Struct, frozen=True):
    response: dict[str, Any]


class _Header(msgspec.Struct, frozen=True):
    header: dict[str, Any] | None


class _Params(msgspec.Struct, frozen=True):
    consensus_params: dict[str, Any]


class _Error(msgspec.Struct, frozen=True):
    code: int
    message: str = ""
    data: str = ""


class _Reply(msgspec.Struct, frozen=True):
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    id: int
    method: str
    params: dict[str, Any]

    def message(self) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": self.id, "method": self.method, "params": self.params}


class CometRpc:
    """Calls over a connection that is kept. May be used from several threads; `close` it."""

    def __init__(self, address: str, transport: httpx.BaseTransport | None = None) -> None:
        """`address` is HOST:PORT. `transport` replaces the network, for tests."""
        self._http = httpx.Client(
            base_url=f"http://{address}",
            transport=transport,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,
        )
        self._ids = itertools.count(1)

    def __enter__(self) -> CometRpc:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # ---- handing over ----------------------------------------------------------------------

    def broadcast_tx_sync(self, entry: bytes) -> Broadcast:
        """Hand one entry over and wait for CheckTx.

        Raises MempoolFull, AlreadyKnown, TooLarge, another RpcError, or CometUnreachable.
        """
        return self._call("broadcast_tx_sync", Broadcast, tx=_base64(entry))

    def broadcast_tx_async(self, entry: bytes) -> Broadcast:
        """Hand one entry over without waiting for CheckTx; raises as `broadcast_tx_sync`."""
        return self._call("broadcast_tx_async", Broadcast, tx=_base64(entry))

    def broadcast_many(
        self, entries: Sequence[bytes], method: str = "broadcast_tx_sync"
    ) -> tuple[Broadcast | RpcError, ...]:
        """Hand several entries over in one request; what became of each, in their order.

        Raises CometUnreachable, or RpcError where CometBFT refuses the request as a whole.
        """
        calls = [self._new(method, {"tx": _base64(entry)}) for entry in entries]
        if not calls:
            return ()
        content = self._post([call.message() for call in calls])
        if not content.lstrip().startswith(b"["):
            _result(_decode(content, _Reply), dict[str, Any])
            raise CometUnreachable("CometBFT answers several calls with one answer")
        replies = {reply.id: reply for reply in _decode(content, list[_Reply])}
        outcomes: list[Broadcast | RpcError] = []
        for call in calls:
            if call.id not in replies:
                raise CometUnreachable("CometBFT answers fewer calls than it was asked")
            try:
                outcomes.append(_result(replies[call.id], Broadcast))
            except RpcError as refused:
                outcomes.append(refused)
        return tuple(outcomes)

    # ---- reading ---------------------------------------------------------------------------

    def status(self) -> Status:
        return self._call("status", Status)

    def net_info(self) -> NetInfo:
        return self._call("net_info", NetInfo)

    def health(self) -> None:
        """Return where it answers at all; CometUnreachable else."""
        self._call("health", dict[str, Any])

    def abci_info(self) -> dict[str, Any]:
        return self._call("abci_info", _AbciInfo).response

    def commit(self, height: int) -> dict[str, Any]:
        """`signed_header` and `canonical` of a height. RpcError where it isn't there."""
        return self._call("commit", dict[str, Any], height=str(height))

    def header(self, height: int) -> dict[str, Any] | None:
        """The header of a height, None where the node pruned it; RpcError above the newest."""
        return self._call("header", _Header, height=str(height)).header

    def block(self, height: int) -> dict[str, Any]:
        """`block_id` and `block` of a height; `block` is None where the node pruned it.

        RpcError above the newest.
        """
        return self._call("block", dict[str, Any], height=str(height))

    def consensus_params(self, height: int | None = None) -> dict[str, Any]:
        at = {} if height is None else {"height": str(height)}
        return self._call("consensus_params", _Params, **at).consensus_params

    def validators(self, height: int) -> list[dict[str, Any]]:
        """All validators of a height, of every page, in CometBFT's order."""
        found: list[dict[str, Any]] = []
        for page in itertools.count(1):
            at = {"height": str(height), "page": str(page), "per_page": str(PAGE)}
            part = self._call("validators", _Page, **at)
            found += part.validators
            if not part.validators or len(found) >= part.total:
                return found
        raise AssertionError("unreachable")

    def relay(self, method: str, params: dict[str, str]) -> msgspec.Raw:
        """The result of any method as CometBFT writes it. Raises RpcError, CometUnreachable."""
        return self._call(method, msgspec.Raw, **params)

    # ---- inside ----------------------------------------------------------------------------

    def _new(self, method: str, params: dict[str, Any]) -> _Call:
        return _Call(next(self._ids), method, params)

    def _call(self, method: str, kind: type[T], **params: Any) -> T:
        content = self._post(self._new(method, params).message())
        return _result(_decode(content, _Reply), kind)

    def _post(self, message: object) -> bytes:
        """The body of the answer, whatever its status: CometBFT gives errors status 500."""
        try:
            with self._http.stream("POST", "/", json=message) as response:
                body = bytearray()
                for part in response.iter_bytes():
                    body += part
                    if len(body) > MAX_REPLY_BYTES:
                        raise CometUnreachable("CometBFT answers without end")
                return bytes(body)
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise CometUnreachable(
                f"CometBFT at {self._http.base_url} does not answer: {said}"
            ) from None


def _result(reply: _Reply, kind: type[T]) -> T:
    if reply.error is not None:
        raise _typed(reply.error)
    # CometBFT writes its 64-bit integers as strings.
    try:
        return read_json(reply.result, kind, strict=False)
    except msgspec.DecodeError as error:
        raise CometUnreachable(f"CometBFT answers something unexpected: {error}") from None


def _decode(content: bytes, kind: type[T]) -> T:
    try:
        return read_json(content, kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        said = content[:200].decode("utf-8", "replace")
        raise CometUnreachable(f"what answers is not CometBFT ({error}): {said}") from None


def _typed(error: _Error) -> RpcError:
    """The error by its words, which are all that CometBFT tells them apart by."""
    said = error.data or error.message
    if "tx already exists in cache" in said:
        return AlreadyKnown(error.code, said)
    if "mempool is full" in said or "considered as full" in said:
        return MempoolFull(error.code, said)
    if "Tx too large" in said or "tx size is too big" in said:
        return TooLarge(error.code, said)
    return RpcError(error.code, said)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
