"""Rings: wallets that one regulator registered in a row, and that pay as if they were one.

A cohort has a record as soon as it has wallets; only when it has enough of them to be a ring are
they told so, so that the payments of everybody else never look here (OVR-7, OVR-8).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from synnergy.opcodes.context import Context
from synnergy.opcodes.flags import load_oversight, raise_flag, window_of
from synnergy.state import records
from synnergy.wire.types import MAX_INTEGER

#: Recipients that a cohort is watched for in one window.
MOST_RECIPIENTS = 8
#: The activity of a wallet that nothing left yet.
QUIET = records.Activity(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, None, None)
UNWATCHED = records.Cohort(0, (), 0, (), 0, (), ())


def join_cohort(context: Context, regulator: str, wallet: str) -> None:
    """Count a wallet that is registered for the first time into its regulator's cohort (OVR-8)."""
    journal, height = context.journal, context.block.height
    oversight = load_oversight(journal)
    last = records.last_cohorts.load(journal, regulator)
    if last is None or height >= last.height + oversight.cohort_blocks:
        last = records.LastCohort(height)
        records.last_cohorts.save(journal, regulator, last)
    key = (regulator, last.height)
    cohort = records.cohorts.load(journal, key) or UNWATCHED
    size = cohort.wallets + 1
    first = _joined(cohort.first, wallet, oversight.ring_wallets)
    records.cohorts.save(journal, key, msgspec.structs.replace(cohort, wallets=size, first=first))
    if size < oversight.ring_wallets:
        return
    for member in first if size == oversight.ring_wallets else (wallet,):
        known = records.activities.load(journal, member) or QUIET
        named = records.CohortKey(regulator, last.height)
        records.activities.save(journal, member, msgspec.structs.replace(known, cohort=named))


def notice_ring(
    context: Context,
    oversight: records.Oversight,
    key: records.CohortKey,
    wallet: str,
    recipient: str | None,
    amount: int,
) -> None:
    """Record a payment of a cohort's wallet; flag everybody of a ring that it completes."""
    journal, enough = context.journal, oversight.ring_wallets
    place = (key.regulator, key.height)
    cohort = records.cohorts.load(journal, place)
    assert cohort is not None
    window = window_of(oversight, context.block.time)
    if cohort.window != window:
        cohort = records.Cohort(cohort.wallets, cohort.first, window, (), 0, (), ())
    payers, together = cohort.payers, cohort.amount
    if amount <= oversight.ceiling:
        payers = _joined(payers, wallet, enough)
        together = min(together + amount, MAX_INTEGER)
    inner, recipients = cohort.inner, cohort.recipients
    paid = records.Paid("", (), 0)
    if recipient is not None:
        paid = _pay(recipients, wallet, recipient, amount, enough)
        recipients = _watched(recipients, paid)
        theirs = records.activities.load(journal, recipient)
        if theirs is not None and theirs.cohort == key:
            inner = _joined(inner, wallet, enough)
    records.cohorts.save(
        journal,
        place,
        records.Cohort(cohort.wallets, cohort.first, window, payers, together, inner, recipients),
    )
    figures = {"cohort": key.height, "window": oversight.window}
    if len(paid.payers) >= enough:
        same = {
            "how": "one recipient",
            "recipient": paid.recipient,
            "amount": paid.amount,
            "wallets": len({*paid.payers, wallet}),
        }
        _flag_ring(context, (*paid.payers, wallet), {**same, **figures})
    if recipient is not None and len(inner) >= enough:
        _flag_ring(
            context,
            (*inner, wallet),
            {"how": "one another", "wallets": len({*inner, wallet}), **figures},
        )
    if len(payers) >= enough and together > oversight.ceiling >= amount:
        over = {
            "how": "together",
            "amount": together,
            "ceiling": oversight.ceiling,
            "wallets": len({*payers, wallet}),
        }
        _flag_ring(context, (*payers, wallet), {**over, **figures})


def _pay(
    recipients: tuple[records.Paid, ...], wallet: str, recipient: str, amount: int, enough: int
) -> records.Paid:
    known = next((paid for paid in recipients if paid.recipient == recipient), None)
    if known is None:
        return records.Paid(recipient, (wallet,), amount)
    payers = _joined(known.payers, wallet, enough)
    return records.Paid(recipient, payers, min(known.amount + amount, MAX_INTEGER))


def _watched(recipients: tuple[records.Paid, ...], paid: records.Paid) -> tuple[records.Paid, ...]:
    """With one more recipient; beyond the most, the one of fewest payers and money is dropped.

    So dust to many recipients cannot push out one whom several wallets pay, nor a large payment.
    """
    others = [other for other in recipients if other.recipient != paid.recipient]
    every = [*others, paid]
    if len(every) > MOST_RECIPIENTS:
        every.remove(min(every, key=lambda one: (len(one.payers), one.amount)))
    return tuple(every)


def _joined(wallets: tuple[str, ...], wallet: str, most: int) -> tuple[str, ...]:
    if wallet in wallets or len(wallets) >= most:
        return wallets
    return (*wallets, wallet)


def _flag_ring(context: Context, wallets: Iterable[str], figures: dict[str, int | str]) -> None:
    for wallet in dict.fromkeys(wallets):
        raise_flag(context, wallet, "ring", figures)
