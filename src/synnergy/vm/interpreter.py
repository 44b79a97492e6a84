"""The reference interpreter: it defines what a program does and what it costs (VM-10 … VM-20)."""

from __future__ import annotations

from operator import length_hint

import msgspec

from synnergy.gas.meter import Meter
from synnergy.rejected import Rejected
from synnergy.vm.blocks import BRANCH, CALL, JUMP, VerifiedFunction, VerifiedProgram
from synnergy.vm.machine import (
    Environment,
    Halt,
    Host,
    Machine,
    Status,
    Where,
    out_of_gas,
    trap,
)

#: Functions of one program active at a time, the entry included (VM-16).
MAX_CALL_DEPTH = 64

#: A caller waiting: its index, its slots, the block to go on with, the slot of the result.
_Waiting = tuple[int, list[int], int, int]


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How a program ended (VM-19). `output` is what it set, or reverted with; else empty.

    `rejection` and `where` are None where `status` is "ok".
    """

    status: Status
    output: bytes
    gas_used: int
    rejection: Rejected | None = None
    where: Where | None = None


def execute(
    program: VerifiedProgram, input: bytes, meter: Meter, host: Host, environment: Environment
) -> Outcome:
    """Run a program to its end, charging `meter`, the frame's own.

    A trap and running out of gas burn what remains in `meter`; the other endings leave it.
    """
    machine = Machine(input, meter, host, environment, program.units)
    before = meter.remaining
    try:
        machine.grow(program.memory_pages)
        for segment in program.data:  # VM-26
            machine.charge_copy(len(segment.content))
            machine.require(segment.address, len(segment.content))
            end = segment.address + len(segment.content)
            machine.memory[segment.address : end] = segment.content
        _run(program.functions, machine)
    except Halt as halt:
        return ended(halt, meter, before)
    return Outcome("ok", machine.output, before - meter.remaining)


def ended(halt: Halt, meter: Meter, before: int) -> Outcome:
    """How a program ended that didn't end well, and had `before` gas when it began."""
    if halt.status in ("trap", "out_of_gas"):
        meter.burn_all()
    where = halt.where or Where(0, 0)
    return Outcome(halt.status, halt.output, before - meter.remaining, halt.rejection, where)


def _run(functions: tuple[VerifiedFunction, ...], machine: Machine) -> None:
    """Run from function 0 until it returns. Raises Halt, with `where` set."""
    charge = machine.meter.charge
    waiting: list[_Waiting] = []
    function, index = 0, 0
    slots = [0] * functions[0].slots
    blocks = functions[0].blocks
    while True:
        block = blocks[index]
        gas, body, exit, following, taken, slot, source, target, start, offsets, end = block
        operations = iter(body)
        try:
            if not charge(gas):  # VM-11
                out_of_gas(gas, machine.meter)
            for operation, at, immediate in operations:
                operation(slots, at, immediate, machine)
        except Halt as halt:
            begun = len(body) - length_hint(operations)
            halt.where = Where(function, offsets[begun - 1] if begun else start)
            raise
        if exit == JUMP:
            if source != target:
                slots[target] = slots[source]
            index = following
        elif exit == BRANCH:
            if slots[slot]:
                if source != target:
                    slots[target] = slots[source]
                index = taken
            else:
                index = following
        elif exit == CALL:
            if len(waiting) + 1 >= MAX_CALL_DEPTH:
                trap(
                    "VM-16",
                    "call_too_deep",
                    f"more than {MAX_CALL_DEPTH} active calls",
                    Where(function, end),
                )
            waiting.append((function, slots, following, slot))
            callee = functions[taken]
            arguments = slots[slot : slot + callee.parameters]
            slots = arguments + [0] * (callee.slots - callee.parameters)
            function, index, blocks = taken, 0, callee.blocks
        else:
            if not waiting:
                return
            results = functions[function].results
            result = slots[source : source + results]
            function, slots, index, slot = waiting.pop()
            slots[slot : slot + results] = result
            blocks = functions[function].blocks
