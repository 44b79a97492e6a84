"""Handing transactions over, quoting them, and asking what became of them."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from synnergy.api.answers import OCTETS, DigestText, TheNode, answers, reply
from synnergy.api.bodies import Bodies
from synnergy.api.errors import dropped, not_found, refuse
from synnergy.api.node import Node
from synnergy.api.waiting import MAX_WAIT_SECONDS, Lanes
from synnergy.chain.queries.ledger import (
    TransactionStatus,
    TransactionView,
    dropped_view,
    pending_view,
    transaction_view,
)
from synnergy.chain.queries.quotes import QuoteView, quote_view
from synnergy.pipeline import TransactionResult
from synnergy.rejected import Rejected
from synnergy.wire.codec import Struct
from synnergy.wire.transaction import MAX_ENVELOPE_BYTES
from synnergy.wire.types import Count, Digest, Height

router = APIRouter(tags=["transactions"])

ENVELOPE_BODY = {
    "requestBody": {
        "required": True,
        "description": "The canonical msgpack of an Envelope (spec/transactions.md).",
        "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
    }
}
BODY_ERRORS = {
    400: "The rule that refuses it",
    408: "The body did not arrive in time",
    413: f"The body is larger than {MAX_ENVELOPE_BYTES} bytes",
    415: f"The body is not of type {OCTETS}",
    429: "The node is busy and took nothing; come back",
}


class CommittedView(Struct, frozen=True):
    """A transaction in a block: where, and what became of it."""

    transaction: Digest
    status: TransactionStatus
    height: Height
    index: Count
    result: TransactionResult


class PendingView(Struct, frozen=True):
    """A transaction that was accepted and is in no block yet."""

    transaction: Digest
    status: TransactionStatus


@router.post(
    "/v1/transactions",
    openapi_extra=ENVELOPE_BODY,
    **answers(
        CommittedView,
        description="It is in a block",
        errors={
            **BODY_ERRORS,
            409: "It was accepted, and then dropped before it was in a block",
            503: "The node halted",
        },
        also={202: PendingView},
    ),
)
async def submit_transaction(
    request: Request,
    node: TheNode,
    wait: Annotated[
        float,
        Query(
            ge=0,
            allow_inf_nan=False,
            description=f"seconds to wait for its block, at most {MAX_WAIT_SECONDS:g}",
        ),
    ] = 0,
) -> Response:
    """Hand a signed transaction over. 200 once it is durably in a block, 202 until then.

    A transaction that is in a block may still be `refused`: `result` says which rule and where.
    """
    lanes: Lanes = request.app.state.lanes
    bodies: Bodies = request.app.state.bodies
    async with bodies.read(request, MAX_ENVELOPE_BYTES) as raw:
        submitted = await lanes.submit(node.engine, raw)
    if isinstance(submitted, Rejected):
        raise refuse(submitted)
    committed = await lanes.wait(submitted, wait)
    if committed is not None:
        status = committed.result.status
        return reply(
            CommittedView(
                submitted.transaction, status, committed.height, committed.index, committed.result
            )
        )
    if submitted.dropped is not None:
        raise dropped(submitted.dropped)
    return reply(PendingView(submitted.transaction, "pending"), 202)


@router.post(
    "/v1/quotes",
    openapi_extra=ENVELOPE_BODY,
    **answers(QuoteView, description="What it would be charged", errors=BODY_ERRORS),
)
async def quote_transaction(request: Request, node: TheNode) -> Response:
    """What a transaction would be charged in the next block, to the unit.

    Its signature may be anything of 64 bytes; the public key must be the sender's; a gas limit of
    0 stands for the largest, and the nonce is not looked at. No policy is asked, no model runs.
    """
    lanes: Lanes = request.app.state.lanes
    bodies: Bodies = request.app.state.bodies
    async with bodies.read(request, MAX_ENVELOPE_BYTES) as raw:
        quoted = await lanes.quote(partial(_quote, node, raw))
    if isinstance(quoted, Rejected):
        raise refuse(quoted)
    return reply(quoted)


def _quote(node: Node, raw: bytes) -> QuoteView | Rejected:
    with node.moment() as moment:
        return quote_view(moment, node.application, raw)


@router.get(
    "/v1/transactions/{transaction}",
    **answers(TransactionView, errors={404: "It is neither in a block nor waiting"}),
)
def find_transaction(transaction: DigestText, node: TheNode) -> Response:
    """A transaction by id: what became of it, its header, and its verbs if it is a template."""
    identifier = bytes.fromhex(transaction)
    found = _find(node, identifier)
    if found is None:
        status = node.engine.status(identifier)
        if isinstance(status, Rejected):
            found = dropped_view(identifier, status)
        elif status is not None:
            found = pending_view(identifier)
    # It may have moved from waiting into a block between the two looks.
    if found is None or found.height is None:
        found = _find(node, identifier) or found
    if found is None:
        raise not_found(f"the transaction {transaction}")
    return reply(found)


def _find(node: Node, identifier: bytes) -> TransactionView | None:
    with node.moment() as moment:
        return transaction_view(moment, identifier)
