"""Every opcode there is, by code and by name (VM-1).

Core opcodes are listed here; domain opcodes register themselves when their module is imported,
so this module imports none of them.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from synnergy.vm.core import call, contract, control, environment, integer, local, memory
from synnergy.vm.domain import (
    CATEGORIES,
    Apply,
    DomainOpcode,
    Price,
    ResourceOf,
    category_of,
    declare,
)
from synnergy.vm.opcode import CoreOpcode, Immediate

__all__ = [
    "CATEGORIES",
    "CoreOpcode",
    "DomainOpcode",
    "Immediate",
    "Opcode",
    "by_code",
    "by_name",
    "core",
    "domain",
    "domain_opcode",
]

Opcode = CoreOpcode | DomainOpcode

_by_code: dict[int, Opcode] = {}
_by_name: dict[str, Opcode] = {}


def core() -> tuple[CoreOpcode, ...]:
    """The core opcodes, sorted by code."""
    return tuple(opcode for opcode in _sorted() if isinstance(opcode, CoreOpcode))


def domain() -> tuple[DomainOpcode, ...]:
    """The domain opcodes registered so far, sorted by code."""
    return tuple(opcode for opcode in _sorted() if isinstance(opcode, DomainOpcode))


def by_code(code: int) -> Opcode | None:
    return _by_code.get(code)


def by_name(name: str) -> Opcode | None:
    return _by_name.get(name)


def domain_opcode(
    code: int,
    name: str,
    *,
    action: str | None,
    args: type[msgspec.Struct],
    result: type[msgspec.Struct],
    governance: bool = False,
    price: Price | None = None,
    resource: ResourceOf | None = None,
    template_only: bool = False,
    since: int = 1,
) -> Callable[[Apply], Apply]:
    """Declare the decorated `apply(context, args)` as a domain opcode (VM-22).

    Raises ValueError where code or name is taken or the declaration has a wrong shape. The
    decorated function stays as it was.
    """

    def register(apply: Apply) -> Apply:
        _add(
            declare(
                code,
                name,
                action=action,
                governance=governance,
                args=args,
                result=result,
                price=price,
                resource=resource,
                template_only=template_only,
                since=since,
                apply=apply,
            )
        )
        return apply

    return register


def _sorted() -> list[Opcode]:
    return [_by_code[code] for code in sorted(_by_code)]


def _add(opcode: Opcode) -> None:
    category_of(opcode.code, opcode.name)
    if opcode.code in _by_code:
        raise ValueError(f"{opcode.code:#08x} is already {_by_code[opcode.code].name}")
    if opcode.name in _by_name:
        raise ValueError(f"{opcode.name} is declared twice")
    _by_code[opcode.code] = opcode
    _by_name[opcode.name] = opcode


for _family in (control, integer, local, memory, environment, call, contract):
    for _opcode in _family.OPCODES:
        _add(_opcode)
