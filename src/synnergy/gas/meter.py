"""The gas meter of one frame: charged before the work, never overdrawn."""

from __future__ import annotations

from dataclasses import dataclass

from synnergy.wire.types import MAX_INTEGER


@dataclass(frozen=True, slots=True)
class OutOfGas:
    """A charge that the meter couldn't cover: what was `needed`, in units of gas."""

    needed: int


class Meter:
    """Gas of one frame. Charging what isn't there changes nothing and says so."""

    __slots__ = ("limit", "remaining")

    def __init__(self, limit: int) -> None:
        """`limit` in units of gas, 0 … 2^53 − 1; anything else is a bug and raises ValueError."""
        if not 0 <= limit <= MAX_INTEGER:
            raise ValueError(f"a gas limit of {limit} is out of range")
        self.limit = limit
        self.remaining = limit

    @property
    def used(self) -> int:
        return self.limit - self.remaining

    def charge(self, amount: int) -> bool:
        """Take `amount`; False (and nothing taken) where less remains."""
        if amount < 0:
            raise ValueError(f"a charge of {amount} gas is negative")
        left = self.remaining - amount
        if left < 0:
            return False
        self.remaining = left
        return True

    def burn_all(self) -> None:
        """Use up what remains: the price of a trap (VM-19)."""
        self.remaining = 0

    def child(self) -> Meter:
        """The meter of a called frame: at most 63/64 of what remains here (VM-20).

        The caller keeps the rest to handle the callee's failure, and pays afterwards by `absorb`.
        """
        return Meter(self.remaining * 63 // 64)

    def absorb(self, child: Meter) -> None:
        """Pay for a called frame. The child came from `child`, so its use always fits."""
        if not self.charge(child.used):
            raise ValueError(f"a called frame used {child.used} of {self.remaining} gas")
