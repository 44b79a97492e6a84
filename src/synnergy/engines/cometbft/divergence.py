"""What CometBFT says where consensus and this node part ways, in our own words (NET-41)."""

from __future__ import annotations

import re

from synnergy.chain.application import Application
from synnergy.engines.cometbft.process import LogLine

_FAILURE = "CONSENSUS FAILURE"
_WRONG = re.compile(
    r"wrong Block\.Header\.(AppHash|LastResultsHash)\.\s+Expected ([0-9A-F]*), got ([0-9A-F]*)"
)
_WHAT = {"AppHash": "state", "LastResultsHash": "results"}


def is_failure(line: LogLine) -> bool:
    """Whether CometBFT says that it takes part in consensus no more."""
    return _FAILURE in line.message or (not line.level and _FAILURE in line.text)


def tell_failure(application: Application, line: LogLine) -> str:
    """A sentence on what differs, with both hashes where a hash does."""
    said = str(line.fields.get("err", "")) or line.text
    wrong = _WRONG.search(said)
    if wrong is None:
        return f"CometBFT left consensus after block {application.height}: {said[:1_000]}"
    what, own, agreed = wrong.groups()
    return (
        f"the {_WHAT[what]} after block {application.height} differ here from what the validators"
        f" agreed on: {own.lower()} here, {agreed.lower()} there. Keep this home for whoever looks"
        " into it; a fresh one catches up from the others"
    )
