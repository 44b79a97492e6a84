"""The interpreter beside py-evm's, the Ethereum machine in Python: the same computations on both.

Three loops: arithmetic (a congruential sequence), memory (fill an array, add it up), hashing (a
chain of digests, by each machine's own instruction: SHA-256 here, Keccak-256 there).
"""

from __future__ import annotations

from dataclasses import dataclass

from eth.chains.base import MiningChain
from eth.constants import ZERO_ADDRESS
from eth.db.atomic import AtomicDB
from eth.vm.forks.cancun import CancunVM

from bench.row import Row, geometric_mean, interleaved
from synnergy.gas.meter import Meter
from synnergy.gas.schedule import load_schedule
from synnergy.rejected import Rejected
from synnergy.vm.blocks import VerifiedProgram
from synnergy.vm.interpreter import execute
from synnergy.vm.machine import Environment, Host
from synnergy.vm.program import Program, function, instruction, program
from synnergy.vm.verifier import verify

GAS = 2**52
ENVIRONMENT = Environment(1, 0, "", "", "")
MULTIPLIER, INCREMENT, MODULUS = 1_103_515_245, 12_345, 2**31 - 1


@dataclass(frozen=True)
class Case:
    """One computation as a program of each machine; each returns one number or digest."""

    name: str
    ours: Program
    theirs: bytes


class _NoHost:
    """None of the programs asks the ledger anything."""


def cases(rounds: int) -> list[Case]:
    return [
        Case("arithmetic", _our_arithmetic(rounds), _their_arithmetic(rounds)),
        Case("memory", _our_memory(rounds), _their_memory(rounds)),
        Case("hashing", _our_hashing(rounds), _their_hashing(rounds)),
    ]


def rows(rounds: int = 20_000, repeats: int = 5) -> list[Row]:
    """Programs/s of each case, and the geometric mean of the ratios."""
    prices = load_schedule(1).program_prices
    machine = _evm()
    found: list[Row] = []
    for case in cases(rounds):
        verified = verify(case.ours, prices)
        assert not isinstance(verified, Rejected)
        ours, theirs = run_ours(verified), run_theirs(machine, case.theirs)
        if case.name != "hashing":
            assert int.from_bytes(ours, "little") == int.from_bytes(theirs, "big")
        taken = interleaved(
            lambda verified=verified: run_ours(verified),
            lambda case=case: run_theirs(machine, case.theirs),
            repeats,
        )
        name = f"interpreter_vs_pyevm {case.name}"
        found.append(
            Row(name, rounds / taken.ours, "loops/s", "py-evm", rounds / taken.peer, taken.ratio)
        )
    ratio = geometric_mean([row.ratio for row in found])
    total = Row(
        "interpreter_vs_pyevm",
        geometric_mean([row.value for row in found]),
        "loops/s (geometric mean)",
        "py-evm",
        geometric_mean([row.peer_value for row in found]),
        ratio,
    )
    return [total, *found]


def run_ours(verified: VerifiedProgram) -> bytes:
    host: Host = _NoHost()  # type: ignore[assignment]
    outcome = execute(verified, b"", Meter(GAS), host, ENVIRONMENT)
    assert outcome.status == "ok", outcome
    return outcome.output


def run_theirs(machine: CancunVM, code: bytes) -> bytes:
    done = machine.execute_bytecode(
        origin=ZERO_ADDRESS, gas_price=0, gas=GAS, to=ZERO_ADDRESS, sender=ZERO_ADDRESS,
        value=0, data=b"", code=code, code_address=None,
    )  # fmt: skip
    assert done.is_success, done.error
    return done.output


def _evm() -> CancunVM:
    kind = MiningChain.configure(__name__="Bench", vm_configuration=((0, CancunVM),))
    chain = kind.from_genesis(AtomicDB(), {"difficulty": 0, "gas_limit": GAS, "timestamp": 0}, {})
    return chain.get_vm()


# ---- ours: local 0 counts down, local 1 is the result ------------------------------------------


def _loop(rounds: int, *body: bytes) -> bytes:
    """Run `body` while local 0 counts from `rounds` down to 1."""
    count_down = (_get(0), _const(1), _core("I64_SUB"), _core("LOCAL_TEE", 0), _core("BR_IF", 0))
    start = (_const(rounds), _set(0), _core("LOOP", 0))
    return b"".join((*start, *body, *count_down, _core("END")))


