"""ABCI's requests and responses between their frames and their messages (ABCI-1)."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError, Message

from synnergy.engines.abci import abci_pb2 as abci
from synnergy.engines.abci.frames import MalformedMessage, encode_frame, encode_varint

#: A Request and a Response with an empty Flush: CometBFT sends more of these than of any other.
FLUSH_REQUEST = abci.Request(flush=abci.RequestFlush()).SerializeToString()
FLUSH_RESPONSE = encode_frame(abci.Response(flush=abci.ResponseFlush()).SerializeToString())
#: Wire type of a message within a message.
_LENGTH_DELIMITED = 2


def _responses() -> dict[str, tuple[bytes, type[Message]]]:
    empty = abci.Response()
    return {
        field.name: (
            encode_varint(field.number << 3 | _LENGTH_DELIMITED),
            type(getattr(empty, field.name)),
        )
        for field in abci.Response.DESCRIPTOR.oneofs_by_name["value"].fields
    }


#: By a response's field: its tag, and its message.
_RESPONSES = _responses()
_QUERY_TAG = encode_varint(abci.Request.QUERY_FIELD_NUMBER << 3 | _LENGTH_DELIMITED)


class MalformedQuery(MalformedMessage):
    """A query that is none, for which whoever asked CometBFT's RPC is to blame, not CometBFT."""


def decode_request(message: bytes) -> tuple[str, Any]:
    """Which of the requests it is ("check_tx"), and that one's own message."""
    try:
        request = abci.Request.FromString(message)
    except DecodeError as error:
        kind = MalformedQuery if message.startswith(_QUERY_TAG) else MalformedMessage
        raise kind(f"{len(message)} bytes that are no ABCI request: {error}") from None
    name = request.WhichOneof("value")
    if name is None:
        raise MalformedMessage(f"{len(message)} bytes that hold no request of ABCI 2.0")
    return name, getattr(request, name)


def encode_response(name: str, response: Message) -> bytes:
    """The frame that answers a request of that name; TypeError where the answer is another's.

    The Response around it is written here, which spares a copy of the results of a whole block.
    """
    tag, wanted = _RESPONSES[name]
    if type(response) is not wanted:
        raise TypeError(
            f"{name} was answered by {type(response).__name__}, not by {wanted.__name__}"
        )
    body = response.SerializeToString()
    return encode_frame(tag + encode_varint(len(body)) + body)
