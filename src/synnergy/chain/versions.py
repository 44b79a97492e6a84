"""Protocol versions: what each of them fixes, and which one a block is under (CHAIN-7, CHAIN-15).

A node that lacks the version of the next block stops before it makes that block, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from synnergy.gas.schedule import BrokenSchedule, Schedule, ensure_gas_costs, load_schedule
from synnergy.opcodes.context import Event
from synnergy.state import records
from synnergy.state.journal import Journal, Reader
from synnergy.vm import catalogue
from synnergy.vm.domain import DomainOpcode

#: The event of a verb that agreed on an upgrade.
UPGRADE_AGREED = "regulation.protocol_set"


class BadNode(Exception):
    """This node cannot serve this chain; the message names every reason."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a protocol version fixes beside what all of them share: its gas table."""

    number: int
    gas: int


#: Every version that this release can execute. None of them is ever taken out: licences pin their
#: gas tables, and a replay crosses all of them.
VERSIONS: dict[int, Version] = {1: Version(1, gas=1)}


def version_at(state: Reader, height: int) -> int:
    """The number of the version that block `height` is under, as the state before it says."""
    upgrade = records.upgrade.load(state, records.SINGLE)
    if upgrade is not None and upgrade.height <= height:
        return upgrade.version
    return _governance(state).protocol_version


def schedule_at(state: Reader, height: int) -> Schedule:
    """The gas table of block `height`. Raises BadNode where this node lacks its version."""
    number = version_at(state, height)
    version = VERSIONS.get(number)
    if version is None:
        raise BadNode(
            f"block {height} is under protocol version {number}, and this release knows"
            f" {', '.join(map(str, sorted(VERSIONS)))}; install a release that knows it and start"
            " again: nothing is lost"
        )
    return load_schedule(version.gas)


def activate(journal: Journal, height: int) -> list[Event]:
    """Put an upgrade in force at the start of its block (CHAIN-15); a node that lacks it stops."""
    upgrade = records.upgrade.load(journal, records.SINGLE)
    if upgrade is None or upgrade.height > height:
        return []
    gas = schedule_at(journal, height).version
    governance = msgspec.structs.replace(
        _governance(journal), protocol_version=upgrade.version, gas_version=gas
    )
    records.governance.save(journal, records.SINGLE, governance)
    records.upgrade.remove(journal, records.SINGLE)
    return [
        Event("protocol.activated", {"version": str(upgrade.version), "gas_version": str(gas)})
    ]


def upgrade_warning(state: Reader) -> str:
    """What whoever runs this node must do before an upgrade that it cannot execute; else ""."""
    upgrade = records.upgrade.load(state, records.SINGLE)
    if upgrade is None or upgrade.version in VERSIONS:
        return ""
    return (
        f"from block {upgrade.height} on this chain is under protocol version {upgrade.version},"
        " which this release does not know; install one that does before then, or the node stops"
    )


def check_version(number: int, gas: int) -> None:
    """EnsureGasCosts of a version in force. Raises BadNode where the node lacks it (GAS-2)."""
    version = VERSIONS.get(number)
    if version is None:
        raise BadNode(f"this node does not know protocol version {number}; upgrade it")
    if version.gas != gas:
        raise BadNode(
            f"protocol version {number} goes with gas table {version.gas}, not version {gas}"
        )
    names = [
        opcode.name
        for opcode in (*catalogue.core(), *catalogue.domain())
        if not isinstance(opcode, DomainOpcode) or opcode.since <= number
    ]
    try:
        schedule = load_schedule(gas)
    except BrokenSchedule as broken:
        raise BadNode(str(broken)) from broken
    problems = ensure_gas_costs(schedule, names)
    if problems:
        raise BadNode("the gas table does not fit: " + "; ".join(problems))


def _governance(state: Reader) -> records.Governance:
    governance = records.governance.load(state, records.SINGLE)
    if governance is None:
        raise LookupError("state has no governance record")
    return governance
