"""Request logs as JSON lines on standard error, where SYNNERGY_LOG asks for them."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, Final

import structlog

ENVIRONMENT_VARIABLE: Final = "SYNNERGY_LOG"
LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO}


def request_logger() -> Any | None:
    """A logger of its own, leaving global configuration alone; None to keep quiet.

    `info` logs refused requests and failures, `debug` every request.
    """
    level = LEVELS.get(os.environ.get(ENVIRONMENT_VARIABLE, "").lower())
    if level is None:
        return None
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        cache_logger_on_first_use=True,
    )
