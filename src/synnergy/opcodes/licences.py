"""LICENCE: buying calls or periods under escrow, settling them, refunding (MKT-6 … MKT-10)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from synnergy.opcodes.activity import pay_out
from synnergy.opcodes.context import Context, Event, Settlement, credit, debit, hold
from synnergy.opcodes.entities import Resource, load_model, model_resource
from synnergy.opcodes.models import MAX_OFFER_LIFETIME
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.journal import Journal
from synnergy.vm.catalogue import domain_opcode
from synnergy.wire.codec import Struct
from synnergy.wire.types import MAX_INTEGER, Amount, Digest, Time

#: At most this many refunds (or forfeits) are carried out in a block (MKT-8).
MATURITIES_PER_BLOCK = 1_000


class Buy(Struct, frozen=True):
    """Buy calls or periods, whichever the offer that was shown sells; the other is 0."""

    model: records.ModelId
    digest: Digest
    offer: Digest
    calls: Annotated[int, Meta(ge=0, le=10**9)]
    periods: Annotated[int, Meta(ge=0, le=10**9)] = 0


class Bought(Struct, frozen=True):
    licence: Digest
    escrow: Amount
    expires: Time


def buy_resource(context: Context, arguments: Buy) -> Resource | Rejected:
    offer = records.offers.load(context.journal, arguments.model)
    calls, periods = arguments.calls, arguments.periods
    total = min(_total(offer, calls, periods) if offer else 0, MAX_INTEGER)
    return model_resource(context, arguments.model, calls=calls, periods=periods, total=total)


@domain_opcode(
    0x030001,
    "LICENCE_BUY",
    action="buy",
    args=Buy,
    result=Bought,
    resource=buy_resource,
)
def buy(context: Context, arguments: Buy) -> Bought | Rejected:
    """Buy calls or periods of a model; the price goes into escrow, its refund is paid for."""
    model = load_model(context, arguments.model)
    if isinstance(model, Rejected):
        return model
    offer = records.offers.load(context.journal, model.id)
    if offer is None:
        return Rejected("MKT-6", "not_offered", "the model is not on sale")
    if records.closing.load(context.journal, model.id) is not None:
        return Rejected(
            "MKT-8",
            "closing",
            "the model's licences are being refunded, and this one would be; buy in a later block",
        )
    if arguments.digest != model.digest or arguments.offer != offer.id:
        return Rejected(
            "MKT-6",
            "offer_changed",
            "the offer or the file is not the one shown; look again and buy what is there now",
        )
    lasts = _lifetime(offer, arguments)
    if isinstance(lasts, Rejected):
        return lasts
    escrow = _total(offer, arguments.calls, arguments.periods)
    recipient = model.publisher if model.publisher == context.actor else None
    refused = debit(context.journal, context.actor, escrow) or pay_out(
        context, context.actor, recipient, escrow
    )
    if refused is not None:
        return refused
    hold(context.journal, escrowed=escrow)
    identifier = context.unique_id("licence")
    expires = context.block.time + lasts
    licence = records.Licence(
        id=identifier,
        model=model.id,
        licensee=context.actor,
        publisher=model.publisher,
        offer=offer.id,
        price_per_call=offer.price_per_call,
        price_per_period=offer.price_per_period,
        period=offer.period,
        max_rows=offer.max_rows,
        calls=arguments.calls,
        periods=arguments.periods,
        used=0,
        settled=0,
        paid_until=0,
        bought=context.block.time,
        escrow=escrow,
        expires=expires,
        gas_version=context.schedule.version,
        transaction=context.transaction.id,
        height=context.block.height,
        status="open",
    )
    records.licences.save(context.journal, identifier, licence)
    records.open_licences.save(context.journal, (model.id, identifier), records.Marker())
    records.deadlines.save(context.journal, (expires, "licence", identifier), records.Marker())
    _count_licensee(context.journal, model.id, context.actor)
    context.emit(
        "licence.bought",
        licence=identifier,
        model=model.id,
        licensee=context.actor,
        calls=arguments.calls,
        periods=arguments.periods,
        escrow=escrow,
    )
    return Bought(identifier, escrow, expires)


def _count_licensee(journal: Journal, model: bytes, licensee: str) -> None:
    if records.licensees.load(journal, (model, licensee)) is not None:
        return
    records.licensees.save(journal, (model, licensee), records.Marker())
    stats = records.stats.load(journal, model)
    assert stats is not None
    records.stats.save(
        journal, model, msgspec.structs.replace(stats, licensees=stats.licensees + 1)
    )


def _total(offer: records.Offer, calls: int, periods: int) -> int:
    return offer.price_per_period * periods if offer.period else offer.price_per_call * calls


def _lifetime(offer: records.Offer, arguments: Buy) -> int | Rejected:
    """How long a licence lasts, in ms, where what is bought is what is sold (MKT-10)."""
    calls, periods = arguments.calls, arguments.periods
    if offer.period == 0 and calls > 0 and periods == 0:
        return offer.expires_after
    if offer.period > 0 and periods > 0 and calls == 0:
        lasts = offer.period * periods
        if lasts <= MAX_OFFER_LIFETIME:
            return lasts
        return Rejected(
            "MKT-10",
            "too_many_periods",
            f"a licence lasts ten years at most: {MAX_OFFER_LIFETIME // offer.period} periods of"
            f" this offer, not {periods}",
        )
    sold = "periods" if offer.period else "calls"
    return Rejected(
        "MKT-10",
        "not_what_is_sold",
        f"the offer sells {sold}: at least one, and nothing else, can be bought",
    )


def call_price(licence: records.Licence, time: int) -> int:
    """What a call at block time `time` takes from escrow: the first of a period pays for it."""
    if licence.period == 0:
        return licence.price_per_call
    return 0 if time < licence.paid_until else licence.price_per_period


def settle(journal: Journal, settlement: Settlement) -> None:
    """Pay one returned call: escrow → publisher, nowhere else (MKT-6, MKT-10).

    Applied when INVOKE returns, and again after a rollback of its transaction: the licence is
    from an earlier transaction, so it is there in both.
    """
    licence = records.licences.load(journal, settlement.licence)
    assert licence is not None
    time = settlement.receipt.time
    price = call_price(licence, time)
    assert licence.escrow >= price
    used, settled, paid_until = licence.used + 1, licence.settled, licence.paid_until
    if licence.period > 0 and time >= paid_until:
        settled += 1
        paid_until = time - (time - licence.bought) % licence.period + licence.period
    spent = licence.period == 0 and used == licence.calls
    records.licences.save(
        journal,
        licence.id,
        msgspec.structs.replace(
            licence,
            used=used,
            settled=settled,
            paid_until=paid_until,
            escrow=licence.escrow - price,
            status="spent" if spent else "open",
        ),
    )
    if spent:
        _forget_open(journal, licence)
    hold(journal, escrowed=-price)
    credit(journal, licence.publisher, price)
    stats = records.stats.load(journal, licence.model)
    assert stats is not None
    records.stats.save(
        journal,
        licence.model,
        msgspec.structs.replace(
            stats,
            calls=stats.calls + 1,
            # Of all time, not of what exists: money goes round (MKT-9).
            revenue=min(stats.revenue + price, MAX_INTEGER),
            gas=min(stats.gas + settlement.tensor_gas, MAX_INTEGER),
        ),
    )


def _forget_open(journal: Journal, licence: records.Licence) -> None:
    records.open_licences.remove(journal, (licence.model, licence.id))
    records.deadlines.remove(journal, (licence.expires, "licence", licence.id))


def _refund(journal: Journal, licence: records.Licence, status: records.LicenceStatus) -> Event:
    """Give the escrow of an open licence back to its licensee and close it."""
    credit(journal, licence.licensee, licence.escrow)
    hold(journal, escrowed=-licence.escrow)
    _forget_open(journal, licence)
    records.licences.save(
        journal, licence.id, msgspec.structs.replace(licence, escrow=0, status=status)
    )
    return Event(
        "licence.refunded",
        {"licence": licence.id.hex(), "amount": str(licence.escrow), "why": status},
    )


def run_due(journal: Journal, time: int) -> list[Event]:
    """What falls due at the start of a block, in order, at most 1,000 of it (MKT-8)."""
    events: list[Event] = []
    for key, _ in records.deadlines.scan(journal, limit=MATURITIES_PER_BLOCK):
        deadline, kind, identifier = key
        if deadline > time:
            break
        if kind == "licence":
            licence = records.licences.load(journal, identifier)
            assert licence is not None
            events.append(_refund(journal, licence, "expired"))
        elif kind == "upload":
            events.append(_forfeit(journal, identifier))
            records.deadlines.remove(journal, key)
        else:
            records.proposals.remove(journal, identifier)
            records.deadlines.remove(journal, key)
            events.append(Event("proposal.expired", {"proposal": identifier.hex()}))
    room = MATURITIES_PER_BLOCK - len(events)
    for model, _ in records.closing.scan(journal, limit=MATURITIES_PER_BLOCK):
        opened = records.open_licences.scan(journal, key_prefix=(model,), limit=room)
        for (_, identifier), _ in opened:
            licence = records.licences.load(journal, identifier)
            assert licence is not None
            events.append(_refund(journal, licence, "closed"))
        room -= len(opened)
        if room <= 0:
            break
        records.closing.remove(journal, model)
    return events


def next_deadline(journal: Journal) -> int | None:
    """When the next maturity falls due (ms), 0 where refunds are waiting, None for never."""
    if records.closing.scan(journal, limit=1):
        return 0
    due = records.deadlines.scan(journal, limit=1)
    return due[0][0][0] if due else None


def _forfeit(journal: Journal, digest: bytes) -> Event:
    """An upload that wasn't finished in time: its deposit becomes a fee, its digest is free."""
    artefact = records.artefacts.load(journal, digest)
    governance = records.governance.load(journal, records.SINGLE)
    assert artefact is not None and governance is not None
    credit(journal, governance.fee_account, artefact.deposit)
    hold(journal, deposits=-artefact.deposit)
    records.artefacts.remove(journal, digest)
    return Event("upload.forfeited", {"digest": digest.hex(), "deposit": str(artefact.deposit)})
