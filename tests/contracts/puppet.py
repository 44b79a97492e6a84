"""A contract that does what its input says: a list of steps, each an op, length and payload."""

from __future__ import annotations

from synnergy.vm.program import encode_program, function, instruction, program

WRITE, TRANSFER, CALL, REVERT, TRAP, EVENT, SPIN, BUY, INVOKE, OUTPUT, DEPLOY = range(11)

_AT, _END, _OP, _SIZE = range(4)
_RESULT = 5 * 65_536
_ROOM = 2 * 65_536


def step(op: int, payload: bytes = b"") -> bytes:
    """One step of a puppet's input."""
    return bytes([op]) + len(payload).to_bytes(4, "little") + payload


def _const(value: int) -> bytes:
    return instruction("CORE_I64_CONST", value)


def _get(local: int) -> bytes:
    return instruction("CORE_LOCAL_GET", local)


def _set(local: int) -> bytes:
    return instruction("CORE_LOCAL_SET", local)


def _on(op: int, *body: bytes) -> tuple[bytes, ...]:
    return (
        *(_get(_OP), _const(op), instruction("CORE_I64_EQ")),
        *(instruction("CORE_IF", 0), *body, instruction("CORE_END")),
    )


def _verb(op: int, name: str) -> tuple[bytes, ...]:
    """Carry out a verb whose argument block is the payload; its result stays at _RESULT."""
    arguments = (_get(_AT), _get(_SIZE), _const(_RESULT), _const(_ROOM))
    return _on(op, *arguments, instruction(name), instruction("CORE_DROP"))


def _payload(skip: int) -> tuple[bytes, ...]:
    """Address and length of the payload behind its first `skip` bytes."""
    return (
        *(_get(_AT), _const(skip), instruction("CORE_I64_ADD")),
        *(_get(_SIZE), _const(skip), instruction("CORE_I64_SUB")),
    )


def puppet(transfer: str = "LEDGER_TRANSFER") -> bytes:
    """The program's bytes; `transfer` puts another verb in the place of that one."""
    steps = (
        *_on(
            WRITE,
            *(_get(_AT), _const(1), *_payload(1), instruction("CORE_STORAGE_WRITE")),
        ),
        *_verb(TRANSFER, transfer),
        *_verb(CALL, "CONTRACT_CALL"),
        *_verb(BUY, "LICENCE_BUY"),
        *_verb(INVOKE, "INFERENCE_INVOKE"),
        *_verb(DEPLOY, "CONTRACT_DEPLOY"),
        *_on(REVERT, _get(_AT), _get(_SIZE), instruction("CORE_REVERT")),
        *_on(TRAP, instruction("CORE_UNREACHABLE")),
        *_on(EVENT, _get(_AT), _get(_SIZE), _get(_AT), _const(0), instruction("CORE_EVENT")),
        *_on(
            SPIN,
            *(instruction("CORE_LOOP", 0), instruction("CORE_BR", 0), instruction("CORE_END")),
        ),
        *_on(OUTPUT, _get(_AT), _get(_SIZE), instruction("CORE_OUTPUT_SET")),
    )
    body = (
        *(instruction("CORE_INPUT_SIZE"), _set(_END)),
        *(_const(0), _const(0), _get(_END), instruction("CORE_INPUT_COPY")),
        *(instruction("CORE_BLOCK", 0), instruction("CORE_LOOP", 0)),
        *(_get(_AT), _get(_END), instruction("CORE_I64_GE_U"), instruction("CORE_BR_IF", 1)),
        *(_get(_AT), instruction("CORE_I64_LOAD8_U", 0), _set(_OP)),
        *(_get(_AT), instruction("CORE_I64_LOAD32_U", 1), _set(_SIZE)),
        *(_get(_AT), _const(5), instruction("CORE_I64_ADD"), _set(_AT)),
        *steps,
        *(_get(_AT), _get(_SIZE), instruction("CORE_I64_ADD"), _set(_AT)),
        *(instruction("CORE_BR", 0), instruction("CORE_END"), instruction("CORE_END")),
    )
    made = program(function(*body, locals=4), memory_pages=8)
    return encode_program(made)
