"""MODEL, second half: publish, approve, revoke, offer, withdraw, statistics."""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from synnergy import tensor
from synnergy.gas.meter import OutOfGas
from synnergy.opcodes.context import Context, credit, hold
from synnergy.opcodes.entities import (
    ledger_resource,
    load_model,
    named_model,
    who_gains,
)
from synnergy.opcodes.plans import artefact_bytes, incomplete, load_plan, tensor_specs
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.journal import Journal
from synnergy.tensor.limits import DEFAULT_LIMITS
from synnergy.vm.catalogue import domain_opcode
from synnergy.wire.codec import Struct, encode
from synnergy.wire.types import (
    Amount,
    Count,
    Digest,
    Gas,
    Jurisdiction,
    Name,
    ShortText,
    Text,
    Time,
)

#: An offer's licences last at most ten years.
MAX_OFFER_LIFETIME = 10 * 366 * 24 * 3600 * 1000
#: A period on sale has at least so many ms.
SHORTEST_PERIOD = 1_000
MAX_APPROVALS = 64


class Publish(Struct, frozen=True):
    """Publish an uploaded file as NAME@VERSION; `jurisdictions` sorted, () means anywhere."""

    digest: Digest
    name: Name
    version: Name
    risk: records.Risk
    jurisdictions: Annotated[tuple[Jurisdiction, ...], Meta(max_length=250)]
    licence_text: Text | None
    intended_use: Text | None
    limitations: Text | None
    allow_missing: bool


class Published(Struct, frozen=True):
    model: records.ModelId
    digest: Digest


class Approve(Struct, frozen=True):
    """What a regulator signs: this file, at this risk, in these jurisdictions (REG-7)."""

    model: records.ModelId
    digest: Digest
    risk: records.Risk
    jurisdictions: tuple[Jurisdiction, ...]
    evidence: Digest | None
    until: Time


class Approved(Struct, frozen=True):
    approvals: Count


class Revoke(Struct, frozen=True):
    model: records.ModelId
    reason: ShortText


class PutOffer(Struct, frozen=True):
    """Terms of sale: calls at a price each, or, where `period` isn't 0, periods of so many ms.

    A licence for calls ends `expires_after` ms from its purchase; one for periods with the last.
    """

    model: records.ModelId
    digest: Digest
    price_per_call: Amount
    max_rows: Annotated[int, Meta(ge=1, le=2**31)]
    expires_after: Annotated[int, Meta(ge=1, le=MAX_OFFER_LIFETIME)]
    price_per_period: Amount = 0
    period: Annotated[int, Meta(ge=0, le=MAX_OFFER_LIFETIME)] = 0


class Offered(Struct, frozen=True):
    offer: Digest


class Withdraw(Struct, frozen=True):
    model: records.ModelId


class ReadStats(Struct, frozen=True):
    model: records.ModelId


class Done(Struct, frozen=True):
    """Nothing to say but that it was done."""


def model_id(publisher: str, name: str, version: str) -> bytes:
    """The id that PUBLISHER/NAME@VERSION stands for (MKT-1)."""
    text = "\x00".join(("synnergy/model/1", publisher, name, version))
    return hashlib.sha256(text.encode()).digest()[:20]


