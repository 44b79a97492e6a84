"""REGULATION, watching: spending limits, flags cleared, and when conduct is flagged (OVR)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from synnergy.opcodes.activity import present_limit
from synnergy.opcodes.cohorts import QUIET
from synnergy.opcodes.context import Context
from synnergy.opcodes.entities import named_wallet
from synnergy.opcodes.flags import save_flags
from synnergy.opcodes.governance import Agreement, governed
from synnergy.opcodes.models import Done
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.catalogue import domain_opcode
from synnergy.wire.codec import Struct
from synnergy.wire.types import Address, Amount, ShortText

#: A limit's period: a second to ten years.
SHORTEST_PERIOD = 1_000
LONGEST_PERIOD = 10 * 366 * 24 * 3600 * 1000


class SetLimit(Struct, frozen=True):
    """At most `amount` may leave the wallet in each `period` of ms; null lifts the limit."""

    address: Address
    amount: Amount | None
    period: Annotated[int, Meta(ge=0, le=LONGEST_PERIOD)]


class ClearFlags(Struct, frozen=True):
    """Clear these kinds of open flags, sorted and unique; () means all of them."""

    address: Address
    kinds: Annotated[tuple[records.FlagKind, ...], Meta(max_length=6)]
    reason: ShortText


class SetOversight(records.Oversight, frozen=True):
    """All the parameters by which conduct is flagged, as they are to be."""


@domain_opcode(
    0x06000A,
    "REGULATION_SET_LIMIT",
    action="set_limit",
    args=SetLimit,
    result=Done,
    resource=named_wallet,
    template_only=True,
)
def set_limit(context: Context, arguments: SetLimit) -> Done | Rejected:
    """Limit what may leave a wallet in a period, or lift its limit; fees are no spending."""
    address, amount, period = arguments.address, arguments.amount, arguments.period
    if records.wallets.load(context.journal, address) is None:
        return Rejected("OVR-10", "unregistered", f"{address} is not registered")
    if amount is not None and period < SHORTEST_PERIOD:
        return Rejected(
            "OVR-10", "bad_period", f"a period has at least {SHORTEST_PERIOD} ms, not {period}"
        )
    known = records.activities.load(context.journal, address) or QUIET
    limit = None
    if amount is not None:
        start, spent = context.block.time, 0
        if known.limit is not None and known.limit.period == period:
            present = present_limit(known.limit, context.block.time)
            start, spent = present.start, present.spent
        limit = records.SpendingLimit(amount, period, start, spent)
    records.activities.save(context.journal, address, msgspec.structs.replace(known, limit=limit))
    shown = {"amount": amount, "period": period} if amount is not None else {"amount": "none"}
    context.emit("oversight.limited", wallet=address, by=context.sender, **shown)
    return Done()


@domain_opcode(
    0x06000B,
    "REGULATION_CLEAR_FLAGS",
    action="clear_flags",
    args=ClearFlags,
    result=Done,
    resource=named_wallet,
    template_only=True,
)
def clear_flags(context: Context, arguments: ClearFlags) -> Done | Rejected:
    """Clear a wallet's flags, once somebody has looked; the wallet's figures stay."""
    address, kinds = arguments.address, arguments.kinds
    if list(kinds) != sorted(set(kinds)):
        return Rejected("OVR-9", "bad_kinds", "kinds must be sorted and unique")
    wallet = records.wallets.load(context.journal, address)
    opened = records.flags.load(context.journal, address)
    if wallet is None or opened is None:
        return Rejected("OVR-9", "not_flagged", f"{address} has no open flag")
    cleared = kinds or wallet.flags
    missing = [kind for kind in cleared if kind not in wallet.flags]
    if missing:
        return Rejected(
            "OVR-9", "not_flagged", f"{address} has no open flag of kind {', '.join(missing)}"
        )
    kept = tuple(flag for flag in opened.flags if flag.kind not in cleared)
    save_flags(context, address, wallet, kept)
    context.emit(
        "oversight.cleared",
        wallet=address,
        kinds=",".join(cleared),
        by=context.sender,
        reason=arguments.reason,
    )
    return Done()


@domain_opcode(
    0x06000C,
    "REGULATION_SET_OVERSIGHT",
    action=None,
    governance=True,
    args=SetOversight,
    result=Agreement,
    template_only=True,
)
def set_oversight(context: Context, arguments: SetOversight) -> Agreement | Rejected:
    """Change when conduct is flagged, once m regulators gave the same parameters."""

    def carry_out() -> None:
        values = msgspec.structs.asdict(arguments)
        records.oversight.save(context.journal, records.SINGLE, records.Oversight(**values))
        context.emit("oversight.set", by=context.sender, **values)

    return governed(context, "REGULATION_SET_OVERSIGHT", arguments, carry_out)
