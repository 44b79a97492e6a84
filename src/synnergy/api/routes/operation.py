"""For whoever runs the node: health and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from msgspec import UNSET, UnsetType
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from synnergy.api.answers import TEXT, TheNode, answers, reply
from synnergy.api.errors import ErrorDetail
from synnergy.api.metrics import Metrics
from synnergy.tensor.kernels.selection import chosen
from synnergy.wire.codec import Struct
from synnergy.wire.types import Count, Digest, Height, ShortText

router = APIRouter(tags=["operation"])


class HealthView(Struct, frozen=True):
    """How the node is; `error` is there where it halted and accepts nothing."""

    height: Height
    app_hash: Digest
    catching_up: bool
    mempool: Count
    peers: Count
    engine: ShortText
    policy_version: Count
    protocol_version: Count
    kernel: ShortText
    chain_id: str
    local_only: bool
    error: ErrorDetail | UnsetType = UNSET


@router.get("/health", **answers(HealthView, errors={503: "The node halted"}))
def read_health(node: TheNode) -> Response:
    """Whether the node works, and where it stands."""
    failure = node.engine.failure
    with node.moment() as moment:
        health = HealthView(
            height=moment.header.height,
            app_hash=moment.header.app_hash,
            catching_up=node.engine.catching_up,
            mempool=node.engine.mempool_size,
            peers=node.engine.peers,
            engine=node.engine.name,
            policy_version=moment.governance.policy_version,
            protocol_version=moment.governance.protocol_version,
            kernel=chosen().name,
            chain_id=moment.header.chain_id,
            local_only=node.application.genesis.local_only,
            error=ErrorDetail("halted", failure, "ENG-1") if failure is not None else UNSET,
        )
    return reply(health, 200 if failure is None else 503)


@router.get("/metrics", **answers(TEXT, description="Prometheus text"))
def read_metrics(request: Request) -> Response:
    """The node's figures for Prometheus."""
    metrics: Metrics = request.app.state.metrics
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
