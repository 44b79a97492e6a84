"""The light service: what a node that joins may ask of CometBFT here (NET-33).

CometBFT's own light client asks over JSON-RPC. Its server would answer anything to anyone, whole
blocks with people's attachments among it, so it stays on the loopback; of its methods only those
that the light client needs pass through the API, with nothing but numbers for parameters.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from synnergy.engines.cometbft.rpc import PAGE, CometRpc, CometUnreachable, RpcError
from synnergy.engines.cometbft.snapshots import Snapshots
from synnergy.wire.codec import Struct, read_json
from synnergy.wire.types import Height

MAX_REQUEST_BYTES: Final = 4_096
#: JSON-RPC's own numbers of errors.
INVALID_REQUEST: Final = -32600
INTERNAL_ERROR: Final = -32603


class LightView(Struct, frozen=True):
    """From which height on CometBFT has blocks here, up to which, and of which heights this node
    has snapshots, newest first."""

    earliest: Height
    latest: Height
    snapshots: tuple[Height, ...]


class _Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    height: Annotated[int, Meta(ge=0, lt=2**53)] | None = None
    page: Annotated[int, Meta(ge=1, le=100)] | None = None
    per_page: Annotated[int, Meta(ge=1, le=PAGE)] | None = None


class _Request(msgspec.Struct, frozen=True):
    jsonrpc: Literal["2.0"]
    id: int | Annotated[str, Meta(max_length=64)]
    method: Literal["commit", "validators", "consensus_params"]
    params: _Parameters = _Parameters()


class LightRelay:
    """Answers from any thread."""

    def __init__(self, rpc: CometRpc, snapshots: Snapshots) -> None:
        self._rpc = rpc
        self._snapshots = snapshots

    def view(self) -> LightView:
        """Raises CometUnreachable, RpcError."""
        info = self._rpc.status().sync_info
        heights = tuple(one.height for one in self._snapshots.kept)
        return LightView(info.earliest_block_height, info.latest_block_height, heights)

    def answer(self, content: bytes) -> bytes:
        """The JSON-RPC answer to a request, errors as CometBFT words them: its light client
        tells by the words whether a height is yet to come or gone."""
        try:
            request = read_json(content, _Request, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _error(-1, INVALID_REQUEST, "Invalid Request", str(error)[:200])
        given = msgspec.structs.asdict(request.params)
        params = {name: str(value) for name, value in given.items() if value is not None}
        try:
            result = self._rpc.relay(request.method, params)
        except RpcError as refused:
            return _error(request.id, refused.code, "Internal error", refused.data)
        except CometUnreachable:
            said = "the CometBFT of this node does not answer"
            return _error(request.id, INTERNAL_ERROR, "Internal error", said)
        return msgspec.json.encode({"jsonrpc": "2.0", "id": request.id, "result": result})


def _error(id: int | str, code: int, message: str, data: str) -> bytes:
    error = {"code": code, "message": message, "data": data}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "error": error})
