"""What leaves a wallet: held against its limit, and noticed where it is unlike the wallet.

`pay_out` is for every verb that moves a wallet's value to another one. One record of a fixed size
is read and written for it; only wallets registered in a row have a second one (`cohorts`). All
arithmetic is on integers (OVR-1). What each kind sees, and what it doesn't, is in
`spec/oversight.md`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from synnergy.opcodes.cohorts import QUIET, notice_ring
from synnergy.opcodes.context import Context
from synnergy.opcodes.flags import load_oversight, raise_flag, window_of
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.wire.types import MAX_INTEGER

#: Payments of an epoch, whose totals are compared with one another (OVR-5).
EPOCH = 5
#: A payment below the mean of the last epoch divided by this is dust, and in no epoch.
DUST = 10
#: After so much dust in a row the wallet is taken for a smaller one, and begins anew.
MOST_DUST = 4 * EPOCH
#: A sample that outgrows this is halved, so that it follows the wallet and stays small.
MOST_SAMPLES = 1_000


class Finding(NamedTuple):
    kind: records.FlagKind
    figures: dict[str, int | str]


def pay_out(context: Context, wallet: str, recipient: str | None, amount: int) -> Rejected | None:
    """Hold an outgoing amount against the wallet's limit, then record it; or say why not."""
    if _moves_nothing(wallet, recipient, amount):
        return None
    before = records.activities.load(context.journal, wallet) or QUIET
    refused = _over(before.limit, wallet, amount, context.block.time)
    if refused is not None:
        return refused
    _record(context, before, wallet, recipient, amount)
    return None


def put_down(context: Context, wallet: str, amount: int) -> Rejected | None:
    """Count a deposit, which comes back, towards the limit and nothing else (OVR-11)."""
    before = records.activities.load(context.journal, wallet)
    if before is None or before.limit is None:
        return None
    refused = _over(before.limit, wallet, amount, context.block.time)
    if refused is None:
        spent = _spend(before.limit, amount, context.block.time)
        records.activities.save(
            context.journal, wallet, msgspec.structs.replace(before, limit=spent)
        )
    return refused


def present_limit(limit: records.SpendingLimit, time: int) -> records.SpendingLimit:
    """A limit as of the period that holds `time`."""
    passed = (time - limit.start) // limit.period
    if passed <= 0:
        return limit
    start = limit.start + passed * limit.period
    return records.SpendingLimit(limit.amount, limit.period, start, 0)


def observe(
    before: records.Activity, oversight: records.Oversight, amount: int, time: int
) -> tuple[records.Activity, list[Finding]]:
    """The figures after one more payment, and what of it is to be flagged. Pure."""
    findings: list[Finding] = []
    sample = before.payments
    if (
        oversight.amount_factor
        and sample >= oversight.amount_sample
        and amount * sample > oversight.amount_factor * before.total
    ):
        average = before.total // sample
        figures = {"amount": amount, "average": average, "payments": sample}
        findings.append(Finding("amount", {**figures, "factor": oversight.amount_factor}))
    if amount > oversight.ceiling:
        findings.append(Finding("ceiling", {"amount": amount, "ceiling": oversight.ceiling}))
    payments, total = sample + 1, before.total + amount
    while payments > MOST_SAMPLES or total > MAX_INTEGER:
        payments, total = payments // 2, total // 2
    windows = _observe_velocity(before, oversight, time, findings)
    epochs = _observe_ramp(before, oversight, amount, findings)
    after = records.Activity(payments, total, *windows, *epochs, before.cohort, before.limit)
    return after, findings


