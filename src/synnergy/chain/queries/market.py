"""The marketplace: models with their approvals and offers, licences, files, documents."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import msgspec

from synnergy.chain.queries.moment import Moment
from synnergy.opcodes.context import Payload
from synnergy.opcodes.entities import valid_approvals
from synnergy.opcodes.models import model_id
from synnergy.state import records
from synnergy.wire.codec import Struct, decode_trusted
from synnergy.wire.types import Address, Count

#: Approvals that the default policy set asks for before a model may be offered or invoked, or as
#: many as there are regulators. What decides is the set in force.
APPROVALS_REQUIRED = {"minimal": 1, "limited": 1, "high": 2}
#: At most this many models or licences come in one answer.
PAGE = 1_000

ModelStatus = Literal["published", "approved", "offered", "revoked", "withdrawn"]


class ModelView(records.Model, frozen=True):
    """A model's record and how it stands: approvals in force, what is on sale, its figures.

    `reference` is PUBLISHER/NAME@VERSION. `status` is `approved` with the approvals it needs,
    and `offered` where it is on sale besides.
    """

    reference: str
    approvals: tuple[records.Approval, ...]
    approvals_required: Count
    offer: records.Offer | None
    stats: records.Stats
    status: ModelStatus


class ModelsView(Struct, frozen=True):
    models: tuple[ModelView, ...]


class ArtefactView(Struct, frozen=True):
    """A file that `owner` committed to: how many of its chunks there are, and have arrived."""

    owner: Address
    size: Count
    chunks: Count
    received: Count
    published: bool


class LicencesView(Struct, frozen=True):
    licences: tuple[records.Licence, ...]


def model_view(moment: Moment, identifier: bytes) -> ModelView | None:
    model = records.models.load(moment.state, identifier)
    return _view(moment, model) if model is not None else None


def models_view(
    moment: Moment, publisher: str | None, after: bytes | None, limit: int = PAGE
) -> ModelsView:
    """Models by id; or a publisher's by name and version; those behind the model `after`."""
    if publisher is None:
        found = records.models.scan(moment.state, limit=limit, after=after)
        return ModelsView(tuple(_view(moment, model) for _, model in found))
    last = records.models.load(moment.state, after) if after is not None else None
    if after is not None and (last is None or last.publisher != publisher):
        return ModelsView(())
    listed = records.publications.scan(
        moment.state,
        key_prefix=(publisher,),
        limit=limit,
        after=(publisher, last.name, last.version) if last is not None else None,
    )
    views = (model_view(moment, model_id(*key)) for key, _ in listed)
    return ModelsView(tuple(view for view in views if view is not None))


def _view(moment: Moment, model: records.Model) -> ModelView:
    approvals = valid_approvals(moment.state, moment.governance, model, moment.header.time)
    required = min(APPROVALS_REQUIRED[model.risk], len(moment.governance.regulators))
    offer = records.offers.load(moment.state, model.id)
    return ModelView(
        **msgspec.structs.asdict(model),
        reference=f"{model.publisher}/{model.name}@{model.version}",
        approvals=approvals,
        approvals_required=required,
        offer=offer,
        stats=records.stats.load(moment.state, model.id) or records.Stats(0, 0, 0, 0, 0),
        status=_status(model, len(approvals) >= required, offer is not None),
    )


def _status(model: records.Model, approved: bool, offered: bool) -> ModelStatus:
    if model.withdrawn:
        return "withdrawn"
    if model.revocation is not None:
        return "revoked"
    if not approved:
        return "published"
    return "offered" if offered else "approved"


def artefact_view(moment: Moment, digest: bytes) -> ArtefactView | None:
    artefact = records.artefacts.load(moment.state, digest)
    if artefact is None:
        return None
    return ArtefactView(
        artefact.owner,
        artefact.size,
        len(artefact.chunks),
        artefact.received,
        artefact.published,
    )


def artefact_of_model(moment: Moment, identifier: bytes) -> records.Artefact | None:
    """The record of a model's file, whose chunks `read_chunk` reads."""
    model = records.models.load(moment.state, identifier)
    return records.artefacts.load(moment.state, model.digest) if model is not None else None


def read_chunk(get: Callable[[str, bytes], bytes | None], digest: bytes) -> bytes:
    """One chunk of a published file; chunks are never erased, so a missing one is corruption."""
    stored = get("artefacts", digest)
    if stored is None:
        raise LookupError(f"chunk {digest.hex()} is recorded but not stored")
    return decode_trusted(stored, Payload).content


def document(moment: Moment, digest: bytes) -> records.Document | None:
    return records.documents.load(moment.state, digest)


def licence(moment: Moment, identifier: bytes) -> records.Licence | None:
    return records.licences.load(moment.state, identifier)


def licences_view(
    moment: Moment,
    licensee: str | None,
    model: bytes | None,
    after: bytes | None,
    limit: int = PAGE,
) -> LicencesView:
    """Licences by id, of a licensee or a model or both where given, behind the licence `after`."""
    chosen: list[records.Licence] = []
    page = partial(records.licences.scan, moment.state, limit=PAGE)
    found = page(after=after)
    while found:
        for _, record in found:
            if licensee is not None and record.licensee != licensee:
                continue
            if model is not None and record.model != model:
                continue
            chosen.append(record)
            if len(chosen) == limit:
                return LicencesView(tuple(chosen))
        found = page(after=found[-1][0]) if len(found) == PAGE else []
    return LicencesView(tuple(chosen))
