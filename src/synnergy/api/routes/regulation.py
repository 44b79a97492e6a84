"""The policy set in force, what it would say, and what waits for m of n regulators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from synnergy.api.answers import DigestText, TheNode, answers, reply
from synnergy.api.errors import ApiError, not_found, refuse
from synnergy.chain.queries.regulation import (
    PolicyCheckView,
    PolicyView,
    ProposalsView,
    ProposalView,
    check_policy,
    policy_view,
    proposal_view,
    proposals_view,
)
from synnergy.rejected import Rejected

router = APIRouter(tags=["regulation"])


@router.get("/v1/policy", **answers(PolicyView))
def read_policy(node: TheNode) -> Response:
    """The policy set in force: its text, version and hash."""
    with node.moment() as moment:
        return reply(policy_view(moment))


@router.get(
    "/v1/policy/check",
    **answers(
        PolicyCheckView,
        errors={400: "No such action, wallet or resource", 404: "No such model"},
    ),
)
def check(
    node: TheNode,
    who: Annotated[str, Query(description="the address that would act")],
    action: Annotated[str, Query(description="an action of the schema, as `invoke`")],
    resource: Annotated[str, Query(description="an address, a model's id, or `ledger`")],
) -> Response:
    """What the policy set would say to an action in the next block, and why."""
    with node.moment() as moment:
        verdict = check_policy(moment, node.application, who, action, resource)
    if isinstance(verdict, Rejected):
        raise ApiError(404, verdict) if verdict.code == "unknown_model" else refuse(verdict)
    return reply(verdict)


@router.get("/v1/proposals", **answers(ProposalsView))
def list_proposals(node: TheNode) -> Response:
    """Governed verbs that some regulators gave and others have yet to."""
    with node.moment() as moment:
        return reply(proposals_view(moment))


@router.get("/v1/proposals/{proposal}", **answers(ProposalView, errors={404: "Nothing waits"}))
def read_proposal(proposal: DigestText, node: TheNode) -> Response:
    """A governed verb that waits: its arguments, decoded and as they are signed."""
    with node.moment() as moment:
        found = proposal_view(moment, bytes.fromhex(proposal))
    if found is None:
        raise not_found(f"the proposal {proposal}")
    return reply(found)
