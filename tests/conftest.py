"""What holds for every test: time decides nothing, here as on the ledger."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import settings

settings.register_profile("synnergy", deadline=None)
settings.load_profile("synnergy")

#: How the reason begins for which tests of real networks are skipped.
NOT_TESTED = "NOT TESTED on a network of validators"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One loud line for each reason why some were."""
    reasons = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    unmet = [re.search(r"NOT (TESTED|COMPARED).*", reason) for reason in reasons]
    told = Counter(found[0].rstrip("')") for found in unmet if found)
    for why, count in told.items():
        terminalreporter.write_line(f"{count} tests {why}", red=True, bold=True)
