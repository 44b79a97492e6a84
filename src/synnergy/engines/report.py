"""What both engines log of a block: figures and hashes, nothing of anyone's (API-13)."""

from __future__ import annotations

import logging

from synnergy.chain.application import Application, Finalised
from synnergy.chain.versions import UPGRADE_AGREED, upgrade_warning

_log = logging.getLogger(__name__)


def tell_block(application: Application, made: Finalised, waiting: int, seconds: float) -> None:
    """Log a committed block, and what whoever runs the node must do before an upgrade."""
    refused = sum(result.status != "ok" for result in made.results)
    fields = {
        "height": made.header.height,
        "time": made.header.time,
        "app_hash": made.header.app_hash.hex(),
        "transactions": len(made.results),
        "refused": refused,
        "gas_used": sum(result.gas_used for result in made.results),
        "waiting": waiting,
        "seconds": round(seconds, 6),
    }
    _log.info("block", extra=fields)
    told = [event.name for result in made.results for event in result.events]
    warning = upgrade_warning(application.journal()) if UPGRADE_AGREED in told else ""
    if warning:
        _log.warning("upgrade", extra={"reason": warning})
