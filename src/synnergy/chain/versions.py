"""Protocol versions: what each of them fixes, and whether this node can execute it (CHAIN-7)."""

from __future__ import annotations

from dataclasses import dataclass

from synnergy.gas.schedule import BrokenSchedule, Schedule, ensure_gas_costs, load_schedule
from synnergy.vm import catalogue


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


def check_version(number: int, gas: int) -> Schedule:
    """The gas table of a version in force. Raises BadNode where the node lacks either (GAS-2)."""
    version = VERSIONS.get(number)
    if version is None:
        raise BadNode(f"this node does not know protocol version {number}; upgrade it")
    names = [opcode.name for opcode in (*catalogue.core(), *catalogue.domain())]
    try:
        schedule = load_schedule(gas)
    except BrokenSchedule as broken:
        raise BadNode(str(broken)) from broken
    problems = ensure_gas_costs(schedule, names)
    if problems:
        raise BadNode("the gas table does not fit: " + "; ".join(problems))
    return schedule
