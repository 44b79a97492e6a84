"""VM-23 … VM-25 on a ledger: what a transaction's own program may do beside verbs."""

from __future__ import annotations

import pytest

from synnergy.vm.program import Segment, encode_program, function, instruction, program

from .harness import CONSUMER, OPERATOR, Ledger, key

EMIT = (
    *(instruction("CORE_I64_CONST", operand) for operand in (0, 4, 0, 6)),
    instruction("CORE_EVENT"),
)


def test_events_of_a_program_cannot_be_mistaken(ledger: Ledger) -> None:  # VM-24
    code = encode_program(program(function(*EMIT), memory_pages=1, data=(Segment(0, b"sold!!"),)))
    result = ledger.send(CONSUMER, "", b"", code=code)
    assert result.status == "ok", result.message
    (event,) = result.events
    assert event.name == "program.sold"
    assert event.attributes == {"emitter": CONSUMER.address, "data": b"sold!!".hex()}


@pytest.mark.parametrize("count", [1_024, 1_025])
def test_events_are_bounded_like_verbs(ledger: Ledger, count: int) -> None:  # VM-24, TX-12
    loop = (
        *(instruction("CORE_I64_CONST", count), instruction("CORE_LOCAL_SET", 0)),
        *(instruction("CORE_LOOP", 0), *EMIT),
        *(instruction("CORE_LOCAL_GET", 0), instruction("CORE_I64_CONST", 1)),
        *(instruction("CORE_I64_SUB"), instruction("CORE_LOCAL_TEE", 0)),
        *(instruction("CORE_BR_IF", 0), instruction("CORE_END")),
    )
    data = (Segment(0, b"sold!!"),)
    code = encode_program(program(function(*loop, locals=1), memory_pages=1, data=data))
    result = ledger.send(CONSUMER, "", b"", code=code, gas_limit=5_000_000)
    if count == 1_024:
        assert (result.status, len(result.events)) == ("ok", count)
        return
    assert (result.status, result.rule, result.code) == ("refused", "TX-12", "too_many_verbs")
    assert (result.gas_used, result.events) == (5_000_000, ())


def test_storage_belongs_to_contracts(ledger: Ledger) -> None:  # VM-23
    operands = [instruction("CORE_I64_CONST", operand) for operand in (0, 4, 0, 4)]
    for name, after in (("READ", [instruction("CORE_DROP")]), ("WRITE", [])):
        body = function(*operands, instruction(f"CORE_STORAGE_{name}"), *after)
        code = encode_program(program(body, memory_pages=1))
        result = ledger.send(CONSUMER, "", b"", code=code, gas_limit=60_000)
        assert (result.status, result.rule, result.code) == (
            "refused",
            "CONTRACT-4",
            "no_contract",
        )
        assert result.gas_used == 60_000


def test_a_program_sees_its_sender_and_balances(ledger: Ledger) -> None:  # VM-25
    who = ("SELF", "CALLER", "ORIGIN")

    def balances(*addresses: str) -> list[int]:
        body = [
            instruction("CORE_I64_CONST", 42 * position) + instruction(f"CORE_{name}")
            for position, name in enumerate(who)
        ]
        for position in range(len(addresses)):
            body += [
                instruction("CORE_I64_CONST", 256 + 8 * position),
                instruction("CORE_I64_CONST", 512 + 42 * position),
                instruction("CORE_I64_CONST", 42),
                instruction("CORE_BALANCE"),
                instruction("CORE_I64_STORE64", 0),
            ]
        body += [instruction("CORE_I64_CONST", operand) for operand in (0, 1_000)]
        entry = function(*body, instruction("CORE_OUTPUT_SET"))
        data = (Segment(512, "".join(addresses).encode()),)
        code = encode_program(program(entry, memory_pages=1, data=data))
        result = ledger.send(CONSUMER, "", b"", code=code, gas_limit=100_000)
        assert result.status == "ok", result.message
        assert result.output[: 3 * 42].decode() == CONSUMER.address * 3
        return [
            int.from_bytes(result.output[at : at + 8], "little")
            for at in range(256, 256 + 8 * len(addresses), 8)
        ]

    operator, consumer = (ledger.balance(pair.address) for pair in (OPERATOR, CONSUMER))
    seen = balances(OPERATOR.address, CONSUMER.address, key("nobody").address)
    # The whole gas limit is set aside while the program runs.
    assert seen == [operator, consumer - 100_000, 0]
