"""The gas table in force and the opcodes."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from synnergy.api.answers import TheNode, answers, reply
from synnergy.chain.queries.prices import GasView, OpcodesView, gas_view, opcodes_view

router = APIRouter(tags=["reference"])


@router.get("/v1/gas", **answers(GasView))
def read_gas(node: TheNode) -> Response:
    """Every price of the gas table in force."""
    with node.moment() as moment:
        return reply(gas_view(moment))


@router.get("/v1/opcodes", **answers(OpcodesView))
def read_opcodes(node: TheNode) -> Response:
    """Every opcode with its price and its Cedar action."""
    with node.moment() as moment:
        return reply(opcodes_view(moment))
