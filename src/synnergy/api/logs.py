"""The node's log on standard error: one line per event, in JSON or for people (API-13).

Modules log with the standard library and name their fields in `extra`; this is where those
records, and the server library's own, become lines. SYNNERGY_LOG is LEVEL or LEVEL,FORMAT.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

import structlog
from structlog.typing import Processor

ENVIRONMENT_VARIABLE: Final = "SYNNERGY_LOG"
LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
FORMATS: Final = ("json", "console")
DEFAULT_LEVEL: Final = "warning"
#: Chatty at levels that say something about the node: theirs begin one level higher.
_LIBRARIES: Final = ("uvicorn", "asyncio", "httpx", "httpcore")


class BadLogSetting(ValueError):
    """SYNNERGY_LOG says something else than a level and a format; the message is a sentence."""


@contextmanager
def node_log(environment: Mapping[str, str] = os.environ) -> Generator[None]:
    """Write this process's log as SYNNERGY_LOG asks, until the context ends.

    Raises BadLogSetting.
    """
    level, shape = parse_setting(environment.get(ENVIRONMENT_VARIABLE, ""))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(shape))
    root = logging.getLogger()
    before = root.level, {name: logging.getLogger(name).level for name in _LIBRARIES}
    root.addHandler(handler)
    root.setLevel(level)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before[0])
        for name, known in before[1].items():
            logging.getLogger(name).setLevel(known)


def parse_setting(setting: str) -> tuple[int, str]:
    """The level and the format that LEVEL or LEVEL,FORMAT names; warnings in JSON by default."""
    level, _, shape = setting.lower().partition(",")
    level, shape = level.strip() or DEFAULT_LEVEL, shape.strip() or FORMATS[0]
    if level not in LEVELS or shape not in FORMATS:
        raise BadLogSetting(
            f"{ENVIRONMENT_VARIABLE}={setting!r} is not a level ({', '.join(LEVELS)}), or a level"
            f" and a format ({', '.join(FORMATS)}) as in info,console"
        )
    return LEVELS[level], shape


def _formatter(shape: str) -> logging.Formatter:
    gather: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    finish: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if shape == "json":
        finish += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        finish.append(structlog.dev.ConsoleRenderer(colors=False))
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=gather, processors=finish)
