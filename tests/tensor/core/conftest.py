from __future__ import annotations

import collections

import pytest

SUITE_COUNTS: collections.Counter[str] = collections.Counter()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many of ONNX's own node tests were computed, and how many were refused."""
    if SUITE_COUNTS:
        counts = ", ".join(f"{count} {word}" for word, count in sorted(SUITE_COUNTS.items()))
        terminalreporter.write_line(f"ONNX node tests: {counts}")