def _observe_velocity(
    before: records.Activity, oversight: records.Oversight, time: int, findings: list[Finding]
) -> tuple[int, int, int, int]:
    """Count this payment into its window; a burst is found once, when it passes the mark.

    The figures of `Activity` from `window` to `earlier`.
    """
    window = window_of(oversight, time)
    count, windows, earlier = before.window_payments + 1, before.windows, before.earlier
    if window != before.window:
        count = 1
        windows += before.window_payments > 0
        earlier += before.window_payments
        if windows > MOST_SAMPLES:
            windows, earlier = windows // 2, earlier // 2

    # The first count that is both enough payments and more than so many times the average.
    mark = max(
        oversight.velocity_payments, oversight.velocity_factor * earlier // max(windows, 1) + 1
    )
    if oversight.velocity_factor and windows >= oversight.velocity_windows and count == mark:
        figures = {"payments": count, "earlier_payments": earlier, "earlier_windows": windows}
        settings = {"window": oversight.window, "factor": oversight.velocity_factor}
        findings.append(Finding("velocity", {**figures, **settings}))
    return window, count, windows, earlier


def _observe_ramp(
    before: records.Activity, oversight: records.Oversight, amount: int, findings: list[Finding]
) -> tuple[int, int, int, int, int, int]:
    """Count this payment into its epoch; compare the epoch with the last where it is full.

    The figures of `Activity` from `epoch_payments` to `dust`.
    """
    last, base, rises = before.last_epoch, before.base, before.rises
    if amount * EPOCH * DUST < last:
        if before.dust + 1 == MOST_DUST:
            return 0, 0, 0, 0, 0, 0
        return before.epoch_payments, before.epoch_total, last, base, rises, before.dust + 1
    count, total = before.epoch_payments + 1, min(before.epoch_total + amount, MAX_INTEGER)
    if count < EPOCH:
        return count, total, last, base, rises, 0
    base, rises = (base, rises + 1) if 0 < last < total else (total, 0)
    if (
        oversight.ramp_factor
        and rises >= oversight.ramp_rises
        and total >= oversight.ramp_factor * base
    ):
        figures = {"from": base, "to": total, "rises": rises, "factor": oversight.ramp_factor}
        findings.append(Finding("ramp", {**figures}))
        base, rises = total, 0
    return 0, 0, total, base, rises, 0


def _moves_nothing(wallet: str, recipient: str | None, amount: int) -> bool:
    return amount == 0 or recipient == wallet


def _record(
    context: Context, before: records.Activity, wallet: str, recipient: str | None, amount: int
) -> None:
    oversight = load_oversight(context.journal)
    time = context.block.time
    after, findings = observe(before, oversight, amount, time)
    if before.limit is not None:
        after = msgspec.structs.replace(after, limit=_spend(before.limit, amount, time))
    records.activities.save(context.journal, wallet, after)
    for kind, figures in findings:
        raise_flag(context, wallet, kind, figures)
    if before.cohort is not None:
        notice_ring(context, oversight, before.cohort, wallet, recipient, amount)


def _over(
    limit: records.SpendingLimit | None, wallet: str, amount: int, time: int
) -> Rejected | None:
    if limit is None:
        return None
    present = present_limit(limit, time)
    left = max(0, present.amount - present.spent)
    if amount <= left:
        return None
    renews = present.start + present.period
    return Rejected(
        "OVR-11",
        "spending_limit",
        f"{wallet} may spend {present.amount} in each period of {_span(present.period)}:"
        f" {present.spent} is spent, {left} is left, {amount} was asked for; the period renews in"
        f" {_span(renews - time)}, at the block time {renews} ms",
    )


def _spend(limit: records.SpendingLimit, amount: int, time: int) -> records.SpendingLimit:
    present = present_limit(limit, time)
    spent = min(present.spent + amount, MAX_INTEGER)
    return msgspec.structs.replace(present, spent=spent)


def _span(milliseconds: int) -> str:
    """A length of time in hours and minutes, or in seconds, rounded up."""
    if milliseconds < 60_000:
        return f"{-(-milliseconds // 1_000)} s"
    hours, minutes = divmod(-(-milliseconds // 60_000), 60)
    if minutes == 0:
        return f"{hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
