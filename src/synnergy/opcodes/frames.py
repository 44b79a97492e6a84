"""A frame of execution that can fail alone: the transaction's program, or a contract it called.

A failed frame is undone with all that it called. What outlives that is kept in the context: calls
that returned outputs stay settled (MKT-6), refused invocations get their receipts (RCPT-1), and
denials and failures of models are counted (REG-8).
"""

from __future__ import annotations

import msgspec

from synnergy.gas.meter import Meter
from synnergy.opcodes.context import Context, Frame
from synnergy.opcodes.flags import count_denial
from synnergy.opcodes.host import DomainHost
from synnergy.opcodes.inference import receipt_policy
from synnergy.opcodes.licences import settle
from synnergy.receipts.receipt import ReceiptOutcome
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.blocks import VerifiedProgram
from synnergy.vm.interpreter import Outcome, execute
from synnergy.vm.machine import Environment
from synnergy.vm.templates import execute_template


class Checkpoint(msgspec.Struct, frozen=True):
    """Where a frame began: in the journal, among settlements, events and erasures."""

    mark: int
    settlements: int
    events: int
    erasures: int


def begin(context: Context) -> Checkpoint:
    return Checkpoint(
        context.journal.checkpoint(),
        len(context.settlements),
        len(context.events),
        len(context.erasures),
    )


def keep(context: Context, point: Checkpoint) -> None:
    """Let a frame's effects stand, as far as its callers' do."""
    context.journal.commit(point.mark)


def undo(context: Context, point: Checkpoint) -> None:
    """Roll a frame back; calls that were settled in it stay settled (MKT-6)."""
    context.journal.rollback(point.mark)
    del context.events[point.events :]
    del context.erasures[point.erasures :]
    for settlement in context.settlements[point.settlements :]:
        settle(context.journal, settlement)
        context.events.append(settlement.event)


def run(
    context: Context,
    program: VerifiedProgram,
    input: bytes,
    meter: Meter,
    template: str | None,
    most: int,
) -> Outcome:
    """Interpret a program as the innermost frame of `context`; it may return `most` bytes."""
    host = DomainHost(context, template)
    outcome = None
    if template is not None:
        outcome = execute_template(program, template, input, meter, host)
    if outcome is None:
        environment = Environment(
            height=context.block.height,
            time=context.block.time,
            origin=context.sender,
            caller=context.frames[-1].caller if context.frames else context.sender,
            address=context.actor,
        )
        outcome = execute(program, input, meter, host, environment)
    if len(outcome.output) <= most:
        return outcome
    why = f"the program returned {len(outcome.output)} bytes, at most {most} are kept"
    rejection = Rejected("TX-11", "output_too_large", why)
    return Outcome("refused", b"", outcome.gas_used, rejection, outcome.where)


def run_contract(
    context: Context,
    frame: Frame,
    program: VerifiedProgram,
    input: bytes,
    meter: Meter,
    most: int,
) -> Outcome:
    """Interpret a contract's program inside the frame at hand, which pays for it (CONTRACT-7)."""
    outer = context.meter
    context.frames.append(frame)
    context.meter = meter
    try:
        return run(context, program, input, meter, None, most)
    finally:
        context.frames.pop()
        context.meter = outer
        outer.absorb(meter)


def note_failure(context: Context, outcome: Outcome) -> None:
    """Keep what must be told of a failed frame, whether or not its caller goes on."""
    rejection = outcome.rejection
    assert rejection is not None
    if context.attempt is not None:
        context.attempts.append(
            msgspec.structs.replace(
                context.attempt,
                policy=receipt_policy(context),
                outcome=ReceiptOutcome("refused", rejection.rule, rejection.code),
            )
        )
        context.attempt = None
    if outcome.status == "refused":
        context.refusals.append(rejection)


def record_failures(context: Context) -> None:
    """Count the denials and failures of a transaction, after all its rollbacks (REG-8)."""
    for model in context.failed_models:
        stats = records.stats.load(context.journal, model)
        assert stats is not None
        records.stats.save(
            context.journal, model, msgspec.structs.replace(stats, failures=stats.failures + 1)
        )
    for rejection in context.refusals:
        count_denial(context, context.sender, rejection.rule)
        context.emit(
            "action.refused", wallet=context.sender, rule=rejection.rule, code=rejection.code
        )
