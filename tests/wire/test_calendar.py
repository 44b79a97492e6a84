"""Block time as text equals what the standard library makes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from synnergy.wire.calendar import rfc3339, utc_text

LAST = 32_503_680_000_000


@given(st.integers(0, LAST))
@example(0)
@example(951_782_400_000)  # 29 February 2000
@example(4_107_542_399_999)  # the last millisecond of February 2100, which has no 29th
@example(LAST)
def test_it_is_utc_with_milliseconds(time: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)
    assert rfc3339(time) == moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time % 1000:03}Z"
    assert utc_text(time) == moment.strftime("%Y-%m-%d %H:%M:%S UTC")
