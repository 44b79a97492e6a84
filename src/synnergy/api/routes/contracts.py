"""Contracts and their programs."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from synnergy.api.answers import OCTETS, AddressText, TheNode, answers, reply
from synnergy.api.errors import not_found
from synnergy.api.routes.chain import parse_address
from synnergy.chain.queries.contracts import ContractView, contract_view, program_of

router = APIRouter(tags=["contracts"])

_ERRORS = {400: "It is no address", 404: "No contract has this address"}


@router.get("/v1/contracts/{address}", **answers(ContractView, errors=_ERRORS))
def read_contract(address: AddressText, node: TheNode) -> Response:
    """A contract: who answers for it, its program's digest, its balance."""
    known = parse_address(address)
    with node.moment() as moment:
        found = contract_view(moment, known)
    if found is None:
        raise not_found(f"the contract {known}")
    return reply(found)


@router.get(
    "/v1/contracts/{address}/program",
    **answers(OCTETS, description="The program", errors=_ERRORS),
)
def read_program(address: AddressText, node: TheNode) -> Response:
    """The program of a contract, as it was deployed."""
    known = parse_address(address)
    with node.moment() as moment:
        found = program_of(moment, known)
    if found is None:
        raise not_found(f"the contract {known}")
    return Response(found, media_type=OCTETS)
