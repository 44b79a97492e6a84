"""Models, their files and texts, licences and receipts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from synnergy.api.answers import (
    OCTETS,
    DigestText,
    ModelText,
    TheNode,
    answers,
    hexadecimal,
    reply,
)
from synnergy.api.errors import not_found
from synnergy.api.node import Node
from synnergy.api.routes.chain import parse_address
from synnergy.api.routes.commits import PENDING, Here, unproved
from synnergy.chain.export import export_receipt
from synnergy.chain.queries import market
from synnergy.chain.queries.market import (
    PAGE,
    ArtefactView,
    LicencesView,
    ModelsView,
    ModelView,
)
from synnergy.rejected import Rejected
from synnergy.state import records

router = APIRouter(tags=["marketplace"])

_BAD = {400: "An address is not valid"}
_NONE = {404: "It is not on the ledger"}

Limit = Annotated[int, Query(ge=1, le=PAGE, description="at most this many")]


@router.get("/v1/models", **answers(ModelsView, errors=_BAD))
def list_models(
    node: TheNode,
    publisher: Annotated[str | None, Query(description="of this address only")] = None,
    after: Annotated[str | None, Query(description="behind this model's id")] = None,
    limit: Limit = PAGE,
) -> Response:
    """Published models by id; a publisher's by name and version."""
    chosen = parse_address(publisher) if publisher is not None else None
    behind = hexadecimal("after", after, 20)
    with node.moment() as moment:
        return reply(market.models_view(moment, chosen, behind, limit))


@router.get("/v1/models/{model}", **answers(ModelView, errors=_NONE))
def read_model(model: ModelText, node: TheNode) -> Response:
    """A model: its record, approvals in force, offer, figures and how it stands."""
    with node.moment() as moment:
        found = market.model_view(moment, bytes.fromhex(model))
    if found is None:
        raise not_found(f"the model {model}")
    return reply(found)


@router.get("/v1/models/{model}/artefact", **answers(OCTETS, description="The file", errors=_NONE))
def read_model_file(model: ModelText, node: TheNode) -> Response:
    """A model's file as it was published; its SHA-256 is the model's digest."""
    with node.moment() as moment:
        artefact = market.artefact_of_model(moment, bytes.fromhex(model))
    if artefact is None:
        raise not_found(f"the model {model}")
    return StreamingResponse(
        _chunks(node, artefact),
        media_type=OCTETS,
        headers={"Content-Length": str(artefact.size)},
    )


def _chunks(node: Node, artefact: records.Artefact) -> Iterator[bytes]:
    for digest in artefact.chunks:
        yield market.read_chunk(node.application.store.get, digest)


@router.get("/v1/artefacts/{digest}", **answers(ArtefactView, errors=_NONE))
def read_artefact(digest: DigestText, node: TheNode) -> Response:
    """How far the upload of a file has come."""
    with node.moment() as moment:
        found = market.artefact_view(moment, bytes.fromhex(digest))
    if found is None:
        raise not_found(f"the file {digest}")
    return reply(found)


@router.get("/v1/documents/{digest}", **answers(records.Document, errors=_NONE))
def read_document(digest: DigestText, node: TheNode) -> Response:
    """A licence, intended-use or limitations text by its digest."""
    with node.moment() as moment:
        found = market.document(moment, bytes.fromhex(digest))
    if found is None:
        raise not_found(f"the text {digest}")
    return reply(found)


@router.get("/v1/licences", **answers(LicencesView, errors=_BAD))
def list_licences(
    node: TheNode,
    licensee: Annotated[str | None, Query(description="bought by this address")] = None,
    model: Annotated[str | None, Query(description="of this model's id")] = None,
    after: Annotated[str | None, Query(description="behind this licence's id")] = None,
    limit: Limit = PAGE,
) -> Response:
    """Licences by id, whatever became of them."""
    chosen = parse_address(licensee) if licensee is not None else None
    of_model = hexadecimal("model", model, 20)
    behind = hexadecimal("after", after, 32)
    with node.moment() as moment:
        return reply(market.licences_view(moment, chosen, of_model, behind, limit))


@router.get("/v1/licences/{licence}", **answers(records.Licence, errors=_NONE))
def read_licence(licence: DigestText, node: TheNode) -> Response:
    """A licence: calls bought and used, escrow, end."""
    with node.moment() as moment:
        found = market.licence(moment, bytes.fromhex(licence))
    if found is None:
        raise not_found(f"the licence {licence}")
    return reply(found)


@router.get(
    "/v1/receipts/{receipt}",
    **answers(OCTETS, description="A receipt file without its opening", errors=_NONE | PENDING),
)
def read_receipt(receipt: DigestText, node: TheNode, here: Here = False) -> Response:
    """A receipt with the proof that the ledger holds it, as a receipt file.

    In a network that takes the header after its block, for which `not_yet_signed` asks to wait;
    a node that has no proof of it says `elsewhere`, and who has.
    """
    with node.moment() as moment:
        file = export_receipt(moment.view, node.application.genesis, bytes.fromhex(receipt))
    if file is None:
        raise not_found(f"the receipt {receipt}")
    if isinstance(file, Rejected):
        raise unproved(node, file, f"/v1/receipts/{receipt}", here)
    return Response(file, media_type=OCTETS)
