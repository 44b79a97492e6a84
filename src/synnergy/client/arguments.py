"""Argument blocks of verbs from JSON, for contracts that are given one as their input."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec import inspect

from synnergy import opcodes
from synnergy.client.failures import WrongUse
from synnergy.vm import catalogue
from synnergy.vm.domain import DomainOpcode
from synnergy.wire.codec import encode

assert opcodes.__all__  # importing it registers every verb


def argument_block(verb: str, text: str) -> bytes:
    """The canonical bytes of a verb's arguments. WrongUse says which field is wrong, and how."""
    opcode = catalogue.by_name(verb.upper())
    if not isinstance(opcode, DomainOpcode):
        raise WrongUse("unknown_verb", f"there is no verb {verb}; `synnergy opcodes ls` names all")
    try:
        given = msgspec.json.decode(text)
        plain = _with_bytes(given, inspect.type_info(opcode.args))
        return encode(msgspec.convert(plain, opcode.args))
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError) as wrong:
        raise WrongUse(
            "bad_arguments", f"these are no arguments of {opcode.name}: {wrong}"
        ) from None


def _with_bytes(value: Any, kind: inspect.Type) -> Any:
    """The same value with hex read where the type says bytes. Raises ValueError for other text."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    match kind:
        case inspect.BytesType() if isinstance(value, str):
            return bytes.fromhex(value)
        case inspect.UnionType(types=types) if value is not None:
            chosen = [one for one in types if not isinstance(one, inspect.NoneType)]
            return _with_bytes(value, chosen[0]) if len(chosen) == 1 else value
        case inspect.VarTupleType(item_type=item) if isinstance(value, list):
            return [_with_bytes(one, item) for one in cast("list[Any]", value)]
        case inspect.StructType(fields=fields) if isinstance(value, dict):
            kinds = {field.name: field.type for field in fields}
            return {
                name: _with_bytes(one, kinds[name]) if name in kinds else one
                for name, one in cast("dict[str, Any]", value).items()
            }
        case _:
            return value
