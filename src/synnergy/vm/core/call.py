"""Calls: of the program's own functions, and of the platform's verbs."""

from __future__ import annotations

from synnergy.gas.meter import Meter, OutOfGas
from synnergy.rejected import Rejected
from synnergy.vm.domain import DomainOpcode
from synnergy.vm.machine import Halt, Host, Machine, Operation, out_of_gas, trap
from synnergy.vm.opcode import CoreOpcode, Immediate

CALL = CoreOpcode(
    0x000500,
    "CORE_CALL",
    Immediate.FUNCTION,
    0,
    0,
    "call a function of this program: pop its parameters, push its result",
)

OPCODES = (CALL,)


def carry_out(
    opcode: DomainOpcode, arguments: bytes, capacity: int, host: Host, meter: Meter
) -> bytes:
    """The verb's encoded result, of at most `capacity` bytes. Raises Halt where there is none."""
    result = host.call(opcode, arguments, meter)
    if isinstance(result, Rejected):
        raise Halt("refused", result)
    if isinstance(result, OutOfGas):
        out_of_gas(result.needed, meter)
    if len(result) > capacity:
        trap(
            "VM-18",
            "result_too_large",
            f"{opcode.name} returned {len(result)} bytes, room for {capacity}",
        )
    return result


def call_domain(opcode: DomainOpcode) -> Operation:
    """The operation of a domain opcode: (args_ptr, args_len, out_ptr, out_cap) → length (VM-18).

    Both blocks are checked before the host is called, so that a bad pointer has no effect.
    """

    def call(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
        address, length, out, capacity = slots[at : at + 4]
        machine.check(out, capacity)
        arguments = machine.read(address, length)
        machine.charge_copy(length)
        result = carry_out(opcode, arguments, capacity, machine.host, machine.meter)
        machine.charge_copy(len(result))
        machine.require(out, len(result))
        machine.memory[out : out + len(result)] = result
        slots[at] = len(result)

    return call
