"""LEDGER, REGULATION: forgetting people's data, on request and by age (ERASE-1, ERASE-5)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from synnergy.opcodes.context import Context, Erasure
from synnergy.opcodes.entities import ledger_resource
from synnergy.opcodes.governance import Agreement, governed
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.catalogue import domain_opcode
from synnergy.wire.codec import Struct
from synnergy.wire.types import Count, Digest, Time

#: Payloads that one verb may name: those of a call, and more.
MAX_ERASED = 64
DIGEST_BYTES = 32
#: A caller needs time to fetch what a call returned.
LEAST_RETENTION = 60 * 1000


class Erase(Struct, frozen=True):
    """Ask that the payloads of these commitments be forgotten.

    `reason` stays on the ledger for ever, so it names nobody.
    """

    payloads: Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=MAX_ERASED)]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class ErasureRecorded(Struct, frozen=True):
    """How many requests the ledger recorded; each node carries out those it may (ERASE-3)."""

    requests: Count


class SetRetention(Struct, frozen=True):
    """Keep payloads this long, in ms, after a block last carried them; 0 keeps them for ever."""

    period: Time


def erase_price(context: Context, arguments: Erase) -> int:
    """A commitment's worth for each, and its event, which repeats the reason, by its length."""
    length = DIGEST_BYTES + len(arguments.reason.encode())
    event = context.schedule.units["event_block"].gas * -(-length // 64)
    return (context.schedule.intrinsic["attachment"].gas + event) * len(arguments.payloads)


@domain_opcode(
    0x010002,
    "LEDGER_ERASE",
    action="erase",
    args=Erase,
    result=ErasureRecorded,
    price=erase_price,
    resource=ledger_resource,
)
def erase(context: Context, arguments: Erase) -> ErasureRecorded:
    """Ask every node to forget payloads: a party its own, a regulator any."""
    for commitment in arguments.payloads:
        context.erasures.append(Erasure(commitment, context.actor))
        context.emit(
            "ledger.erasure_requested",
            payload=commitment,
            by=context.actor,
            reason=arguments.reason,
        )
    return ErasureRecorded(len(arguments.payloads))


@domain_opcode(
    0x06000D,
    "REGULATION_SET_RETENTION",
    action=None,
    governance=True,
    args=SetRetention,
    result=Agreement,
    template_only=True,
)
def set_retention(context: Context, arguments: SetRetention) -> Agreement | Rejected:
    """Set how long nodes keep payloads, once m regulators gave the same period (m of n)."""
    if 0 < arguments.period < LEAST_RETENTION:
        return Rejected(
            "ERASE-5",
            "retention_too_short",
            f"payloads are kept for at least {LEAST_RETENTION} ms, or with 0 for ever,"
            f" not for {arguments.period} ms",
        )

    def carry_out() -> None:
        record = records.Retention(arguments.period)
        records.retention.save(context.journal, records.SINGLE, record)
        context.emit("regulation.retention_set", period=arguments.period, by=context.sender)

    return governed(context, "REGULATION_SET_RETENTION", arguments, carry_out)
