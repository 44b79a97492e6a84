"""What a node believes before it takes a snapshot: a header proved by the genesis (NET-33).

CometBFT's state sync trusts a height and a hash that it is given, and goes on from there with its
light client. Both are found here, from the genesis and the other members' APIs alone: nothing
that a member says is believed without the validators' commits.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from synnergy.chain.application import Application
from synnergy.chain.genesis import Genesis, chain_id_of, first_validators
from synnergy.chain.snapshot import has_blocks
from synnergy.engines.cometbft.files import URL, NodeSettings, StateSync
from synnergy.engines.cometbft.members import read_member
from synnergy.engines.cometbft.relay import LightView
from synnergy.engines.cometbft.snapshots import KEPT
from synnergy.receipts.comet import LightHeader, header_hash
from synnergy.receipts.file import MAX_FILE_BYTES
from synnergy.receipts.light import LightProof, check_light
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.wire.codec import decode, read_json

#: Where a member's API serves CometBFT's light client.
LIGHT: Final = "/v1/light"
MAX_VIEW_BYTES: Final = 64 * 1024
#: Seconds without a block, while catching up, after which a node asks whether there is a way; and
#: until it asks again.
STILL_SECONDS: Final = 30.0
AGAIN_SECONDS: Final = 60.0
#: Members that CometBFT's light client compares with each other.
MOST_SERVERS: Final = 4

_log = logging.getLogger(__name__)


class CannotJoin(Exception):
    """No snapshot can be taken from anybody; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Member:
    address: str
    view: LightView


def begin_with(application: Application, settings: NodeSettings) -> StateSync | None:
    """Where this node takes a snapshot from, None where it needs none any more (NET-32).

    One that was ended between taking it over and CometBFT's noting it takes one again.
    Raises CannotJoin.
    """
    if has_blocks(application.store):
        return None
    known = [validator.endpoint for validator in application.genesis.validators]
    try:
        return find_trust(application.genesis, settings.members or known)
    except CannotJoin:
        if application.height:
            return None
        raise


def find_trust(genesis: Genesis, addresses: Sequence[str]) -> StateSync:
    """The members that have the newest snapshot's blocks, and a header to believe them from.

    `addresses` are those of their APIs. Raises CannotJoin.
    """
    usable = [one.rstrip("/") for one in dict.fromkeys(addresses) if re.match(URL, one)]
    if not usable:
        raise CannotJoin(
            "no member's API is known to take a snapshot from: the genesis names none, so list"
            ' them in validator.json, as in "members": ["http://HOST:PORT"]'
        )
    members = [member for one in usable if (member := _ask(one)) is not None]
    if not members:
        raise CannotJoin(
            f"none of the members answers for CometBFT's light client: {', '.join(usable)}"
        )
    # Of each member those that it can have at all: one that lies keeps nobody busy.
    claimed = {height for one in members for height in one.view.snapshots[:KEPT]}
    heights = sorted(claimed, reverse=True)
    refused = ""
    for height in heights:
        # The light client asks for the two headers after a snapshot as well.
        able = [
            one for one in members if one.view.earliest <= height and one.view.latest >= height + 2
        ]
        for member in able:
            header = _prove(member.address, genesis, height)
            if isinstance(header, LightHeader):
                named = [member, *(one for one in able if one is not member)][:MOST_SERVERS]
                if len(named) == 1:  # CometBFT wants two, and compares that one with itself
                    named *= 2
                servers = tuple(one.address + LIGHT for one in named)
                _log.info("state sync", extra={"trusted": height, "servers": servers})
                return StateSync(servers, height, header_hash(header).hex())
            refused = f"; {member.address} proves no header {height}: {header.message}"
    if not heights:
        raise CannotJoin(
            "no member has a snapshot yet: they take one every so many blocks"
            " (snapshot_interval of their validator.json). Wait for it, or start without state"
            " sync to replay all blocks"
        )
    raise CannotJoin(
        f"no snapshot of the members is followed by blocks that prove it{refused}; try again"
    )


class Stranded:
    """Whether a node that catches up waits for blocks that nobody keeps any more (NET-34).

    CometBFT would wait for them for ever, and say nothing.
    """

    def __init__(self, application: Application, members: Sequence[str], node_id: str) -> None:
        """`members` are addresses beside those that state knows."""
        self._application = application
        self._members = members
        self._node_id = node_id
        self._height: int = -1
        self._due = 0.0
        #: What to do about it, "" where nothing is known to be wrong.
        self.reason = ""

    def look(self) -> None:
        """Called often, by one thread; asks the members where nothing moved for a while."""
        height, now = self._application.height, time.monotonic()
        if height != self._height:
            self._height, self._due, self.reason = height, now + STILL_SECONDS, ""
        elif now >= self._due:
            told, self.reason = self.reason, self._ask_members(height)
            self._due = time.monotonic() + AGAIN_SECONDS
            if self.reason and self.reason != told:
                _log.error("left behind", extra={"height": height, "reason": self.reason})

    def _ask_members(self, height: int) -> str:
        nodes = records.validators.scan(self._application.journal())
        known = [one.endpoint for _, one in nodes if one.node_id.hex() != self._node_id]
        addresses = [one.rstrip("/") for one in (*self._members, *known) if re.match(URL, one)]
        members = [one for address in dict.fromkeys(addresses) if (one := _ask(address))]
        if not members or any(one.view.earliest <= height + 1 for one in members):
            return ""
        first = min(one.view.earliest for one in members)
        lacks = f"the members keep blocks from {first} on, and this node needs block {height + 1}"
        if height:
            return (
                f"{lacks}: move data, cometbft/data (but its priv_validator_state.json) and"
                " snapshots out of its home, and start it with --state-sync"
            )
        return f"{lacks}: start it with --state-sync"


def _ask(address: str) -> _Member | None:
    content = read_member(address, LIGHT, MAX_VIEW_BYTES)
    try:
        view = None if content is None else read_json(content, LightView)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if view is None else _Member(address, view)


def _prove(address: str, genesis: Genesis, height: int) -> LightHeader | Rejected:
    """The header of a height, believed for the genesis alone."""
    trusted = first_validators(genesis)
    content = read_member(address, f"/v1/commits/{height}", MAX_FILE_BYTES)
    if trusted is None or content is None:
        return Rejected("NET-33", "no_proof", "it gives no proof")
    proof = decode(content, LightProof, MAX_FILE_BYTES)
    if isinstance(proof, Rejected):
        return proof
    header = check_light(proof, chain_id_of(genesis), trusted)
    if isinstance(header, LightHeader) and header.height != height:
        return Rejected("NET-33", "no_proof", f"it proves header {header.height} instead")
    return header
