"""Reference pages made from the declarations: the catalogue and the gas table, as Markdown."""

from __future__ import annotations

from typing import Any

import msgspec

from synnergy.gas.schedule import Schedule
from synnergy.tensor.operators.registry import OPERATORS
from synnergy.tensor.rates import rate_of
from synnergy.vm import catalogue
from synnergy.vm.domain import DomainOpcode

_MADE = "<!-- made by `make gen`; change the declarations instead -->"


def pages(schedule: Schedule) -> dict[str, str]:
    """File name under `docs/reference/` → its contents."""
    return {
        "gas.md": gas_page(schedule),
        "opcodes.md": opcode_page(schedule),
        "tensor-work.md": work_page(),
    }


def work_page() -> str:
    """What each tensor operator counts, and its rates."""
    lines = [
        "# Tensor work",
        "",
        _MADE,
        "",
        "What each operator counts, from its shapes and attributes; one step is added for each"
        " node, an element for each element of a graph's inputs and outputs. Rates are percent of"
        " the units that the [gas table](gas.md) prices: multiply-adds, elements, functions"
        " (WORK-1 to WORK-4).",
        "",
        "| operator | what it counts | rates |",
        "|---|---|---|",
    ]
    for (domain, name), operator in sorted(OPERATORS.items()):
        formula = " ".join((operator.work.__doc__ or "").split())
        rate = rate_of(domain, name)
        rates = ", ".join(
            f"{kind} {percent}"
            for kind, percent in (
                *(("multiply-adds", rate.macs), ("elements", rate.elements)),
                ("functions", rate.functions),
            )
            if percent != 100
        )
        lines.append(f"| `{f'{domain}::' if domain else ''}{name}` | {formula} | {rates} |")
    return "\n".join(lines) + "\n"


def gas_page(schedule: Schedule) -> str:
    """Every row of the table, by section."""
    lines = [
        f"# Gas table {schedule.version}",
        "",
        _MADE,
        "",
        "One unit stands for about 100 ns of the slowest path that a validator may run: the"
        " reference interpreter, and for tensor work kernels in WASM without a fused multiply-add;"
        " the fastest kernels take about 1 ns for it. What a transaction pays is gas used × its"
        " gas price. A licence keeps the table under which it was bought.",
    ]
    sections = (
        ("Opcodes", schedule.opcodes),
        ("Work known only at run time", schedule.units),
        ("Carrying a transaction", schedule.intrinsic),
        ("Tensor work, per 1,000 units", schedule.tensor),
        ("Limits", schedule.limits),
    )
    for title, rows in sections:
        lines += ["", f"## {title}", "", "| name | gas | what for |", "|---|---:|---|"]
        lines += [f"| `{name}` | {row.gas:,} | {row.description} |" for name, row in rows.items()]
    return "\n".join(lines) + "\n"


def opcode_page(schedule: Schedule) -> str:
    """The core instructions in a table, and each verb with its argument and result blocks."""
    lines = [
        "# Opcodes",
        "",
        _MADE,
        "",
        "## Core",
        "",
        "| code | name | pops → pushes | gas | what it does |",
        "|---|---|---|---:|---|",
    ]
    for opcode in catalogue.core():
        gas = _gas(schedule, opcode.name)
        stack = f"{opcode.pops} → {opcode.pushes}"
        lines.append(
            f"| `{opcode.code:06x}` | `{opcode.name}` | {stack} | {gas} | {opcode.description} |"
        )
    lines += [
        "",
        "## Verbs",
        "",
        "A verb takes its argument block, canonical msgpack at (offset, length) in linear memory,"
        " and writes its result block the same way.",
    ]
    for opcode in catalogue.domain():
        lines += ["", *_verb(opcode, schedule)]
    return "\n".join(lines) + "\n"


def _gas(schedule: Schedule, name: str) -> str:
    """An opcode's price; a page of a table that lacks it says so."""
    price = schedule.opcodes.get(name)
    return f"{price.gas:,}" if price else "no price"


def _verb(opcode: DomainOpcode, schedule: Schedule) -> list[str]:
    policy = f"Cedar action `{opcode.action}`" if opcode.action else "m of n regulators"
    price = _gas(schedule, opcode.name) + (" and its work" if opcode.price else "")
    only = "; as template only" if opcode.template_only else ""
    return [
        f"### `{opcode.name}` `{opcode.code:06x}`",
        "",
        opcode.description,
        "",
        f"Policy: {policy}{only}. Gas: {price}.",
        "",
        *_block("Arguments", opcode.args),
        "",
        *_block("Result", opcode.result),
    ]


def _block(title: str, struct: type[msgspec.Struct]) -> list[str]:
    fields = msgspec.structs.fields(struct)
    if not fields:
        return [f"{title}: none."]
    rows = [f"| `{field.name}` | {_kind(field.type)} |" for field in fields]
    return [f"| {title.lower()} | type |", "|---|---|", *rows]


def _kind(kind: Any) -> str:
    """A type as its JSON schema names it, with its bounds."""
    schema = msgspec.json.schema(kind)
    return _words(schema, schema.get("$defs", {}))


def _words(schema: dict[str, Any], defined: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        inner = defined[name].get("properties", {})
        return f"{name} {{{', '.join(inner)}}}"
    if "anyOf" in schema:
        return " or ".join(_words(option, defined) for option in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_words(schema.get('items', {}), defined)}"
    kind = str(schema.get("type", "any"))
    if kind == "null":
        return "nothing"
    if schema.get("contentEncoding") == "base64":
        kind = "bytes"
    described = schema.get("description")
    return f"{kind} ({described})" if described else kind
