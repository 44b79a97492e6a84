"""The chain's head, its genesis, blocks and accounts."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from synnergy.api.answers import JSON, AddressText, TheNode, answers, reply
from synnergy.api.errors import ApiError, not_found
from synnergy.chain.genesis import GenesisFile, NetworkGenesisFile
from synnergy.chain.queries.ledger import (
    AccountView,
    BlockView,
    ChainView,
    account_view,
    block_view,
    chain_view,
    genesis_file,
)
from synnergy.identity.address import is_address
from synnergy.rejected import Rejected

router = APIRouter(tags=["chain"])

LATEST = "latest"
_HEIGHT = re.compile(r"[0-9]{1,16}")


@router.get("/v1/chain", **answers(ChainView))
def read_chain(node: TheNode) -> Response:
    """The head of the chain, who governs it, and the limits that transactions keep to."""
    with node.moment() as moment:
        return reply(chain_view(moment, node.application.genesis))


@router.get(
    "/v1/genesis", **answers((GenesisFile, NetworkGenesisFile), description="genesis.json")
)
def read_genesis(node: TheNode) -> Response:
    """The genesis the chain began with, as the text of `genesis.json`."""
    with node.moment() as moment:
        return Response(genesis_file(moment), media_type=JSON)


@router.get(
    "/v1/blocks/{height}", **answers(BlockView, errors={404: "The chain has no such block yet"})
)
def read_block(
    height: Annotated[
        str, Path(description=f"a height, or `{LATEST}`", pattern="^[0-9]+$|^latest$")
    ],
    node: TheNode,
) -> Response:
    """A block: its signed header, its transactions and what became of them."""
    with node.moment() as moment:
        wanted = moment.header.height if height == LATEST else parse_height(height)
        genesis = node.application.genesis
        block = None if wanted is None else block_view(moment, wanted, genesis)
    if block is None:
        raise not_found(f"the block {height[:20]}")
    return reply(block)


def parse_height(text: str) -> int | None:
    """A height from a path; None where it is beyond any chain's."""
    return int(text) if _HEIGHT.fullmatch(text) else None


def parse_address(address: str) -> str:
    """An address with a correct checksum; ApiError 400 else."""
    if not is_address(address):
        raise ApiError(400, Rejected("ID-2", "bad_address", f"{address} is not a valid address"))
    return address


@router.get("/v1/accounts/{address}", **answers(AccountView, errors={400: "It is no address"}))
def read_account(address: AddressText, node: TheNode) -> Response:
    """Balance, next nonce and registration of an address, known or not."""
    known = parse_address(address)
    with node.moment() as moment:
        return reply(account_view(moment, known))
