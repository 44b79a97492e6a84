"""Lengths of time as they are typed."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Literal

from synnergy.client.failures import WrongUse

#: In ms.
HOUR = 3_600_000
DAY = 24 * HOUR

_UNITS = {"hours": HOUR, "days": DAY}


def parse_duration(text: str, unit: Literal["hours", "days"]) -> int:
    """So many hours or days, decimals allowed, in ms rounded down. WrongUse for what is none."""
    try:
        count = Decimal(text)
    except InvalidOperation:
        raise WrongUse(f"bad_{unit}", f"{text!r} is not a number of {unit}") from None
    if not count.is_finite() or count <= 0 or count > 10**6:
        raise WrongUse(f"bad_{unit}", f"{text!r} is not a number of {unit} above 0")
    return int(count * _UNITS[unit])
