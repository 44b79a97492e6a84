"""What holds for every test: time decides nothing, here as on the ledger."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("synnergy", deadline=None)
settings.load_profile("synnergy")

#: How the reason begins for which tests of real networks are skipped.
NOT_TESTED = "NOT TESTED on a network of validators"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One loud line where they were."""
    reasons = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    unmet = [reason for reason in reasons if NOT_TESTED in reason]
    if unmet:
        why = unmet[0][unmet[0].index(NOT_TESTED) :].rstrip("')")
        terminalreporter.write_line(f"{len(unmet)} tests {why}", red=True, bold=True)
