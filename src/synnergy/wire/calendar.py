"""Block time as text, without the machine's clock, locale or time zones."""

from __future__ import annotations

_DAY = 86_400_000
#: Days from 1 March of the year 0 to 1 January 1970; years begin in March here, so that a leap
#: day is a year's last.
_EPOCH = 719_468
_DAYS_IN_400_YEARS = 146_097


def rfc3339(time: int) -> str:
    """A time in ms since 1970 (not negative) as UTC with milliseconds, such as CometBFT reads."""
    days, rest = divmod(time, _DAY)
    year, month, day = _civil(days)
    seconds, milliseconds = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    clock = f"{hour:02}:{minute:02}:{second:02}.{milliseconds:03}"
    return f"{year:04}-{month:02}-{day:02}T{clock}Z"


def utc_text(time: int) -> str:
    """A time in ms since 1970 (not negative), to the second, for people."""
    return f"{rfc3339(time)[:-5].replace('T', ' ')} UTC"


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of a day since 1970 in the Gregorian calendar."""
    era, day_of_era = divmod(days + _EPOCH, _DAYS_IN_400_YEARS)
    # Every 4th year has a leap day, but not every 100th, yet every 400th.
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    # From March on the lengths of months repeat every 5 months, 153 days.
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    return era * 400 + year_of_era + (1 if month <= 2 else 0), month, day
