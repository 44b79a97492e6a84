"""What a program keeps, announces and knows of accounts: storage, events, addresses, balances."""

from __future__ import annotations

import re
from collections.abc import Callable

from synnergy.identity.address import ADDRESS_CHARACTERS, is_address
from synnergy.rejected import Rejected
from synnergy.vm.machine import MASK, Environment, Halt, Machine, Operation, trap
from synnergy.vm.opcode import CoreOpcode, Immediate

MAX_KEY_BYTES = 128
MAX_VALUE_BYTES = 4_096
MAX_NAME_BYTES = 64
MAX_EVENT_BYTES = 1_024

_NAME = re.compile(rb"[a-z0-9._-]+")


def storage_read(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    """(key_ptr, key_len, value_ptr, cap) → the value's length, or −1 (VM-23)."""
    address, length, out, capacity = slots[at : at + 4]
    machine.require(out, capacity)
    value = machine.host.storage_read(_key(machine, address, length))
    if isinstance(value, Rejected):
        raise Halt("trap", value)
    if value is None:
        slots[at] = MASK
        return
    if len(value) > capacity:
        trap("VM-23", "value_too_large", f"the value has {len(value)} bytes, room for {capacity}")
    machine.charge_blocks(machine.units.storage_read_block, len(value))
    machine.memory[out : out + len(value)] = value
    slots[at] = len(value)


def storage_write(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    """(key_ptr, key_len, value_ptr, value_len); an empty value removes the key (VM-23)."""
    key_address, key_length, address, length = slots[at : at + 4]
    machine.require(address, length)
    key = _key(machine, key_address, key_length)
    if length > MAX_VALUE_BYTES:
        trap("VM-23", "value_too_large", f"a value has at most {MAX_VALUE_BYTES} bytes")
    machine.charge_blocks(machine.units.storage_write_block, key_length + length)
    refused = machine.host.storage_write(key, machine.read(address, length))
    if refused is not None:
        raise Halt("trap", refused)


def event(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    """(name_ptr, name_len, data_ptr, data_len) (VM-24)."""
    name_address, name_length, address, length = slots[at : at + 4]
    machine.require(name_address, name_length)
    machine.require(address, length)
    if length > MAX_EVENT_BYTES:
        trap("VM-24", "event_too_large", f"an event has at most {MAX_EVENT_BYTES} bytes of data")
    name = machine.read(name_address, name_length) if name_length <= MAX_NAME_BYTES else b""
    if _NAME.fullmatch(name) is None:
        trap(
            "VM-24",
            "bad_event_name",
            f"an event's name is 1 to {MAX_NAME_BYTES} of a-z, 0-9, '.', '_' and '-'",
        )
    machine.charge_blocks(machine.units.event_block, name_length + length)
    refused = machine.host.emit(name.decode("ascii"), machine.read(address, length))
    if refused is not None:
        raise Halt("trap", refused)


def balance(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    """(address_ptr, address_len) → smallest units (VM-25)."""
    start, length = slots[at], slots[at + 1]
    machine.require(start, length)
    raw = machine.read(start, length) if length == ADDRESS_CHARACTERS else b""
    text = raw.decode("ascii", "replace")
    if not is_address(text):
        trap("VM-25", "bad_address", f"the {length} bytes at {start} are no address")
    slots[at] = machine.host.balance(text)


def _key(machine: Machine, address: int, length: int) -> bytes:
    machine.require(address, length)
    if not 1 <= length <= MAX_KEY_BYTES:
        trap("VM-23", "bad_key", f"a key has 1 to {MAX_KEY_BYTES} bytes, not {length}")
    return machine.read(address, length)


def _write_address(choose: Callable[[Environment], str]) -> Operation:
    """(out_ptr): write the text of an address, ADDRESS_CHARACTERS bytes (VM-25)."""

    def write(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
        start = slots[at]
        machine.require(start, ADDRESS_CHARACTERS)
        text = choose(machine.environment).encode("ascii")
        machine.memory[start : start + ADDRESS_CHARACTERS] = text

    return write


OPCODES = (
    CoreOpcode(
        0x000600,
        "CORE_STORAGE_READ",
        Immediate.NONE,
        4,
        1,
        "(key_ptr, key_len, value_ptr, cap): push the stored value's length, or −1 without one",
        apply=storage_read,
    ),
    CoreOpcode(
        0x000601,
        "CORE_STORAGE_WRITE",
        Immediate.NONE,
        4,
        0,
        "(key_ptr, key_len, value_ptr, value_len): store a value; an empty one removes the key",
        apply=storage_write,
    ),
    CoreOpcode(
        0x000602,
        "CORE_EVENT",
        Immediate.NONE,
        4,
        0,
        "(name_ptr, name_len, data_ptr, data_len): announce an event",
        apply=event,
    ),
    CoreOpcode(
        0x000603,
        "CORE_SELF",
        Immediate.NONE,
        1,
        0,
        "(out_ptr): write the program's own address, 42 bytes of text",
        apply=_write_address(lambda environment: environment.address),
    ),
    CoreOpcode(
        0x000604,
        "CORE_CALLER",
        Immediate.NONE,
        1,
        0,
        "(out_ptr): write the caller's address, 42 bytes of text",
        apply=_write_address(lambda environment: environment.caller),
    ),
    CoreOpcode(
        0x000605,
        "CORE_ORIGIN",
        Immediate.NONE,
        1,
        0,
        "(out_ptr): write the address that signed the transaction, 42 bytes of text",
        apply=_write_address(lambda environment: environment.origin),
    ),
    CoreOpcode(
        0x000606,
        "CORE_BALANCE",
        Immediate.NONE,
        2,
        1,
        "(address_ptr, address_len): push the balance of an address in smallest units",
        apply=balance,
    ),
)
