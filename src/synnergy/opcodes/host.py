"""How a domain opcode is carried out: decode, authorise, price its work, apply.

The table's price, which covers the policy decision, was charged with the basic block that the
opcode stands in, so nothing runs unpriced, and a denied action doesn't pay for work that wasn't
done (GAS-3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from synnergy.gas.meter import Meter, OutOfGas
from synnergy.opcodes.context import Context
from synnergy.opcodes.entities import Resource, wallet_entity
from synnergy.policy.engine import Request, Verdict, decide
from synnergy.policy.scanner import ERROR_REASON
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.domain import DomainOpcode
from synnergy.wire.codec import decode, encode
from synnergy.wire.transaction import MAX_DATA_BYTES

#: Verbs, and events of programs, in one transaction: its result lists all events, and is kept for
#: ever (TX-12).
MAX_OPERATIONS = 1_024

NO_CONTRACT = Rejected(
    "CONTRACT-4", "no_contract", "storage belongs to a contract, and this program runs in none"
)

_PLAIN_ID = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(slots=True)
class DomainHost:
    """The virtual machine's host for one frame; `template` names its template, if it is one."""

    context: Context
    template: str | None

    def call(
        self, opcode: DomainOpcode, arguments: bytes, meter: Meter
    ) -> bytes | Rejected | OutOfGas:
        """Carry out one verb; the encoded result, a refusal, or what gas was missing."""
        context = self.context
        context.verdict = None
        refused = self._count()
        if refused is not None:
            return refused
        decoded = decode(arguments, opcode.args, MAX_DATA_BYTES)
        if isinstance(decoded, Rejected):
            return decoded
        if opcode.template_only and self.template != opcode.name:
            return Rejected(
                "REG-6",
                "not_a_template",
                f"{opcode.name} is accepted only as its template program, so that what is signed"
                " is what was shown",
            )
        if opcode.resource is not None and context.frames:
            further = (len(_principals(context)) - 1) * context.schedule.intrinsic["decision"].gas
            if further and not meter.charge(further):
                return OutOfGas(further)
        refused = authorise(context, opcode, decoded)
        if refused is not None:
            return refused
        if opcode.price is not None:
            dynamic = opcode.price(context, decoded)
            if isinstance(dynamic, Rejected | OutOfGas):
                return dynamic
            if not meter.charge(dynamic):
                return OutOfGas(dynamic)
        result = opcode.apply(context, decoded)
        return result if isinstance(result, Rejected) else encode(result)

    def storage_read(self, key: bytes) -> bytes | Rejected | None:
        """What the running contract keeps under `key` (CONTRACT-4)."""
        frame = self.context.frame
        if frame is None:
            return NO_CONTRACT
        stored = records.storage.load(self.context.journal, (frame.contract, key))
        return None if stored is None else stored.value

    def storage_write(self, key: bytes, value: bytes) -> Rejected | None:
        """Keep `value` under `key` for the running contract; nothing where it is empty."""
        frame = self.context.frame
        if frame is None:
            return NO_CONTRACT
        if value:
            kept = records.Stored(value)
            records.storage.save(self.context.journal, (frame.contract, key), kept)
        else:
            records.storage.remove(self.context.journal, (frame.contract, key))
        return None

    def emit(self, name: str, data: bytes) -> Rejected | None:
        """The prefix sets a program's events apart from the platform's own (VM-24)."""
        refused = self._count()
        if refused is None:
            self.context.emit(f"program.{name}", emitter=self.context.actor, data=data)
        return refused

    def balance(self, address: str) -> int:
        """What an address has, 0 where it has no account."""
        account = records.accounts.load(self.context.journal, address)
        return 0 if account is None else account.balance

    def _count(self) -> Rejected | None:
        self.context.operations += 1
        if self.context.operations <= MAX_OPERATIONS:
            return None
        return Rejected(
            "TX-12",
            "too_many_verbs",
            f"a transaction carries out at most {MAX_OPERATIONS} verbs, events included; send the"
            " rest apart",
        )


def authorise(context: Context, opcode: DomainOpcode, arguments: object) -> Rejected | None:
    """Ask the policy set whether all who act here may; m-of-n verbs check their own (POL-1)."""
    if opcode.resource is None or opcode.action is None:
        return None
    resource = opcode.resource(context, arguments)
    if isinstance(resource, Rejected):
        return resource
    assert isinstance(resource, Resource)
    if context.quoting:
        return None
    governance = context.governance()
    facts = {
        "height": context.block.height,
        "time": context.block.time,
        "regulators": len(governance.regulators),
        **resource.facts,
    }
    permits: set[str] = set()
    for who, address in _principals(context):
        principal = wallet_entity(context.journal, governance, address)
        request = Request(principal, opcode.action, resource.entity, facts)
        verdict = decide(context.policy, request)
        if not verdict.allowed:
            context.verdict = verdict
            return Rejected("POL-1", denial_code(verdict), f"{who}{verdict.message}")
        permits.update(verdict.determining)
        context.verdict = verdict
    if context.frame is not None and context.verdict is not None:
        names = tuple(sorted(permits))
        context.verdict = Verdict(True, names, f"permitted by {', '.join(names)}")
    return None


def _principals(context: Context) -> list[tuple[str, str]]:
    """Who must be allowed: the origin; in a contract this and its deployer too (CONTRACT-5)."""
    principals = [("", context.sender)]
    frame = context.frame
    if frame is not None:
        principals.append((f"for the contract {frame.contract}: ", frame.contract))
        if frame.deployer != context.sender:
            deployer = f"for the contract's deployer {frame.deployer}: "
            principals.append((deployer, frame.deployer))
    return principals


def denial_code(verdict: Verdict) -> str:
    """The first forbidding policy's id in a word, else `policy_denied` (POL-17)."""
    named = verdict.determining[0] if verdict.determining else ""
    if named == ERROR_REASON or _PLAIN_ID.fullmatch(named) is None:
        return "policy_denied"
    return named.replace("-", "_")
