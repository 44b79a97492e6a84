"""The nodes of a network."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from synnergy.api.answers import TheNode, answers, reply
from synnergy.chain.queries.validators import ValidatorsView, validators_view

router = APIRouter(tags=["network"])


@router.get("/v1/validators", **answers(ValidatorsView))
def list_validators(node: TheNode) -> Response:
    """The nodes of the network, with and without a vote; none where one node makes the blocks."""
    with node.moment() as moment:
        return reply(validators_view(moment))
