"""Shared by the machine's tests: short builders, stub prices, hosts, one way to run."""

from __future__ import annotations

from synnergy.gas.meter import Meter, OutOfGas
from synnergy.identity.address import encode_address
from synnergy.opcodes.host import NO_CONTRACT
from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.vm.blocks import VerifiedProgram
from synnergy.vm.catalogue import DomainOpcode
from synnergy.vm.interpreter import Outcome, execute
from synnergy.vm.machine import Environment, Host
from synnergy.vm.program import Program, instruction
from synnergy.vm.verifier import verify

#: Uneven on purpose: a price charged for the wrong opcode shows.
PRICES = {
    **{opcode.name: 1 + position % 7 for position, opcode in enumerate(catalogue.core())},
    "units.copy_block": 3,
    "units.hash_block": 5,
    "units.memory_page": 11,
    "units.storage_read_block": 2,
    "units.storage_write_block": 7,
    "units.event_block": 4,
}
ENVIRONMENT = Environment(
    height=1_234,
    time=1_767_225_600_000,
    origin=encode_address(b"origin".ljust(20)),
    caller=encode_address(b"caller".ljust(20)),
    address=encode_address(b"contract".ljust(20)),
)
BALANCES = {ENVIRONMENT.origin: 2**53 - 1, ENVIRONMENT.address: 77}
PLENTY = 10_000_000


class FakeHost:
    """A ledger without verbs; `storage` is None outside a contract."""

    def __init__(self, storage: dict[bytes, bytes] | None = None) -> None:
        self.storage = storage
        self.events: list[tuple[str, bytes]] = []

    def call(
        self, opcode: DomainOpcode, arguments: bytes, meter: Meter
    ) -> bytes | Rejected | OutOfGas:
        raise AssertionError(f"{opcode.name} was called")

    def storage_read(self, key: bytes) -> bytes | Rejected | None:
        return NO_CONTRACT if self.storage is None else self.storage.get(key)

    def storage_write(self, key: bytes, value: bytes) -> Rejected | None:
        if self.storage is None:
            return NO_CONTRACT
        if value:
            self.storage[key] = value
        else:
            self.storage.pop(key, None)
        return None

    def emit(self, name: str, data: bytes) -> Rejected | None:
        self.events.append((name, data))
        return None

    def balance(self, address: str) -> int:
        return BALANCES.get(address, 0)


class RecordingHost(FakeHost):
    """Answers every call with the same thing, charging `gas` before; remembers the calls."""

    def __init__(self, answer: bytes | Rejected | OutOfGas, gas: int = 0) -> None:
        super().__init__()
        self.answer = answer
        self.gas = gas
        self.calls: list[tuple[str, bytes]] = []

    def call(
        self, opcode: DomainOpcode, arguments: bytes, meter: Meter
    ) -> bytes | Rejected | OutOfGas:
        self.calls.append((opcode.name, arguments))
        if not meter.charge(self.gas):
            return OutOfGas(self.gas)
        return self.answer


def core(name: str, immediate: int | None = None) -> bytes:
    """A core instruction by its name without the prefix."""
    return instruction(f"CORE_{name}", immediate)


def const(value: int) -> bytes:
    return core("I64_CONST", value)


def get(index: int) -> bytes:
    return core("LOCAL_GET", index)


def put(index: int) -> bytes:
    return core("LOCAL_SET", index)


#: Pop a word and make it the output: code for function 0 with a page of memory and local 0.
ANSWER = b"".join(
    (put(0), const(0), get(0), core("I64_STORE64", 0), const(0), const(8), core("OUTPUT_SET"))
)


def verified(program: Program, prices: dict[str, int] = PRICES) -> VerifiedProgram:
    result = verify(program, prices)
    assert not isinstance(result, Rejected), str(result)
    return result


def run(
    program: Program, input: bytes = b"", gas: int = PLENTY, host: Host | None = None
) -> Outcome:
    """Verify and execute; the meter's own account must agree with the outcome's."""
    meter = Meter(gas)
    outcome = execute(verified(program), input, meter, host or FakeHost(), ENVIRONMENT)
    assert outcome.gas_used == meter.used <= gas
    assert (outcome.rejection is None) == (outcome.status == "ok") == (outcome.where is None)
    return outcome


def word(outcome: Outcome) -> int:
    """The output of a program that ended in ANSWER."""
    assert outcome.status == "ok", outcome
    return int.from_bytes(outcome.output, "little")
