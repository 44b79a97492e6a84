"""Answers that come piece by piece: events, and a model's file."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx

from synnergy.client import nodes, replies
from synnergy.client.connection import READ_SECONDS, Connection, Query, decode_reply
from synnergy.client.failures import NodeUnavailable
from synnergy.client.nodes import Nodes, at_hand
from synnergy.wire.codec import read_json

#: No line of a stream is longer, which is read line by line.
MAX_LINE_BYTES = 1024 * 1024
LINES = "application/x-ndjson"


class Stream:
    """An answer that is read as it comes, from whichever node gives it; close it."""

    def __init__(self, source: Nodes, path: str, query: Query = ()) -> None:
        self._source = source
        self._path = path
        self._query = query
        self._connection: Connection | None = None
        self._response: httpx.Response | None = None

    def open(self, after: str | None = None, accept: str = "*/*") -> None:
        """Have a node begin; `after` is the Last-Event-ID. ClientError where none does."""
        headers = {"Accept": accept} | ({} if after is None else {"Last-Event-ID": after})

        def send(connection: Connection, _silence: float) -> httpx.Response:
            self._connection = connection
            return connection.open(self._path, self._query, headers, READ_SECONDS)

        self.close()
        self._response = self._source.ask(send, lambda response: response, at_hand)

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def leave(self) -> None:
        """Let another node begin next time."""
        if self._connection is not None:
            self._source.demote(self._connection.url)

    def parts(self) -> Iterator[bytes]:
        """The answer's bytes. NodeUnavailable where it breaks off."""
        assert self._connection is not None and self._response is not None
        with self._connection.reaching():
            yield from self._response.iter_bytes()


def follow_events(
    source: Nodes, stream: Stream, after: str | None, follow: bool
) -> Iterator[replies.Event]:
    """The events of an open stream; where a node breaks off, another goes on behind the last."""
    fruitless = 0
    while True:
        broken: NodeUnavailable | None = None
        came = False
        try:
            for event in _events(stream.parts()):
                after, came = event.id, True
                source.saw(event.height)
                yield event
        except NodeUnavailable as gone:
            if source.alone or gone.code != "no_answer":
                raise
            broken = gone
        if source.alone or (broken is None and not follow):
            return
        fruitless = 0 if came else fruitless + 1
        if fruitless > len(nodes.PAUSES):
            if broken is not None:
                raise broken
            return
        time.sleep(nodes.PAUSES[max(fruitless - 1, 0)])
        stream.leave()
        stream.open(after, LINES)


def _events(parts: Iterator[bytes]) -> Iterator[replies.Event]:
    """The events of a stream of lines; empty lines only say that the node is still there."""
    pending = b""
    for part in parts:
        *lines, pending = (pending + part).split(b"\n")
        if len(pending) > MAX_LINE_BYTES:
            raise NodeUnavailable("bad_reply", "the node answers with a line without end")
        for line in lines:
            if line:
                yield decode_reply(line, replies.Event, read_json)
    if pending:
        raise NodeUnavailable("bad_reply", "the node's events end in the middle of one")
