"""Flags: what was noticed about a wallet, raised here and nowhere else (OVR-9)."""

from __future__ import annotations

import msgspec

from synnergy.opcodes.context import Context
from synnergy.state import records
from synnergy.state.journal import Reader

#: What a ledger begins with; m of n regulators change it.
DEFAULT_OVERSIGHT = records.Oversight(
    window=3_600_000,
    amount_sample=5,
    amount_factor=10,
    velocity_windows=3,
    velocity_payments=10,
    velocity_factor=10,
    ceiling=10**12,
    denials=5,
    ramp_rises=3,
    ramp_factor=4,
    ring_wallets=3,
    cohort_blocks=20,
)


def load_oversight(state: Reader) -> records.Oversight:
    """The parameters in force; every chain has them from genesis on (OVR-1)."""
    oversight = records.oversight.load(state, records.SINGLE)
    if oversight is None:
        raise LookupError("state has no oversight parameters")
    return oversight


def window_of(oversight: records.Oversight, time: int) -> int:
    """The beginning of the window that holds `time`: windows tile block time from 1970 on."""
    return time - time % oversight.window


def raise_flag(
    context: Context, wallet: str, kind: records.FlagKind, figures: dict[str, int | str]
) -> None:
    """Flag a wallet, unless a flag of this kind is open: the first figures stay until cleared."""
    journal = context.journal
    known = records.wallets.load(journal, wallet)
    if known is None or kind in known.flags:
        return
    flag = records.Flag(kind, context.block.height, context.block.time, figures)
    opened = records.flags.load(journal, wallet) or records.Flags(())
    every = sorted((*opened.flags, flag), key=lambda one: one.kind)
    save_flags(context, wallet, known, tuple(every))
    context.emit("oversight.flagged", wallet=wallet, kind=kind, **figures)


def save_flags(
    context: Context, address: str, wallet: records.Wallet, flags: tuple[records.Flag, ...]
) -> None:
    """Keep the figures, and the kinds where policies and verbs find them without a second look."""
    kinds = tuple(flag.kind for flag in flags)
    records.wallets.save(context.journal, address, msgspec.structs.replace(wallet, flags=kinds))
    if flags:
        records.flags.save(context.journal, address, records.Flags(flags))
    else:
        records.flags.remove(context.journal, address)


def count_denial(context: Context, wallet: str, rule: str) -> None:
    """Count a refused action, after the rollback of what was refused (REG-8, OVR-6)."""
    oversight = load_oversight(context.journal)
    window = window_of(oversight, context.block.time)
    known = records.denials.load(context.journal, wallet)
    recent = 1 + (known.recent if known is not None and known.window == window else 0)
    flagged = recent >= oversight.denials
    records.denials.save(
        context.journal,
        wallet,
        records.Denials(
            (known.count if known else 0) + 1,
            rule,
            context.block.height,
            window,
            0 if flagged else recent,
        ),
    )
    if flagged:
        figures = {"denials": recent, "window": oversight.window, "last_rule": rule}
        raise_flag(context, wallet, "denials", figures)
