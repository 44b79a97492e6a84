"""The worst inputs known end as `docs/hostile-input.md` says; `fuzz.measure` times them."""

from __future__ import annotations

import re

import pytest

from fuzz.measure import PAGE
from fuzz.worst import CASES

#: Seconds and hundreds of MiB: measured, not tested.
HEAVY = {"empty_nodes", "burning", "many_wallets"}
ROW = re.compile(r"^\| (.+?) \| (.+?) \| ([\d,]+) \| (.+?) \| [\d.]+ \| [\d,]+ \| (.+?) \|$", re.M)


def test_the_page_has_every_case() -> None:
    rows = [(reader, what, bound) for reader, what, _, _, bound in ROW.findall(PAGE.read_text())]
    assert rows == [(case.reader, case.what, case.bound) for case in CASES.values()]


@pytest.mark.parametrize("name", sorted(CASES.keys() - HEAVY))
def test_the_worst_ends_as_the_page_says(name: str) -> None:
    told = {(reader, what): became for reader, what, _, became, _ in ROW.findall(PAGE.read_text())}
    work, size = CASES[name].prepare()
    assert size > 0
    assert work() == told[CASES[name].reader, CASES[name].what]
