"""Headers with what proves them by the genesis alone, in a network of validators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from synnergy.api.answers import OCTETS, TheNode, answers
from synnergy.api.errors import RETRY_AFTER, ApiError, not_found
from synnergy.api.node import Node
from synnergy.api.routes.chain import LATEST, parse_height
from synnergy.chain.commits import archived_proof, light_proof
from synnergy.receipts.light import LightProof
from synnergy.rejected import Rejected
from synnergy.wire.codec import encode

router = APIRouter(tags=["chain"])

#: Says why a proof may come later.
PENDING = {409: "The header that proves it is not there yet"}
Here = Annotated[bool, Query(description="what this node has itself: it names no other")]


def unproved(node: Node, refused: Rejected, path: str, here: bool) -> ApiError:
    """The error where a header has no proof here, yet or ever (RCPT-11); not in a snapshot."""
    if refused.code == "not_yet_signed":
        return ApiError(409, refused, {"Retry-After": str(RETRY_AFTER)})
    other = None if here or node.proofs is None else node.proofs.elsewhere(path)
    return ApiError(404, refused, elsewhere=other)


@router.get(
    "/v1/commits/{height}",
    **answers(
        OCTETS,
        description="A light proof, in canonical msgpack",
        errors={404: "There is no such header, or no proof of it here", **PENDING},
    ),
)
def read_commit(
    height: Annotated[
        str, Path(description=f"a height, or `{LATEST}`", pattern="^[0-9]+$|^latest$")
    ],
    node: TheNode,
    here: Here = False,
) -> Response:
    """CometBFT's header of a height with its commit, and each change of validators before it."""
    newest = node.application.height
    wanted = newest if height == LATEST else parse_height(height)
    genesis = node.application.genesis
    # The header after the newest block is on its way.
    if not genesis.validators or wanted is None or not 0 < wanted <= newest + 1:
        raise not_found(f"the commit {height[:20]}")
    # CometBFT still has most headers that are not in the archive.
    recent = None if node.proofs is None else node.proofs.commit(wanted)
    with node.moment() as moment:
        proof: LightProof | Rejected | None = None
        if recent is not None:
            proof = light_proof(moment.view, genesis, recent)
        if proof is None:
            proof = archived_proof(moment.view, genesis, wanted)
    if isinstance(proof, Rejected):
        raise unproved(node, proof, f"/v1/commits/{height}", here)
    return Response(encode(proof), media_type=OCTETS)
