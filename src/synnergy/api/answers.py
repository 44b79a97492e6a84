"""How routes answer: JSON of a struct, and what the OpenAPI document says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Path, Request
from fastapi.responses import Response

from synnergy.api.errors import ErrorView, bad_parameter
from synnergy.api.node import Node
from synnergy.api.plain import to_json

JSON = "application/json"
OCTETS = "application/octet-stream"
TEXT = "text/plain"

_REFERENCE = "#/components/schemas/"

#: Structs that routes answer with, by name; the OpenAPI document describes them.
answered: dict[str, type[msgspec.Struct]] = {}


class Answer(Response):
    """A response without a body type of its own, so that only what `answers` says is shown."""

    media_type = None


def answers(
    kind: type[msgspec.Struct] | tuple[type[msgspec.Struct], ...] | str,
    *,
    description: str = "The answer",
    errors: Mapping[int, str] | None = None,
    also: Mapping[int, type[msgspec.Struct]] | None = None,
    lines: tuple[str, type[msgspec.Struct]] | None = None,
) -> dict[str, Any]:
    """Arguments of a route's decorator: a struct as JSON, one of several, or content of a media
    type.

    `errors` says when a status is answered with an error, `also` which other statuses carry data,
    `lines` in which other media type the answer is one struct a line.
    """
    content = _content(kind)
    if lines is not None:
        media_type, line = lines
        content[media_type] = _content(line)[JSON]
    responses: dict[int | str, dict[str, Any]] = {
        200: {"description": description, "content": content}
    }
    for status, other in (also or {}).items():
        responses[status] = {"description": "Accepted", "content": _content(other)}
    for status, when in sorted({422: "A parameter has the wrong form", **(errors or {})}.items()):
        responses[status] = {"description": when, "content": _content(ErrorView)}
    return {"responses": responses, "response_model": None, "response_class": Answer}


def _content(
    kind: type[msgspec.Struct] | tuple[type[msgspec.Struct], ...] | str,
) -> dict[str, Any]:
    if isinstance(kind, str):
        binary = {"type": "string", "format": "binary"} if kind == OCTETS else {"type": "string"}
        return {kind: {"schema": binary}}
    kinds = kind if isinstance(kind, tuple) else (kind,)
    for each in kinds:
        if answered.setdefault(each.__name__, each) is not each:
            raise ValueError(f"two structs are called {each.__name__}")
    schemas = [{"$ref": _REFERENCE + each.__name__} for each in kinds]
    return {JSON: {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}}


def reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A struct as JSON."""
    return Response(to_json(value), status, headers, media_type=JSON)


async def _node_of(request: Request) -> Node:
    return request.app.state.node


#: The node that a request is for.
TheNode = Annotated[Node, Depends(_node_of)]

#: 32 bytes in hex, as ids and digests are written.
DigestText = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="64 lower-case hex digits")]
AddressText = Annotated[str, Path(description="an address, `syn1…`")]
ModelText = Annotated[str, Path(pattern="^[0-9a-f]{40}$", description="40 lower-case hex digits")]


def hexadecimal(name: str, text: str | None, size: int) -> bytes | None:
    """An optional query value of `size` bytes; ApiError where it is not lower-case hex."""
    if text is None:
        return None
    if len(text) != 2 * size or any(digit not in "0123456789abcdef" for digit in text):
        raise bad_parameter(f"{name}: {2 * size} lower-case hex digits are expected")
    return bytes.fromhex(text)
