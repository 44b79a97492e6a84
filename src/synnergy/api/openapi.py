"""The OpenAPI document: routes from FastAPI, schemas from the wire structs themselves.

`x-opcodes` names the schemas of each verb's arguments and result, from which clients in other
languages are generated.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from synnergy.api.answers import answered
from synnergy.api.schema import Components
from synnergy.opcodes import __all__ as opcode_families
from synnergy.vm import catalogue

DESCRIPTION = (
    "A Synnergy node. Bytes are lower-case hex, times integer milliseconds UTC, amounts and gas"
    ' integers below 2^53. Errors are `{"error": {"code", "message", "rule"}}`, where `rule` is a'
    " number of `spec/`."
)


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The document of an application's routes, complete with components."""
    assert opcode_families  # importing them registers the domain opcodes
    document = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
    )
    for item in document["paths"].values():
        for operation in item.values():
            if not operation.get("parameters"):
                operation["responses"].pop("422", None)
    components = Components()
    for name in sorted(answered):
        components.reference(answered[name])
    document["x-opcodes"] = [
        {
            "code": f"0x{opcode.code:06x}",
            "name": opcode.name,
            "description": opcode.description,
            "arguments": components.reference(opcode.args),
            "result": components.reference(opcode.result),
        }
        for opcode in catalogue.domain()
    ]
    document["components"] = {"schemas": dict(sorted(components.schemas.items()))}
    return document
