"""Open flags, spending limits, and the parameters by which conduct is flagged."""

from __future__ import annotations

from synnergy.chain.queries.moment import Moment
from synnergy.opcodes.activity import present_limit
from synnergy.opcodes.flags import load_oversight
from synnergy.state import records
from synnergy.wire.codec import Struct
from synnergy.wire.types import Address, Amount, Time

#: Flagged wallets in one answer at most.
PAGE = 1_000


class FlagView(records.Flag, frozen=True):
    """An open flag and the wallet that has it."""

    wallet: Address


class FlagsView(Struct, frozen=True):
    """Open flags by wallet and kind; `next`, given as `after`, goes on; null at the end."""

    flags: tuple[FlagView, ...]
    next: Address | None


class LimitView(records.SpendingLimit, frozen=True):
    """A spending limit as of the last block: `left` in the period, which ends at `renews`."""

    left: Amount
    renews: Time


def open_flags(moment: Moment, address: str) -> tuple[records.Flag, ...]:
    opened = records.flags.load(moment.state, address)
    return opened.flags if opened is not None else ()


def flags_view(
    moment: Moment, wallet: str | None, after: str | None, limit: int = PAGE
) -> FlagsView:
    """Open flags of every wallet behind `after`, at most `limit` wallets; or of one wallet."""
    if wallet is not None:
        return FlagsView(_views(wallet, open_flags(moment, wallet)), None)
    found = records.flags.scan(moment.state, limit=limit, after=after)
    views = tuple(view for address, opened in found for view in _views(address, opened.flags))
    return FlagsView(views, found[-1][0] if len(found) == limit else None)


def _views(wallet: str, flags: tuple[records.Flag, ...]) -> tuple[FlagView, ...]:
    return tuple(
        FlagView(flag.kind, flag.height, flag.time, flag.figures, wallet) for flag in flags
    )


def limit_view(moment: Moment, address: str) -> LimitView | None:
    known = records.activities.load(moment.state, address)
    if known is None or known.limit is None:
        return None
    present = present_limit(known.limit, moment.header.time)
    return LimitView(
        amount=present.amount,
        period=present.period,
        start=present.start,
        spent=present.spent,
        left=max(0, present.amount - present.spent),
        renews=present.start + present.period,
    )


def oversight_view(moment: Moment) -> records.Oversight:
    return load_oversight(moment.state)