def _answer() -> bytes:
    store = (_const(0), _get(1), _core("I64_STORE64", 0))
    return b"".join((*store, _const(0), _const(8), _core("OUTPUT_SET")))


def _our_arithmetic(rounds: int) -> Program:
    step = (
        *(_get(1), _const(MULTIPLIER), _core("I64_MUL"), _const(INCREMENT), _core("I64_ADD")),
        *(_const(MODULUS), _core("I64_REM_U"), _set(1)),
    )
    return program(function(_loop(rounds, *step), _answer(), locals=2), memory_pages=1)


def _our_memory(rounds: int) -> Program:
    """mem[8 × i] = 3 × i for each i, then the sum of all."""
    address = (_get(0), _const(8), _core("I64_MUL"))
    fill = (*address, _get(0), _const(3), _core("I64_MUL"), _core("I64_STORE64", 0))
    add = (_get(1), *address, _core("I64_LOAD64", 0), _core("I64_ADD"), _set(1))
    body = (_loop(rounds, *fill), _loop(rounds, *add), _answer())
    pages = (rounds + 1) * 8 // 65_536 + 1
    return program(function(*body, locals=2), memory_pages=pages)


def _our_hashing(rounds: int) -> Program:
    step = (_const(0), _const(32), _const(0), _core("SHA256"))
    done = (_const(0), _const(32), _core("OUTPUT_SET"))
    return program(function(_loop(rounds, *step), *done, locals=1), memory_pages=1)


def _core(name: str, immediate: int | None = None) -> bytes:
    return instruction(f"CORE_{name}", immediate)


def _const(value: int) -> bytes:
    return _core("I64_CONST", value)


def _get(local: int) -> bytes:
    return _core("LOCAL_GET", local)


def _set(local: int) -> bytes:
    return _core("LOCAL_SET", local)


# ---- theirs: the counter is on top of the stack, the result below it ---------------------------

_ADD, _MUL, _MOD, _SUB, _KECCAK = b"\x01", b"\x02", b"\x06", b"\x03", b"\x20"
_POP, _MLOAD, _MSTORE, _RETURN = b"\x50", b"\x51", b"\x52", b"\xf3"
_JUMPI, _JUMPDEST, _PUSH2 = b"\x57", b"\x5b", b"\x61"
_DUP1, _DUP2, _DUP3, _SWAP1, _SWAP2 = b"\x80", b"\x81", b"\x82", b"\x90", b"\x91"


def _push(value: int) -> bytes:
    size = max(1, (value.bit_length() + 7) // 8)
    return bytes((0x5F + size,)) + value.to_bytes(size, "big")


def _their_loop(before: bytes, rounds: int, body: bytes) -> bytes:
    """As `_loop`: stack (counter on top); `body` leaves the counter on top again."""
    start = before + _push(rounds)
    top = _PUSH2 + len(start).to_bytes(2, "big")
    count_down = _push(1) + _SWAP1 + _SUB + _DUP1 + top + _JUMPI
    return start + _JUMPDEST + body + count_down + _POP


def _their_answer(code: bytes) -> bytes:
    return code + _push(0) + _MSTORE + _push(32) + _push(0) + _RETURN


def _their_arithmetic(rounds: int) -> bytes:
    step = _SWAP1 + _push(MULTIPLIER) + _MUL + _push(INCREMENT) + _ADD
    step = step + _push(MODULUS) + _SWAP1 + _MOD + _SWAP1
    return _their_answer(_their_loop(_push(0), rounds, step))


def _their_memory(rounds: int) -> bytes:
    """Words of 32 bytes: mem[32 × i] = 3 × i."""
    fill = _DUP1 + _push(3) + _MUL + _DUP2 + _push(32) + _MUL + _MSTORE
    first = _their_loop(_push(0), rounds, fill)
    # The sum is below the counter: (sum, counter) → (sum + word, counter).
    add = _DUP1 + _push(32) + _MUL + _MLOAD + _DUP3 + _ADD + _SWAP2 + _POP
    return _their_answer(_their_loop(first, rounds, add))


def _their_hashing(rounds: int) -> bytes:
    step = _push(32) + _push(0) + _KECCAK + _push(0) + _MSTORE
    return _their_loop(b"", rounds, step) + _push(32) + _push(0) + _RETURN
