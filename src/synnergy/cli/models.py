"""`synnergy model`, first half: publishing, approving, looking at models."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from synnergy.cli.command import From, command, group
from synnergy.cli.durations import DAY
from synnergy.cli.ledger import committed
from synnergy.cli.regulators import check_jurisdiction, digest_of
from synnergy.cli.reply import Reply, listing, plain, reply, table
from synnergy.cli.session import Session
from synnergy.client import replies, verbs
from synnergy.client.downloads import download
from synnergy.client.failures import WrongUse
from synnergy.client.home import read_text
from synnergy.client.models import read_model
from synnergy.client.publication import check_name, check_publication
from synnergy.client.uploads import upload

Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="A model's id, or PUBLISHER/NAME@VERSION."),
]
Risk = Literal["minimal", "limited", "high"]


def add_to(app: typer.Typer) -> typer.Typer:
    models = group("Models: published, approved, sold and called.")
    command(models, "publish")(publish)
    command(models, "approve")(approve)
    command(models, "revoke")(revoke)
    command(models, "show")(show)
    command(models, "ls")(ls)
    command(models, "stats")(stats)
    command(models, "pull")(pull)
    app.add_typer(models, name="model")
    return models


def publish(
    session: Session,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.onnx", exists=True, dir_okay=False, help="The model."),
    ],
    name: Annotated[str, typer.Option("--name", metavar="N", help="What it is called.")],
    sender: From,
    version: Annotated[
        str,
        typer.Option("--version", metavar="V", help="Its version, immutable once published."),
    ] = "1",
    licence_file: Annotated[
        Path | None,
        typer.Option(
            "--licence-file", metavar="F", exists=True, dir_okay=False, help="The licence's text."
        ),
    ] = None,
    intended_use: Annotated[
        Path | None,
        typer.Option(
            "--intended-use",
            metavar="F",
            exists=True,
            dir_okay=False,
            help="A text: what it is meant for.",
        ),
    ] = None,
    limitations: Annotated[
        Path | None,
        typer.Option(
            "--limitations",
            metavar="F",
            exists=True,
            dir_okay=False,
            help="A text: what it is not good at.",
        ),
    ] = None,
    jurisdictions: Annotated[
        str,
        typer.Option("--jurisdictions", metavar="GB,DE", help="Where it may be used; else all."),
    ] = "",
    risk: Annotated[
        Risk, typer.Option("--risk", metavar="minimal|limited|high", help="Its risk class.")
    ] = "limited",
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Missing inputs (NaN) are no error.")
    ] = False,
) -> Reply:
    """Upload a model and publish it; an interrupted upload resumes."""
    check_name("name", name)
    check_name("version", version)
    allowed = parse_jurisdictions(jurisdictions)
    texts = [
        None if path is None else read_text(path)
        for path in (licence_file, intended_use, limitations)
    ]
    content = read_model(file)
    wallet = session.sender(sender)
    call = verbs.model_publish(
        digest=hashlib.sha256(content).digest(),
        name=name,
        version=version,
        risk=risk,
        jurisdictions=allowed,
        licence_text=texts[0],
        intended_use=texts[1],
        limitations=texts[2],
        allow_missing=allow_missing,
    )
    check_publication(wallet, call, file, content)
    with session.progress(f"uploading {file.name}") as progress:
        uploaded = upload(wallet, content, progress)
    sent = wallet.send(call)
    fields = {
        "model": sent.value.model.hex(),
        "digest": sent.value.digest.hex(),
        **committed(sent),
        "gas_used": sent.gas_used + uploaded.gas_used,
        "fee": sent.fee + uploaded.fee,
        "reference": f"{wallet.address}/{name}@{version}",
        "size": len(content),
    }
    return reply(fields, plain(f"{name}@{version} is published as {fields['model']}"))


def approve(
    session: Session,
    model: Model,
    sender: From,
    evidence: Annotated[
        Path | None,
        typer.Option(
            "--evidence",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="What the approval rests on; only its digest enters the ledger.",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="DATE", help="When it ends: an ISO date or time, UTC."),
    ] = None,
) -> Reply:
    """Approve a model's file, risk class and jurisdictions together."""
    end = parse_date(until) if until is not None else 0
    shown = session.model(model)
    sent = session.sender(sender).send(
        verbs.model_approve(
            model=bytes.fromhex(shown.id),
            digest=bytes.fromhex(shown.digest),
            risk=shown.risk,
            jurisdictions=shown.jurisdictions,
            evidence=digest_of(evidence),
            until=end,
        )
    )
    fields = {
        **committed(sent),
        "model": shown.id,
        "approvals": sent.value.approvals,
        "approvals_required": shown.approvals_required,
        "until": end or None,
    }
    count = f"{sent.value.approvals} of {shown.approvals_required}"
    return reply(fields, plain(f"{shown.reference} has {count} approvals"))


