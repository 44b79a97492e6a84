"""VM-1, VM-22: codes, names, categories, declarations."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from importlib import resources
from pathlib import Path

import msgspec
import pytest

from synnergy.vm import catalogue
from synnergy.vm.catalogue import CoreOpcode, DomainOpcode, Immediate
from synnergy.vm.machine import UnitPrices

from .conftest import Note, Noted

VECTORS = Path(__file__).parent / "vectors"


def apply(context: object, args: Note) -> Noted:
    """Write a note."""
    return Noted(len(args.text))


def resource(context: object, args: Note) -> object:
    return args


GOOD = {"action": "note", "args": Note, "result": Noted, "resource": resource}


def test_codes_and_names_never_change() -> None:  # VM-1, VM-3
    recorded = json.loads((VECTORS / "opcodes.json").read_text())
    present = [
        [f"{opcode.code:06x}", opcode.name, opcode.immediate.label, opcode.pops, opcode.pushes]
        for opcode in catalogue.core()
    ]
    assert present == recorded


def test_lookups_agree_and_are_sorted_by_code() -> None:
    for listing in (catalogue.core(), catalogue.domain()):
        codes = [opcode.code for opcode in listing]
        assert codes == sorted(set(codes))
        for opcode in listing:
            assert catalogue.by_code(opcode.code) is opcode
            assert catalogue.by_name(opcode.name) is opcode
    assert catalogue.by_code(0xFFFFFF) is None
    assert catalogue.by_name("CORE_JUMP") is None


def test_every_core_opcode_has_a_price_and_a_description() -> None:
    text = resources.files("synnergy.gas").joinpath("v1.toml").read_text("utf-8")
    table = tomllib.loads(text)
    for opcode in catalogue.core():
        row = table["opcodes"][opcode.name]
        # A loop always pays, so that gas ends it.
        assert row["gas"] >= 1
        assert row["description"] == opcode.description
    assert list(table["units"]) == [unit.name for unit in fields(UnitPrices)]


def test_only_control_flow_has_no_operation_of_its_own() -> None:
    without = {opcode.name for opcode in catalogue.core() if opcode.apply is None}
    assert without == {
        f"CORE_{name}"
        for name in ("BLOCK", "LOOP", "IF", "ELSE", "END", "BR", "BR_IF", "RETURN", "CALL")
    }


def test_a_declared_verb_is_found(ledger_note: str) -> None:
    opcode = catalogue.by_name(ledger_note)
    assert isinstance(opcode, DomainOpcode)
    assert (opcode.code, opcode.action, opcode.governance) == (0x01FFFF, "note", False)
    assert opcode.description == "Write a note."
    assert catalogue.domain() == (opcode,)
    assert (opcode.pops, opcode.pushes) == (4, 1)


def test_the_decorated_function_stays_itself(only_core: None) -> None:
    assert catalogue.domain_opcode(0x010001, "LEDGER_NOTE", **GOOD)(apply) is apply


def test_governance_verbs_have_neither_action_nor_resource(only_core: None) -> None:
    catalogue.domain_opcode(
        0x060001, "REGULATION_NOTE", action=None, governance=True, args=Note, result=Noted
    )(apply)
    opcode = catalogue.by_code(0x060001)
    assert isinstance(opcode, DomainOpcode)
    assert opcode.governance and opcode.action is None and opcode.resource is None


class Thawed(msgspec.Struct):
    text: str


def without_docstring(context: object, args: Note) -> Noted:
    return Noted(0)


def of_one(context: object) -> None:
    """Takes too little."""


@pytest.mark.parametrize(
    ("code", "name", "change"),
    [
        (0x020001, "LEDGER_NOTE", {}),
        (0x000700, "CORE_NOTE", {}),
        (0x010001, "NOTE", {}),
        (0x010001, "LEDGER_note", {}),
        (0x010001, "LEDGER__NOTE", {}),
        (0x010001, "OTHER_NOTE", {}),
        (0x1010001, "LEDGER_NOTE", {}),
        (-1, "LEDGER_NOTE", {}),
        (0x010001, "LEDGER_NOTE", {"action": None}),
        (0x010001, "LEDGER_NOTE", {"governance": True}),
        (0x010001, "LEDGER_NOTE", {"resource": None}),
        (0x010001, "LEDGER_NOTE", {"action": None, "governance": True}),
        (0x010001, "LEDGER_NOTE", {"args": dict}),
        (0x010001, "LEDGER_NOTE", {"result": None}),
        (0x010001, "LEDGER_NOTE", {"args": Thawed}),
        (0x010001, "LEDGER_NOTE", {"price": of_one}),
        (0x010001, "LEDGER_NOTE", {"resource": of_one}),
        (0x010001, "LEDGER_NOTE", {"apply": of_one}),
        (0x010001, "LEDGER_NOTE", {"apply": without_docstring}),
    ],
)
def test_a_wrong_declaration_is_refused(
    only_core: None, code: int, name: str, change: dict[str, object]
) -> None:  # VM-1, VM-22
    arguments = {**GOOD, **change}
    function = arguments.pop("apply", apply)
    before = catalogue.domain()
    with pytest.raises(ValueError):
        catalogue.domain_opcode(code, name, **arguments)(function)  # type: ignore[arg-type]
    assert catalogue.domain() == before


def test_a_code_or_name_is_given_once(ledger_note: str) -> None:
    with pytest.raises(ValueError, match="already LEDGER_NOTE"):
        catalogue.domain_opcode(0x01FFFF, "LEDGER_OTHER", **GOOD)(apply)
    with pytest.raises(ValueError, match="declared twice"):
        catalogue.domain_opcode(0x01FFFE, ledger_note, **GOOD)(apply)
    assert len(catalogue.domain()) == 1


def test_immediate_widths() -> None:  # VM-3
    assert {kind.label: kind.width for kind in Immediate} == {
        "none": 0,
        "integer": 8,
        "local": 4,
        "function": 4,
        "label": 4,
        "offset": 4,
        "arity": 1,
    }


def test_core_records_are_frozen() -> None:
    opcode = catalogue.core()[0]
    assert isinstance(opcode, CoreOpcode)
    with pytest.raises(AttributeError):
        opcode.code = 1  # type: ignore[misc]
