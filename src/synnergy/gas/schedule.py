"""The gas table: one complete, human-readable TOML file per version; no default price (GAS-1)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any, cast

#: Units of tensor work are priced per this many (GAS-7).
TENSOR_UNIT = 1_000

INTRINSIC = (
    "transaction",
    "byte",
    "signature",
    "attachment",
    "decision",
    "program_byte",
    "output_byte",
)
UNITS = (
    "copy_block",
    "hash_block",
    "memory_page",
    "storage_read_block",
    "storage_write_block",
    "event_block",
)
TENSOR = (
    "macs",
    "elements",
    "functions",
    "steps",
    "model_byte",
    "model_parsed_byte",
    "model_field",
)
LIMITS = ("transaction", "block", "memory_bytes", "model_bytes")

_SECTIONS: dict[str, tuple[str, ...]] = {
    "opcodes": (),
    "units": UNITS,
    "intrinsic": INTRINSIC,
    "tensor": TENSOR,
    "limits": LIMITS,
}


@dataclass(frozen=True, slots=True)
class Price:
    """Units of gas and one line that says what they pay for."""

    gas: int
    description: str


@dataclass(frozen=True)
class Schedule:
    """One version of the table. Every mapping is complete: a missing name is a start-up error."""

    version: int
    opcodes: Mapping[str, Price]
    units: Mapping[str, Price]
    intrinsic: Mapping[str, Price]
    tensor: Mapping[str, Price]
    limits: Mapping[str, Price]

    @cached_property
    def program_prices(self) -> Mapping[str, int]:
        """Gas by name of everything a program's verification looks up: opcodes and units."""
        prices = {name: price.gas for name, price in self.opcodes.items()}
        return prices | {f"units.{name}": price.gas for name, price in self.units.items()}

    def opcode_gas(self, name: str) -> int:
        return self.opcodes[name].gas

    def intrinsic_gas(
        self, data_bytes: int, program_bytes: int, attachments: Sequence[int]
    ) -> int:
        """Gas for carrying a transaction: fixed header, bytes, one signature, verification.

        Header integers count at fixed width (inside `transaction`), so a quote doesn't depend
        on nonce, limit or price (GAS-4).
        """
        fixed, byte, program_byte, attachment = self._intrinsic_prices
        gas = fixed + byte * (data_bytes + program_bytes) + program_byte * program_bytes
        if attachments:
            gas += byte * sum(attachments) + attachment * len(attachments)
        return gas

    @cached_property
    def _intrinsic_prices(self) -> tuple[int, int, int, int]:
        """Gas of any transaction, of a byte, of a byte of program, of an attachment."""
        gas = {name: price.gas for name, price in self.intrinsic.items()}
        fixed = gas["transaction"] + gas["signature"]
        return fixed, gas["byte"], gas["program_byte"], gas["attachment"]

    def tensor_gas(self, macs: int, elements: int, functions: int, steps: int) -> int:
        """Gas of tensor work, rounded up once for the whole (GAS-7)."""
        total = (
            macs * self.tensor["macs"].gas
            + elements * self.tensor["elements"].gas
            + functions * self.tensor["functions"].gas
            + steps * self.tensor["steps"].gas
        )
        return -(-total // TENSOR_UNIT)

    def model_check_gas(self, size: int) -> int:
        """Gas for reading a model's file of `size` bytes (GAS-8)."""
        return -(-size * self.tensor["model_byte"].gas // TENSOR_UNIT)

    def model_plan_gas(self, fields: int, parsed: int) -> int:
        """Gas for planning a file of so many fields, and bytes outside raw data (GAS-8)."""
        total = (
            fields * self.tensor["model_field"].gas + parsed * self.tensor["model_parsed_byte"].gas
        )
        return -(-total // TENSOR_UNIT)

    def affordable_fields(self, gas: int) -> int:
        """How many fields of a file can be planned for so much gas (GAS-8)."""
        return gas * TENSOR_UNIT // max(self.tensor["model_field"].gas, 1)

    def rows(self) -> list[tuple[str, Price]]:
        """Every row: opcodes by name, then `section.name` of the other sections."""
        rows = list(self.opcodes.items())
        for section in ("units", "intrinsic", "tensor", "limits"):
            rows += [(f"{section}.{key}", price) for key, price in getattr(self, section).items()]
        return rows


class BrokenSchedule(Exception):
    """The table of this version cannot be used; the message names every offending row."""


def parse_schedule(text: str) -> Schedule:
    """Parse a table. Raises BrokenSchedule naming each row that is missing, malformed or in vain.

    Which opcodes there are isn't known here; `ensure_gas_costs` compares them.
    """
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BrokenSchedule(f"the table is no TOML: {error}") from error
    problems = [
        f"{name}: there is no such section"
        for name in table
        if name not in _SECTIONS and name != "version"
    ]
    sections: dict[str, dict[str, Price]] = {}
    for section, required in _SECTIONS.items():
        rows: dict[str, Price] = {}
        given = table.get(section, {})
        if not isinstance(given, dict):
            problems.append(f"{section}: must be a section of rows")
            given = {}
        for name, row in cast("dict[str, Any]", given).items():
            price = _parse_price(row)
            if isinstance(price, str):
                problems.append(f"{section}.{name}: {price}")
            elif required and name not in required:
                problems.append(f"{section}.{name}: the row belongs to nothing")
            else:
                rows[name] = price
        problems += [
            f"{section}.{name}: the row is missing" for name in required if name not in given
        ]
        sections[section] = rows
    version = table.get("version")
    if type(version) is not int:
        problems.append("version: an integer is missing")
        version = 0
    if problems:
        raise BrokenSchedule("; ".join(problems))
    return Schedule(version, **sections)


def _parse_price(row: Any) -> Price | str:
    """The price that a row gives, or what is wrong with it."""
    if not isinstance(row, dict):
        return "must be a table of gas and description"
    fields = cast("dict[str, Any]", row)
    unknown = sorted(fields.keys() - {"gas", "description"})
    if unknown:
        return f"has {', '.join(unknown)} beside gas and description"
    gas, description = fields.get("gas"), fields.get("description")
    if type(gas) is not int or not 0 <= gas < 2**53:
        return "gas must be an integer of at least 0"
    if not isinstance(description, str) or not description.strip():
        return "a description is missing"
    return Price(gas, description)


@cache
def load_schedule(version: int) -> Schedule:
    """The table of a version. Raises BrokenSchedule where the node has none or it is broken."""
    file = resources.files("synnergy.gas").joinpath(f"v{version}.toml")
    if not file.is_file():
        raise BrokenSchedule(f"this node has no gas table of version {version}")
    schedule = parse_schedule(file.read_text("utf-8"))
    if schedule.version != version:
        raise BrokenSchedule(f"v{version}.toml says it is version {schedule.version}")
    return schedule


def ensure_gas_costs(schedule: Schedule, opcode_names: Iterable[str]) -> list[str]:
    """EnsureGasCosts (GAS-2): every opcode has a price and each price has an opcode.

    Returns one sentence for each offender; a node starts only where there are none.
    """
    names = set(opcode_names)
    unpriced = [f"opcode {name} has no price" for name in sorted(names - schedule.opcodes.keys())]
    orphans = [
        f"price {name} belongs to no opcode" for name in sorted(schedule.opcodes.keys() - names)
    ]
    return unpriced + orphans
