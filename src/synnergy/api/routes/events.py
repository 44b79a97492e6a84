"""What happens on the ledger, as it happens: server-sent events or lines of JSON (API-12)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response

from synnergy.api.answers import TheNode, answers
from synnergy.api.errors import ApiError, bad_parameter
from synnergy.api.node import Node
from synnergy.api.plain import to_json
from synnergy.api.streams import MAX_STREAMS, Stream, Streams
from synnergy.chain.queries.events import (
    EventView,
    Page,
    Place,
    first_place,
    place_after,
    read_events,
)
from synnergy.rejected import Rejected
from synnergy.wire.types import MAX_INTEGER

router = APIRouter(tags=["events"])

SERVER_SENT = "text/event-stream"
LINES = "application/x-ndjson"
#: How long the head of the chain is left alone between two looks at it, in seconds.
PACE_SECONDS = 0.1
#: A stream says something at least this often, so that both ends see when the other is gone.
HEARTBEAT_SECONDS = 15.0
MAX_NAMES = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stream is asked for; it ends behind block `last` where that is not None."""

    start: Place
    last: int | None
    names: tuple[str, ...]


@router.get(
    "/v1/events",
    **answers(
        SERVER_SENT,
        description="A stream",
        lines=(LINES, EventView),
        errors={
            404: "This node does not have the blocks from there on",
            503: f"{MAX_STREAMS} streams are open; come back",
        },
    ),
)
async def stream_events(
    request: Request,
    node: TheNode,
    start: Annotated[
        int | None,
        Query(
            alias="from",
            ge=0,
            le=MAX_INTEGER,
            description="begin with this block, at most one behind the newest; else with the"
            " first that the node has",
        ),
    ] = None,
    follow: Annotated[
        bool, Query(description="go on with new blocks; else end behind the newest")
    ] = True,
    name: Annotated[
        list[str] | None,
        Query(
            max_length=MAX_NAMES,
            description="only events of this name, or with `model.*` of all that begin so; may be"
            " repeated",
        ),
    ] = None,
    last_event_id: Annotated[
        str | None,
        Header(description="go on behind the message with this `id`; outdoes `from`"),
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = SERVER_SENT,
) -> Response:
    """Every event of every block in order, the stored ones first, then each as it happens.

    A message's data is an EventView, its `id` the event's own. Where nothing happens a comment
    comes now and then, with the height of the last block that was looked through for an `id`.
    `Accept: application/x-ndjson` gets lines of JSON instead, and empty ones now and then.
    """
    streams: Streams = request.app.state.streams
    asked = _asked(start, last_event_id)
    first = await streams.read(partial(_first, node))
    newest = node.application.height
    begin = asked or first
    if not first.height <= begin.height <= newest + 1:
        raise ApiError(
            404,
            Rejected(
                "API-12",
                "no_such_block",
                f"this node has the events of blocks {first.height} to {newest}, and can follow"
                f" from {newest + 1} on; it cannot begin with {begin.height}",
            ),
        )
    wanted = Wanted(begin, None if follow else newest, tuple(name or ()))
    media_type = LINES if LINES in accept.lower() else SERVER_SENT
    return Stream(streams, _parts(node, streams, wanted, media_type), media_type)


def _asked(start: int | None, last_event_id: str | None) -> Place | None:
    if last_event_id is None:
        return None if start is None else Place(start)
    after = place_after(last_event_id)
    if after is None:
        raise bad_parameter("Last-Event-ID: the id of an event or the height of a block")
    return after


def _first(node: Node) -> Place:
    with node.application.store.snapshot() as view:
        return first_place(view)


def _read(node: Node, start: Place, wanted: Wanted, media_type: str) -> tuple[Page, bytes]:
    """A page and its messages, made where it was read."""
    with node.application.store.snapshot() as view:
        page = read_events(view, start, wanted.last, wanted.names)
    return page, b"".join(_message(event, media_type) for event in page.events)


def _message(event: EventView, media_type: str) -> bytes:
    if media_type == LINES:
        return to_json(event) + b"\n"
    return b"id: " + event.id.encode() + b"\ndata: " + to_json(event) + b"\n\n"


def _heartbeat(place: Place, media_type: str) -> bytes:
    if media_type == LINES:
        return b"\n"
    seen = place.seen
    # An id without data is no message, but it is what a browser comes back with.
    return b": still here\n" + (b"" if seen is None else f"id: {seen}\n".encode()) + b"\n"


async def _parts(
    node: Node, streams: Streams, wanted: Wanted, media_type: str
) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    place, said = wanted.start, clock()
    while wanted.last is None or place.height <= wanted.last:
        whole = True
        if place.height <= node.application.height:
            page, messages = await streams.read(partial(_read, node, place, wanted, media_type))
            place, whole = page.next, page.whole
            if messages:
                yield messages
                said = clock()
        if clock() - said >= HEARTBEAT_SECONDS:
            yield _heartbeat(place, media_type)
            said = clock()
        if whole and wanted.last is None:
            await asyncio.sleep(PACE_SECONDS)
