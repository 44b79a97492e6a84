"""What a program knows of the world: its input, its gas, its block; and how it answers."""

from __future__ import annotations

import hashlib

from synnergy.rejected import Rejected
from synnergy.vm.machine import Halt, Machine, trap
from synnergy.vm.opcode import CoreOpcode, Immediate


def input_size(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = len(machine.input)


def input_copy(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    destination, source, length = slots[at : at + 3]
    machine.require(destination, length)
    if source + length > len(machine.input):
        trap(
            "VM-17",
            "input_out_of_bounds",
            f"{length} bytes at {source} of an input of {len(machine.input)}",
        )
    machine.charge_copy(length)
    machine.memory[destination : destination + length] = machine.input[source : source + length]


def output_set(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    address, length = slots[at], slots[at + 1]
    output = machine.read(address, length)
    machine.charge_copy(length)
    machine.output = output


def revert(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    address, length = slots[at], slots[at + 1]
    output = machine.read(address, length)
    machine.charge_copy(length)
    raise Halt("reverted", Rejected("VM-19", "reverted", "the program reverted"), output)


def gas_left(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = machine.meter.remaining


def block_height(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = machine.environment.height


def block_time(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = machine.environment.time


def sha256(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    address, length, destination = slots[at : at + 3]
    machine.require(destination, 32)
    machine.require(address, length)
    machine.charge_blocks(machine.units.hash_block, length)
    digest = hashlib.sha256(machine.memory[address : address + length]).digest()
    machine.memory[destination : destination + 32] = digest


REVERT = CoreOpcode(
    0x000403,
    "CORE_REVERT",
    Immediate.NONE,
    2,
    0,
    "(address, length): end without effect, return these bytes and the gas left",
    apply=revert,
)

OPCODES = (
    CoreOpcode(
        0x000400,
        "CORE_INPUT_SIZE",
        Immediate.NONE,
        0,
        1,
        "push the length of the input in bytes",
        apply=input_size,
    ),
    CoreOpcode(
        0x000401,
        "CORE_INPUT_COPY",
        Immediate.NONE,
        3,
        0,
        "(destination, source, length): copy input to memory",
        apply=input_copy,
    ),
    CoreOpcode(
        0x000402,
        "CORE_OUTPUT_SET",
        Immediate.NONE,
        2,
        0,
        "(address, length): what the program returns; the last one counts",
        apply=output_set,
    ),
    REVERT,
    CoreOpcode(
        0x000404,
        "CORE_GAS_LEFT",
        Immediate.NONE,
        0,
        1,
        "push the gas that remains, this basic block already paid",
        apply=gas_left,
    ),
    CoreOpcode(
        0x000405,
        "CORE_BLOCK_HEIGHT",
        Immediate.NONE,
        0,
        1,
        "push the height of the block",
        apply=block_height,
    ),
    CoreOpcode(
        0x000406,
        "CORE_BLOCK_TIME",
        Immediate.NONE,
        0,
        1,
        "push the time of the block, ms since 1970 UTC",
        apply=block_time,
    ),
    CoreOpcode(
        0x000407,
        "CORE_SHA256",
        Immediate.NONE,
        3,
        0,
        "(address, length, destination): write the 32-byte digest to memory",
        apply=sha256,
    ),
)
