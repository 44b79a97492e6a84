"""Open flags, and by what parameters conduct is flagged."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from synnergy.api.answers import TheNode, answers, reply
from synnergy.api.routes.chain import parse_address
from synnergy.chain.queries.oversight import PAGE, FlagsView, flags_view, oversight_view
from synnergy.state import records

router = APIRouter(tags=["oversight"])


@router.get("/v1/flags", **answers(FlagsView, errors={400: "An address is not valid"}))
def list_flags(
    node: TheNode,
    wallet: Annotated[str | None, Query(description="of this address only")] = None,
    after: Annotated[str | None, Query(description="behind this address")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE, description="of at most this many wallets")] = PAGE,
) -> Response:
    """Open flags by wallet and kind, with the figures that raised them."""
    chosen = parse_address(wallet) if wallet is not None else None
    behind = parse_address(after) if after is not None else None
    with node.moment() as moment:
        return reply(flags_view(moment, chosen, behind, limit))


@router.get("/v1/oversight", **answers(records.Oversight))
def read_oversight(node: TheNode) -> Response:
    """By what parameters conduct is flagged; m of n regulators change them."""
    with node.moment() as moment:
        return reply(oversight_view(moment))
