"""What CometBFT's light client asks, for nodes that join by a snapshot."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response

from synnergy.api.answers import JSON, TheNode, answers, reply
from synnergy.api.bodies import Bodies
from synnergy.api.errors import RETRY_AFTER, ApiError, not_found
from synnergy.api.node import Node
from synnergy.engines.cometbft.relay import MAX_REQUEST_BYTES, LightRelay, LightView
from synnergy.engines.cometbft.rpc import CometUnreachable, RpcError
from synnergy.rejected import Rejected

router = APIRouter(tags=["network"])

PATH = "/v1/light"


def _relay(node: Node) -> LightRelay:
    if node.relay is None:
        raise not_found("CometBFT's light client, on a chain of one node,")
    return node.relay


@router.get(
    PATH,
    **answers(LightView, errors={404: "One node makes the blocks", 503: "CometBFT is silent"}),
)
def read_light(node: TheNode) -> Response:
    """Which blocks and snapshots this node has for one that joins."""
    relay = _relay(node)
    try:
        return reply(relay.view())
    except (CometUnreachable, RpcError) as failed:
        why = Rejected("NET-33", "no_answer", str(failed))
        raise ApiError(503, why, {"Retry-After": str(RETRY_AFTER)}) from None


@router.post(
    PATH,
    **answers(
        JSON,
        description="CometBFT's JSON-RPC answer",
        errors={404: "One node makes the blocks", 413: "The request is too large"},
    ),
)
async def ask_light(request: Request, node: TheNode) -> Response:
    """CometBFT's JSON-RPC, for `commit`, `validators` and `consensus_params` alone."""
    relay = _relay(node)
    bodies: Bodies = request.app.state.bodies
    async with bodies.read(request, MAX_REQUEST_BYTES, JSON) as body:
        answer = await to_thread.run_sync(relay.answer, body)
    return Response(answer, media_type=JSON)
