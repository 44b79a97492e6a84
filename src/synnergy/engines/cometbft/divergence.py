"""Where this node and the validators part ways (NET-41).

CometBFT says that two hashes differ. By which transaction, the other members help to tell: they
serve the block as they executed it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from synnergy.chain.application import Application
from synnergy.chain.archive import entry_key, load_block
from synnergy.engines.cometbft.members import endpoints, read_member
from synnergy.engines.cometbft.process import LogLine
from synnergy.pipeline import TransactionResult
from synnergy.state.store import View
from synnergy.wire.codec import decode_trusted, read_json

#: Of one answer of another member.
MAX_REPLY_BYTES: Final = 16 * 1024 * 1024
#: How long members may be asked for, in seconds, and about how many transactions of the block.
COMPARE_SECONDS: Final = 20.0
MAX_COMPARED: Final = 500
#: What is quoted of a value or of a member's words.
_QUOTED: Final = 100

_FAILURE = "CONSENSUS FAILURE"
#: So says a node that catches up of a block that more than two thirds signed.
_CATCHING_UP = "Error in validation"
_FULL = "no space left on device"
_WRONG = re.compile(
    r"wrong Block\.Header\.(AppHash|LastResultsHash)\.\s+Expected ([0-9A-F]*), got ([0-9A-F]*)"
)
_WHAT = {"AppHash": "state", "LastResultsHash": "results"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Divergence:
    """The state or the results after a block, as they are here and as the validators agreed."""

    what: str
    height: int
    own: str
    agreed: str

    def __str__(self) -> str:
        return (
            f"the {self.what} after block {self.height} differ here from what the validators"
            f" agreed on: {self.own} here, {self.agreed} there. Keep this home for whoever looks"
            " into it; a fresh one catches up from the others"
        )


def is_failure(line: LogLine) -> bool:
    """Whether CometBFT says that this node cannot go on with the others."""
    if _FAILURE in line.message or (not line.level and _FAILURE in line.text):
        return True
    return line.message == _CATCHING_UP and _WRONG.search(_said(line)) is not None


def read_failure(application: Application, line: LogLine) -> Divergence | str:
    """What differs, or where that is nothing of ours CometBFT's own words."""
    wrong = _WRONG.search(_said(line))
    if wrong is None and _FULL in _said(line):
        return (
            f"CometBFT could not write after block {application.height}: the disk is full; make"
            f" room, and start the node again ({_said(line)[:1_000]})"
        )
    if wrong is None:
        return f"CometBFT left consensus after block {application.height}: {_said(line)[:1_000]}"
    what, own, agreed = wrong.groups()
    return Divergence(_WHAT[what], application.height, own.lower(), agreed.lower())


def _said(line: LogLine) -> str:
    return str(line.fields.get("err", "")) or line.text


# ---- what the other members have ------------------------------------------------------------


class _Outcome(msgspec.Struct, frozen=True):
    transaction: str
    status: str
    code: str


class _Block(msgspec.Struct, frozen=True):
    app_hash: str
    transactions_root: str
    results_root: str
    results: tuple[_Outcome, ...]


class _Result(msgspec.Struct, frozen=True):
    gas_used: int
    fee: int
    output: str
    where: str = ""


class _Transaction(msgspec.Struct, frozen=True):
    result: _Result | None = None


def compare(application: Application, divergence: Divergence) -> str:
    """What the first other member that has the agreed block tells of it, "" where none does.

    Members may lie: this is for people to look into, and decides nothing.
    """
    deadline = time.monotonic() + COMPARE_SECONDS
    with application.store.snapshot() as view:
        for endpoint in endpoints(application):
            member = _Member(endpoint, deadline)
            theirs = member.get(f"/v1/blocks/{divergence.height}", _Block)
            told = theirs and _tell(view, divergence, member, theirs)
            if told:
                return f"{endpoint} has that block as agreed: {told}"
    return ""


@dataclass(frozen=True, slots=True)
class _Member:
    """Another member's API, or this node's own, whose block differs in nothing."""

    endpoint: str
    deadline: float

    def get(self, path: str, kind: type[T]) -> T | None:
        """Its answer, None where there is none that can be used."""
        if time.monotonic() > self.deadline:
            return None
        content = read_member(self.endpoint, path, MAX_REPLY_BYTES)
        try:
            return None if content is None else read_json(content, kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


def _tell(view: View, divergence: Divergence, member: _Member, theirs: _Block) -> str:
    """In what a member's block differs from ours, "" where it does not."""
    block = load_block(view.get, divergence.height)
    if block is None:
        return ""
    own = block.header
    if divergence.what == "state" and theirs.app_hash != divergence.agreed:
        return ""
    same_results = theirs.results_root == own.results.hex()
    if same_results and theirs.app_hash == own.app_hash.hex():
        return ""
    if theirs.transactions_root != own.transactions.hex():
        return "it holds other transactions there"
    if same_results:
        count = len(theirs.results)
        return (
            f"its {count} transactions have the same results there, so that the state was"
            " written otherwise here"
        )
    return f"the results differ, {_first_difference(view, divergence.height, member, theirs)}"


def _first_difference(view: View, height: int, member: _Member, theirs: _Block) -> str:
    for index, outcome in enumerate(theirs.results[:MAX_COMPARED]):
        stored = view.get("results", entry_key(height, index))
        if stored is None:
            return f"and there are only {index} here"
        own = decode_trusted(stored, TransactionResult)
        where = f"first of transaction {index} ({own.transaction.hex()})"
        for name, here, there in (
            ("id", own.transaction.hex(), outcome.transaction),
            ("status", own.status, outcome.status),
            ("code", own.code, outcome.code),
        ):
            if here != there:
                return f"{where}: {name} {here[:_QUOTED]!r} here, {there[:_QUOTED]!r} there"
        if own.status == "inadmissible":
            continue
        found = member.get(f"/v1/transactions/{outcome.transaction[:64]}", _Transaction)
        if found is None or found.result is None:
            return "of which it tells no more"
        there_is = found.result
        for name, here, there in (
            ("gas used", str(own.gas_used), str(there_is.gas_used)),
            ("fee", str(own.fee), str(there_is.fee)),
            ("output", own.output.hex(), there_is.output),
            ("place", own.where, there_is.where),
        ):
            if here != there:
                return f"{where}: {name} {here[:_QUOTED]!r} here, {there[:_QUOTED]!r} there"
    return "in events or receipts"
