"""The declaration of a domain opcode: one of the platform's verbs (VM-22).

From this one record come the dispatch, the arguments' decoding, the SDK, the API's types and the
reference pages; so its shape is checked when it is declared, and a wrong one stops the node.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

#: Category byte of an opcode by the prefix of its name (VM-1).
CATEGORIES = {
    "CORE": 0x00,
    "LEDGER": 0x01,
    "MODEL": 0x02,
    "LICENCE": 0x03,
    "INFERENCE": 0x04,
    "TRAINING": 0x05,
    "REGULATION": 0x06,
    "CONTRACT": 0x07,
    "CONSENSUS": 0x08,
    "CROSSCHAIN": 0x09,
}

#: What a domain opcode does to the stack: argument and result blocks in, result length out.
DOMAIN_POPS = 4
DOMAIN_PUSHES = 1

_NAME = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")

Apply = Callable[[Any, Any], Any]
Price = Callable[[Any, Any], Any]
ResourceOf = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class DomainOpcode:
    """One verb. `args` and `result` are frozen wire structs; the functions take (context, args).

    apply     the effect: returns the result struct or Rejected
    price     gas beyond the table's static price, Rejected, or OutOfGas where the price itself has
              one, which it charged; None where there is none
    action    the Cedar action, or None for the m-of-n verbs (`governance`)
    resource  builds the policy resource of the action, or Rejected; None for m-of-n verbs
    template_only   a regulator's verb: accepted only as the one template program (REG-6)
    since    the first protocol version whose gas table prices it, and so lets it run (VM-9)
    """

    code: int
    name: str
    action: str | None
    governance: bool
    args: type[msgspec.Struct]
    result: type[msgspec.Struct]
    price: Price | None
    resource: ResourceOf | None
    apply: Apply
    description: str
    template_only: bool
    since: int = 1

    @property
    def pops(self) -> int:
        return DOMAIN_POPS

    @property
    def pushes(self) -> int:
        return DOMAIN_PUSHES


def declare(
    code: int,
    name: str,
    *,
    action: str | None,
    governance: bool,
    args: type[msgspec.Struct],
    result: type[msgspec.Struct],
    price: Price | None,
    resource: ResourceOf | None,
    template_only: bool,
    since: int = 1,
    apply: Apply,
) -> DomainOpcode:
    """The checked record. Raises ValueError where the declaration has a wrong shape (VM-22)."""
    category_of(code, name)
    if code >> 16 == CATEGORIES["CORE"]:
        raise ValueError(f"{name}: core opcodes aren't declared as verbs")
    if governance == (action is not None):
        raise ValueError(f"{name}: either a Cedar action or governance=True, not both or neither")
    if governance == (resource is not None):
        raise ValueError(f"{name}: a resource goes with a Cedar action, and only with one")
    for role, struct in (("args", args), ("result", result)):
        if not (isinstance(struct, type) and issubclass(struct, msgspec.Struct)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"{name}: {role} is not a struct")
        if not struct.__struct_config__.frozen:
            raise ValueError(f"{name}: {role} {struct.__name__} is not frozen")
    for role, function in (("apply", apply), ("price", price), ("resource", resource)):
        if function is not None and not _takes_context_and_args(function):
            raise ValueError(f"{name}: {role} must take (context, args)")
    description = (inspect.getdoc(apply) or "").split("\n")[0].strip()
    if not description:
        raise ValueError(f"{name}: the docstring's first line is its description, and is missing")
    return DomainOpcode(
        code,
        name,
        action,
        governance,
        args,
        result,
        price,
        resource,
        apply,
        description,
        template_only,
        since,
    )


def category_of(code: int, name: str) -> int:
    """The category byte of an opcode. Raises ValueError where code and name disagree (VM-1)."""
    if not 0 <= code <= 0xFFFFFF:
        raise ValueError(f"{name}: {code:#x} is not a 24-bit code")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not an upper-case name with a category prefix")
    category = CATEGORIES.get(name.split("_")[0])
    if category is None or category != code >> 16:
        raise ValueError(f"{name}: {code:#08x} is not in the category that its prefix names")
    return category


def _takes_context_and_args(function: Callable[..., Any]) -> bool:
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    return True
