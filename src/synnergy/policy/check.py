"""What a policy set must pass before it can replace the one in force (POL-14)."""

from __future__ import annotations

from collections.abc import Sequence

from synnergy.policy.engine import CompiledSet, Request, compile_set, decide
from synnergy.policy.entities import LedgerEntity, WalletEntity
from synnergy.rejected import Rejected

SET_POLICY = "set_policy"


def check_new_set(
    text: str | bytes,
    regulators: Sequence[WalletEntity],
    threshold: int,
    *,
    height: int = 0,
    time: int = 0,
) -> CompiledSet | Rejected:
    """Compile a set, and refuse one under which fewer than `threshold` regulators could change it.

    `height` and `time` (milliseconds) are those of the block that would put it in force.
    """
    compiled = compile_set(text)
    if isinstance(compiled, Rejected):
        return compiled
    return check_still_changes(compiled, regulators, threshold, height=height, time=time) or (
        compiled
    )


def check_still_changes(
    compiled: CompiledSet,
    regulators: Sequence[WalletEntity],
    threshold: int,
    *,
    height: int = 0,
    time: int = 0,
) -> Rejected | None:
    """Refuse a set and regulators that do not go together: too few of them could change it."""
    context = {"height": height, "time": time, "regulators": len(regulators)}
    verdicts = [
        decide(compiled, Request(regulator, SET_POLICY, LedgerEntity(), context))
        for regulator in regulators
    ]
    able = sum(verdict.allowed for verdict in verdicts)
    if able >= threshold:
        return None
    refusals = sorted({verdict.message for verdict in verdicts if not verdict.allowed})
    return Rejected(
        "POL-14",
        "policy_locks_out",
        f"under this set {able} of {len(regulators)} regulators could change it again, and "
        f"{threshold} are needed; {SET_POLICY} was {'; '.join(refusals) or 'asked of nobody'}",
    )
