"""How soon a fresh fifth node has what four made: by executing their blocks, by a snapshot."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

import httpx

from bench.network.rising import Address
from bench.network.validators import Member, Validators, configure, started

#: Seconds that a node may take to join: by executing all blocks, and by a snapshot.
PATIENCE = 120
SYNC_PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Joined:
    """`seconds` from the node's start until it had block `height`; `executing` of them from when
    its first block was seen.
    """

    height: int
    seconds: float
    executing: float


def by_blocks(ours: Validators, newcomer: Member) -> Joined:
    """Execute every block since genesis."""
    configure(newcomer, ours.members)
    return _join(newcomer, height_of(ours.members[0].rpc), PATIENCE)


def by_state_sync(ours: Validators, newcomer: Member) -> Joined:
    """Take a snapshot of the state, and execute the blocks since."""
    configure(newcomer, ours.members, state_sync=True)
    return _join(newcomer, height_of(ours.members[0].rpc), SYNC_PATIENCE)


def _join(newcomer: Member, height: int, patience: float) -> Joined:
    begun = time.monotonic()
    first = 0.0
    with started(newcomer):
        while True:
            try:
                reached = height_of(newcomer.rpc, application=True)
            except (httpx.HTTPError, ValueError, KeyError):
                reached = 0
            now = time.monotonic()
            if reached and not first:
                first = now
            if reached >= height:
                return Joined(height, now - begun, now - first)
            if now - begun > patience:
                log = (newcomer.home / "log").read_text(errors="replace")[-2_000:]
                raise TimeoutError(f"block {reached} of {height} after {patience:g} s: {log}")
            time.sleep(0.05)


def height_of(rpc: Address, application: bool = False) -> int:
    """The last block of a node; or the one that its application has committed."""
    method = "abci_info" if application else "status"
    answer = httpx.get(f"http://{rpc[0]}:{rpc[1]}/{method}", timeout=5, trust_env=False).json()
    if application:
        return int(answer["result"]["response"].get("last_block_height", 0))
    return int(answer["result"]["sync_info"]["latest_block_height"])


def pace(member: Member, height: int) -> float:
    """Blocks/s that the network made from block 1 to `height`, by their own times."""
    begun, ended = (_time(member.rpc, at) for at in (1, height))
    return (height - 1) / (ended - begun).total_seconds()


def _time(rpc: Address, height: int) -> datetime:
    url = f"http://{rpc[0]}:{rpc[1]}/commit"
    answer = httpx.get(url, params={"height": height}, timeout=5, trust_env=False).json()
    # Nanoseconds, of which Python reads none beyond microseconds.
    text = str(answer["result"]["signed_header"]["header"]["time"]).removesuffix("Z")
    return datetime.fromisoformat(text[:26])
