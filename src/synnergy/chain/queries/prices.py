"""The gas table in force and the opcodes there are."""

from __future__ import annotations

from synnergy.chain.queries.moment import Moment
from synnergy.gas.schedule import load_schedule
from synnergy.vm import catalogue
from synnergy.vm.domain import DomainOpcode
from synnergy.wire.codec import Struct
from synnergy.wire.types import Count, Gas, ShortText

#: Stands where another opcode names its Cedar action: m of the n regulators decide, not Cedar.
M_OF_N = "m-of-n"


class PriceView(Struct, frozen=True):
    """A row of the table; rows that price no opcode are called section.name."""

    name: ShortText
    gas: Gas
    description: ShortText


class GasView(Struct, frozen=True):
    """The table of the version in force, as `src/synnergy/gas/` has it."""

    version: Count
    prices: tuple[PriceView, ...]


class OpcodeView(Struct, frozen=True):
    """An opcode: 24-bit code in hex, name, price, and its Cedar action (null for core ones)."""

    code: ShortText
    name: ShortText
    gas: Gas
    policy: ShortText | None


class OpcodesView(Struct, frozen=True):
    opcodes: tuple[OpcodeView, ...]


def gas_view(moment: Moment) -> GasView:
    schedule = load_schedule(moment.governance.gas_version)
    return GasView(
        schedule.version,
        tuple(PriceView(name, price.gas, price.description) for name, price in schedule.rows()),
    )


def opcodes_view(moment: Moment) -> OpcodesView:
    schedule = load_schedule(moment.governance.gas_version)
    return OpcodesView(
        tuple(
            OpcodeView(
                f"0x{opcode.code:06x}",
                opcode.name,
                schedule.opcode_gas(opcode.name),
                _policy(opcode),
            )
            for opcode in (*catalogue.core(), *catalogue.domain())
            if opcode.name in schedule.opcodes
        )
    )


def _policy(opcode: catalogue.Opcode) -> str | None:
    if not isinstance(opcode, DomainOpcode):
        return None
    return M_OF_N if opcode.governance else opcode.action