def check_price(context: Context, arguments: Publish) -> int | Rejected | OutOfGas:
    """Gas for parsing and planning the file, and for keeping its documents (GAS-8).

    Its bytes are paid for before they are read, and no more of its fields are counted than can
    be paid for, so that nobody has a file looked at for nothing.
    """
    schedule = context.schedule
    artefact = records.artefacts.load(context.journal, arguments.digest)
    if artefact is None:
        return Rejected("MKT-3", "no_upload", f"no file {arguments.digest.hex()} was uploaded")
    reading = schedule.model_check_gas(artefact.size)
    if not context.meter.charge(reading):
        return OutOfGas(reading)
    if artefact.received < len(artefact.chunks):
        return incomplete(arguments.digest)
    content = artefact_bytes(context, arguments.digest, artefact)
    if isinstance(content, Rejected):
        return content
    affordable = schedule.affordable_fields(context.meter.remaining)
    census = tensor.scan(content, min(affordable, DEFAULT_LIMITS.fields))
    planning = schedule.model_plan_gas(census.fields, census.parsed)
    if census.problem:  # what was counted until it showed is paid for like what is planned
        if not context.meter.charge(planning):
            return OutOfGas(planning)
        why = f"the model cannot be planned: {census.problem}"
        return Rejected("MKT-4", "unsupported_model", why)
    texts = (arguments.licence_text, arguments.intended_use, arguments.limitations)
    blocks = sum(-(-len(text.encode()) // 64) for text in texts if text is not None)
    documents = schedule.units["storage_write_block"].gas * blocks
    return planning + documents


def save_document(journal: Journal, text: str | None) -> bytes | None:
    """Keep a text under its digest."""
    if text is None:
        return None
    digest = hashlib.sha256(text.encode()).digest()
    records.documents.save(journal, digest, records.Document(text))
    return digest


@domain_opcode(
    0x020003,
    "MODEL_PUBLISH",
    action="publish",
    args=Publish,
    result=Published,
    price=check_price,
    resource=ledger_resource,
)
def publish(context: Context, arguments: Publish) -> Published | Rejected:
    """Publish an uploaded file as an immutable version, once it has been checked and planned."""
    journal = context.journal
    artefact = records.artefacts.load(journal, arguments.digest)
    if artefact is None or artefact.owner != context.actor:
        return Rejected(
            "MKT-2",
            "digest_taken",
            f"the file {arguments.digest.hex()} was committed to by another wallet",
        )
    if list(arguments.jurisdictions) != sorted(set(arguments.jurisdictions)):
        return Rejected("MKT-5", "bad_jurisdictions", "jurisdictions must be sorted and unique")
    identifier = model_id(context.actor, arguments.name, arguments.version)
    if records.models.load(journal, identifier) is not None:
        return Rejected(
            "MKT-5",
            "already_published",
            f"{context.actor}/{arguments.name}@{arguments.version} is published and immutable;"
            " choose another version",
        )
    plan = load_plan(context, arguments.digest)
    if isinstance(plan, Rejected):
        return plan
    model = records.Model(
        id=identifier,
        publisher=context.actor,
        name=arguments.name,
        version=arguments.version,
        digest=arguments.digest,
        size=artefact.size,
        risk=arguments.risk,
        jurisdictions=arguments.jurisdictions,
        licence_text=save_document(journal, arguments.licence_text),
        intended_use=save_document(journal, arguments.intended_use),
        limitations=save_document(journal, arguments.limitations),
        allow_missing=arguments.allow_missing,
        inputs=tensor_specs(plan),
        outputs=tuple(plan.outputs),
        published_height=context.block.height,
        published_time=context.block.time,
        withdrawn=False,
        revocation=None,
    )
    records.models.save(journal, identifier, model)
    records.publications.save(
        journal, (context.actor, arguments.name, arguments.version), records.Marker()
    )
    records.stats.save(journal, identifier, records.Stats(0, 0, 0, 0, 0))
    if not artefact.published:
        credit(journal, artefact.owner, artefact.deposit)
        hold(journal, deposits=-artefact.deposit)
        records.deadlines.remove(journal, (artefact.expires, "upload", arguments.digest))
        records.artefacts.save(
            journal,
            arguments.digest,
            msgspec.structs.replace(artefact, published=True, deposit=0),
        )
    context.emit(
        "model.published", model=identifier, publisher=context.actor, digest=arguments.digest
    )
    return Published(identifier, arguments.digest)


@domain_opcode(
    0x020004,
    "MODEL_APPROVE",
    action="approve",
    args=Approve,
    result=Approved,
    resource=named_model,
    template_only=True,
)
def approve(context: Context, arguments: Approve) -> Approved | Rejected:
    """Approve a model's file, risk class and jurisdictions together, until a date."""
    model = load_model(context, arguments.model)
    if isinstance(model, Rejected):
        return model
    if context.actor not in context.governance().regulators:
        return Rejected("REG-7", "not_a_regulator", f"{context.actor} is not a regulator")
    if context.actor in who_gains(context.journal, model):
        return Rejected(
            "REG-7",
            "self_approval",
            "an approver is neither publisher nor payee of the model, nor answers for the contract"
            " that is; another regulator must",
        )
    shown = (arguments.digest, arguments.risk, arguments.jurisdictions)
    if shown != (model.digest, model.risk, model.jurisdictions):
        return Rejected(
            "REG-7",
            "approval_mismatch",
            "digest, risk class or jurisdictions are not those of the published model",
        )
    if arguments.until != 0 and arguments.until <= context.block.time:
        return Rejected("REG-7", "approval_expired", "the approval's end lies in the past")
    existing = records.approvals.load(context.journal, model.id)
    kept = [
        approval
        for approval in (existing.approvals if existing else ())
        if approval.regulator != context.actor
    ]
    if len(kept) >= MAX_APPROVALS:
        return Rejected("REG-7", "too_many_approvals", f"at most {MAX_APPROVALS} are kept")
    kept.append(
        records.Approval(context.actor, arguments.evidence, arguments.until, context.block.height)
    )
    kept.sort(key=lambda approval: approval.regulator)
    records.approvals.save(context.journal, model.id, records.Approvals(tuple(kept)))
    if model.revocation is not None:
        records.models.save(
            context.journal, model.id, msgspec.structs.replace(model, revocation=None)
        )
    context.emit(
        "model.approved",
        model=model.id,
        regulator=context.actor,
        digest=model.digest,
        risk=model.risk,
        until=arguments.until,
    )
    return Approved(len(kept))


@domain_opcode(
    0x020005,
    "MODEL_REVOKE",
    action="revoke",
    args=Revoke,
    result=Done,
    resource=named_model,
    template_only=True,
)
def revoke(context: Context, arguments: Revoke) -> Done | Rejected:
    """Take back every approval of a model; open licences are refunded."""
    model = load_model(context, arguments.model)
    if isinstance(model, Rejected):
        return model
    revocation = records.Revocation(context.actor, arguments.reason, context.block.height)
    records.models.save(
        context.journal, model.id, msgspec.structs.replace(model, revocation=revocation)
    )
    records.approvals.remove(context.journal, model.id)
    records.closing.save(context.journal, model.id, records.Marker())
    context.emit("model.revoked", model=model.id, regulator=context.actor, reason=arguments.reason)
    return Done()


@domain_opcode(
    0x020006,
    "MODEL_OFFER",
    action="offer",
    args=PutOffer,
    result=Offered,
    resource=named_model,
)
def offer(context: Context, arguments: PutOffer) -> Offered | Rejected:
    """Put a model on sale at a price per call or period; a new offer replaces the old one."""
    model = load_model(context, arguments.model)
    if isinstance(model, Rejected):
        return model
    if model.publisher != context.actor:
        return Rejected("MKT-5", "not_the_publisher", "only the publisher may offer a model")
    if arguments.digest != model.digest:
        return Rejected("MKT-5", "digest_mismatch", "the offer names another file's digest")
    per_period = arguments.period > 0
    if (arguments.price_per_call if per_period else arguments.price_per_period) > 0:
        return Rejected(
            "MKT-10",
            "bad_offer",
            "an offer is per call or per period: with a period, price_per_call is 0; without one,"
            " price_per_period is 0",
        )
    if per_period and arguments.period < SHORTEST_PERIOD:
        return Rejected(
            "MKT-10",
            "bad_offer",
            f"a period has at least {SHORTEST_PERIOD} ms, not {arguments.period}",
        )
    terms = encode(arguments) + context.block.height.to_bytes(8, "big")
    identifier = hashlib.sha256(b"synnergy/offer/1\x00" + terms).digest()
    records.offers.save(
        context.journal,
        model.id,
        records.Offer(
            identifier,
            arguments.price_per_call,
            arguments.price_per_period,
            arguments.period,
            arguments.max_rows,
            arguments.expires_after,
            context.block.height,
        ),
    )
    context.emit(
        "model.offered",
        model=model.id,
        offer=identifier,
        price_per_call=arguments.price_per_call,
        price_per_period=arguments.price_per_period,
        period=arguments.period,
        max_rows=arguments.max_rows,
    )
    return Offered(identifier)


@domain_opcode(
    0x020007,
    "MODEL_WITHDRAW",
    action="withdraw",
    args=Withdraw,
    result=Done,
    resource=named_model,
)
def withdraw(context: Context, arguments: Withdraw) -> Done | Rejected:
    """Take a model off the market for good; open licences are refunded."""
    model = load_model(context, arguments.model)
    if isinstance(model, Rejected):
        return model
    if model.publisher != context.actor:
        return Rejected("MKT-5", "not_the_publisher", "only the publisher may withdraw a model")
    records.models.save(context.journal, model.id, msgspec.structs.replace(model, withdrawn=True))
    records.offers.remove(context.journal, model.id)
    records.closing.save(context.journal, model.id, records.Marker())
    context.emit("model.withdrawn", model=model.id, publisher=context.actor)
    return Done()


class StatsResult(Struct, frozen=True):
    """Calls settled, revenue in smallest units, gas of inference, licensees ever, failures."""

    calls: Count
    revenue: Amount
    gas: Gas
    licensees: Count
    failures: Count


@domain_opcode(
    0x020008,
    "MODEL_STATS",
    action="analyse",
    args=ReadStats,
    result=StatsResult,
    resource=named_model,
)
def read_stats(context: Context, arguments: ReadStats) -> StatsResult | Rejected:
    """Read a model's calls, revenue, gas, licensees and failures from inside a program."""
    stats = records.stats.load(context.journal, arguments.model)
    if stats is None:
        return Rejected("MKT-1", "unknown_model", f"no model {arguments.model.hex()}")
    return StatsResult(stats.calls, stats.revenue, stats.gas, stats.licensees, stats.failures)