def revoke(
    session: Session,
    model: Model,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for everybody.")],
    sender: From,
) -> Reply:
    """Take back every approval of a model; open licences are refunded."""
    identifier = session.model_id(model)
    sent = session.sender(sender).send(verbs.model_revoke(model=identifier, reason=reason))
    fields = {**committed(sent), "model": identifier.hex()}
    return reply(fields, plain(f"{identifier.hex()} is revoked"))


def show(session: Session, model: Model) -> Reply:
    """Show a model: its record, approvals, offer and texts."""
    found = session.model(model)
    texts = {
        name: session.node.document(digest)
        for name in ("licence_text", "intended_use", "limitations")
        if (digest := getattr(found, name)) is not None
    }
    fields = {"model": found.id, **_fields(found), "texts": texts}
    return reply(fields, listing(_summary(found)), *(plain(text) for text in texts.values()))


def ls(
    session: Session,
    publisher: Annotated[
        str | None,
        typer.Option("--publisher", metavar="WHO", help="Only this publisher's models."),
    ] = None,
) -> Reply:
    """List the models on the ledger."""
    address = session.address(publisher) if publisher is not None else None
    found = session.node.models(address)
    rows = [
        (
            model.reference,
            model.risk,
            model.status,
            _price(model.offer),
            model.stats.calls,
        )
        for model in found
    ]
    fields = {"models": [{"model": model.id, **_fields(model)} for model in found]}
    return reply(fields, table(("model", "risk", "status", "price", "calls"), rows))


def stats(session: Session, model: Model) -> Reply:
    """Say how a model is used: calls, revenue, gas, licensees, failures."""
    found = session.model(model)
    fields = {"model": found.id, **msgspec.structs.asdict(found.stats)}
    return reply(fields, listing(msgspec.structs.asdict(found.stats)))


def pull(
    session: Session,
    model: Model,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the file goes.")],
) -> Reply:
    """Fetch a model's file, checked against its digest."""
    found = session.model(model)
    with session.progress(f"fetching {found.name}") as progress:
        download(session.node, found, out, progress)
    fields = {"model": found.id, "digest": found.digest, "size": found.size, "file": str(out)}
    return reply(fields, plain(f"{out}: {found.size:,} bytes, sha256 {found.digest}"))


def parse_jurisdictions(text: str) -> tuple[str, ...]:
    """`GB,DE` sorted and unique; nothing means everywhere."""
    found = sorted({part.strip() for part in text.split(",") if part.strip()})
    for part in found:
        check_jurisdiction(part)
    return tuple(found)


def parse_date(text: str) -> int:
    """An ISO date or time as ms UTC; without an offset it is UTC."""
    try:
        if "T" in text or ":" in text:
            moment = datetime.fromisoformat(text)
        else:
            moment = datetime.combine(date.fromisoformat(text), datetime.min.time())
    except ValueError:
        raise WrongUse("bad_date", f"{text!r} is not an ISO date, such as 2030-12-31") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    milliseconds = int(moment.timestamp() * 1000)
    if milliseconds <= 0:
        raise WrongUse("bad_date", f"{text!r} lies before 1970")
    return milliseconds


def _fields(model: replies.Model) -> dict[str, Any]:
    return msgspec.to_builtins(model)


def _summary(model: replies.Model) -> dict[str, Any]:
    offer = model.offer
    return {
        "model": model.id,
        "reference": model.reference,
        "status": model.status,
        "risk": model.risk,
        "jurisdictions": ", ".join(model.jurisdictions) or "everywhere",
        "approvals": f"{len(model.approvals)} of {model.approvals_required}",
        **offer_terms(offer),
        "digest": model.digest,
        "size": model.size,
        "inputs": ", ".join(f"{spec.name}: {spec.dtype} {_shape(spec)}" for spec in model.inputs),
        "outputs": ", ".join(model.outputs),
    }


def offer_terms(offer: replies.Offer | None) -> dict[str, object]:
    """What is on sale, for people."""
    rows = {"rows a call": offer.max_rows if offer else None}
    if offer is not None and offer.period > 0:
        return {"price per period": offer.price_per_period, "period": _period(offer), **rows}
    return {"price per call": offer.price_per_call if offer else None, **rows}


def _price(offer: replies.Offer | None) -> object:
    if offer is None or offer.period == 0:
        return offer and offer.price_per_call
    return f"{offer.price_per_period:,} for {_period(offer)}"


def _period(offer: replies.Offer) -> str:
    return f"{offer.period / DAY:,g} days"


def _shape(spec: replies.TensorSpec) -> str:
    if spec.shape is None:
        return "of any shape"
    return f"[{', '.join('?' if size is None else str(size) for size in spec.shape)}]"
