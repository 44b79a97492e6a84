"""API-1, API-2: every route of the OpenAPI document, asked what its schema allows and forbids.

Routes are taken from the document itself, so that a new one is tested as it stands.
`API_EXAMPLES=500 python -m pytest tests/api/test_schemathesis.py` asks for longer.
"""

from __future__ import annotations

import os
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from synnergy.api.app import assemble
from tests.api.support import World

EXAMPLES = int(os.environ.get("API_EXAMPLES", "15"))
DOCUMENT = assemble().openapi()
ANSWERS = [
    checks.not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


def is_stream(operation: dict[str, Any]) -> bool:
    """A stream has no end that a test could wait for; its own tests read its beginning."""
    answers = operation["responses"].values()
    return any("text/event-stream" in answer.get("content", {}) for answer in answers)


PATHS = {
    path: {method: told for method, told in item.items() if not is_stream(told)}
    for path, item in DOCUMENT["paths"].items()
}
API = schemathesis.openapi.from_dict(DOCUMENT | {"paths": PATHS})


def known_things(world: World) -> dict[str, tuple[str, ...]]:
    """What a path may name, by the name of its parameter: things that are on the ledger."""
    ledger = world.ledger
    model = ledger.model(world.model)
    return {
        "height": ("0", "1", "latest"),
        "address": (model.publisher,),
        "model": (world.model.hex(),),
        "digest": (model.digest.hex(), (model.licence_text or b"").hex()),
        "licence": (world.licence.hex(),),
        "receipt": (world.receipt.hex(),),
        "transaction": (world.transfer.hex(), world.invocation.hex()),
        "commitment": (world.input.reference.commitment.hex(), world.output.hex()),
        "table": ("accounts", "models", "licences", "governance"),
        "version": ("1",),
    }


@API.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=EXAMPLES == 15,
)
def test_every_route_keeps_its_schema(case: schemathesis.Case, world: World) -> None:
    client = world.client
    sent = case.as_transport_kwargs(base_url=str(client.base_url))
    sent.pop("cookies", None)
    body = sent.pop("data", None)
    answer = client.request(
        sent["method"],
        sent["url"],
        params=sent.get("params"),
        headers=dict(sent["headers"].items()),
        content=body,
        json=sent.get("json"),
        follow_redirects=False,
    )
    case.validate_response(answer, checks=[*ANSWERS, negative_data_rejection])
    if answer.status_code >= 400:
        check_refusal(answer)


def check_refusal(answer: httpx.Response) -> None:
    error = answer.json()["error"]
    assert error["code"] and error["rule"]
    assert 10 < len(error["message"]) < 5_000


@pytest.mark.parametrize("path", sorted(path for path, item in PATHS.items() if "get" in item))
def test_every_route_answers_about_what_is_there(path: str, world: World) -> None:
    """Paths filled with things of this ledger; whatever the answer, it is in the schema."""
    known = known_things(world)
    told = [entry["name"] for entry in PATHS[path]["get"].get("parameters", [])]
    for place in range(2):
        choices = {name: known.get(name, ("1",)) for name in told if f"{{{name}}}" in path}
        filled = {name: found[place % len(found)] for name, found in choices.items()}
        case = API[path]["GET"].Case(path_parameters=filled)
        answer = world.client.get(path.format(**filled))
        case.validate_response(answer, checks=ANSWERS)
