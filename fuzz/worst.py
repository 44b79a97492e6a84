"""The worst inputs known, made anew each time, and the words for what bounds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from fuzz.target import CORPUS, NAMES, load
from synnergy.rejected import Rejected

Work = Callable[[], str]


@dataclass(frozen=True)
class Case:
    """Who reads it, what it is, what bounds it; `prepare` gives the work and the input's size."""

    reader: str
    what: str
    bound: str
    prepare: Callable[[], tuple[Work, int]]


CASES: dict[str, Case] = {}


def case(reader: str, what: str, bound: str) -> Callable[[Callable[[], tuple[Work, int]]], None]:
    def keep(prepare: Callable[[], tuple[Work, int]]) -> None:
        CASES[prepare.__name__] = Case(reader, what, bound, prepare)

    return keep


def word(found: object) -> str:
    return found.code if isinstance(found, Rejected) else "accepted"


# ---- the wire ----------------------------------------------------------------------------------


@case("envelope", "16 attachments, 4 MiB together", "4 MiB before decoding (TX-2)")
def largest_envelope() -> tuple[Work, int]:
    from synnergy.chain.genesis import chain_id_of
    from synnergy.identity.authenticate import authenticate
    from synnergy.wire.codec import encode
    from synnergy.wire.transaction import (
        MAX_ENVELOPE_BYTES,
        Attachment,
        Body,
        BodySignature,
        Envelope,
        signing_bytes,
    )
    from tests.ledger.harness import OPERATOR, genesis

    carried = tuple(
        Attachment(bytes([index]) * 32, bytes(MAX_ENVELOPE_BYTES // 16 - 500))
        for index in range(16)
    )
    chain = chain_id_of(genesis())
    listed = tuple(attachment.reference for attachment in carried)
    body = Body(chain, OPERATOR.address, 0, 1, 1, 1, b"", b"", listed)
    signature = BodySignature(OPERATOR.public_key, OPERATOR.sign(signing_bytes(body)))
    raw = encode(Envelope(body, (signature,), carried))
    assert MAX_ENVELOPE_BYTES - 10_000 < len(raw) <= MAX_ENVELOPE_BYTES
    return lambda: word(authenticate(raw, chain)), len(raw)


@case("envelope", "a list of 4 million empty lists", "the declared types; 4 MiB (WIRE-1, TX-2)")
def empty_lists() -> tuple[Work, int]:
    from synnergy.wire.codec import decode
    from synnergy.wire.transaction import MAX_ENVELOPE_BYTES, Envelope

    count = MAX_ENVELOPE_BYTES - 5
    raw = b"\xdd" + count.to_bytes(4, "big") + b"\x90" * count
    return lambda: word(decode(raw, Envelope, MAX_ENVELOPE_BYTES)), len(raw)


@case("envelope", "lists 4 million deep", "no recursive types; 4 MiB (WIRE-1, TX-2)")
def deep_lists() -> tuple[Work, int]:
    from synnergy.wire.codec import decode
    from synnergy.wire.transaction import MAX_ENVELOPE_BYTES, Envelope

    raw = b"\x91" * MAX_ENVELOPE_BYTES
    return lambda: word(decode(raw, Envelope, MAX_ENVELOPE_BYTES)), len(raw)


@case("tensors", "4 MiB of one-letter strings", "4 MiB; 1,024 tensors; 2^28 elements (TENSOR-50)")
def many_strings() -> tuple[Work, int]:
    from synnergy.tensor.encoding import decode_tensors
    from synnergy.wire.transaction import MAX_ENVELOPE_BYTES

    count = MAX_ENVELOPE_BYTES // 2 - 100
    raw = msgspec.msgpack.encode([1, [["x", "string", [count], b"", ["a"] * count, None, None]]])
    return lambda: word(decode_tensors(raw, MAX_ENVELOPE_BYTES)), len(raw)


@case("state proof", "256 siblings over a value of 16 MiB", "256 siblings; 16 MiB (STATE-40)")
def longest_proof() -> tuple[Work, int]:
    from synnergy.state.proofs import StateProof, verify_state
    from synnergy.wire.codec import decode, encode

    proof = StateProof(b"k" * 500, bytes(1 << 24), (b"s" * 32,) * 256, None)
    raw = encode(proof)

    def work() -> str:
        found = decode(raw, StateProof, 1 << 25)
        assert not isinstance(found, Rejected)
        return "holds" if verify_state(found, bytes(32)) else "does not hold"

    return work, len(raw)


@case("receipt file", "4 MiB of a path through the block", "4 MiB before decoding (RCPT-5)")
def longest_receipt() -> tuple[Work, int]:
    from fuzz.world import INPUT, world
    from synnergy.receipts.file import decode_receipt_file, encode_receipt_file
    from synnergy.receipts.verify import TrustedRoot, verify_receipt
    from tests.ledger.harness import SIGNER

    file = decode_receipt_file(world().receipt)
    assert not isinstance(file, Rejected)
    long = msgspec.structs.replace(file.proof, path=(b"s" * 32,) * 120_000)
    raw = encode_receipt_file(msgspec.structs.replace(file, proof=long))
    trusted = TrustedRoot(world().chain_id, SIGNER.public_key)
    return lambda: word(verify_receipt(raw, world().model, INPUT, trusted)), len(raw)


@case("genesis file", "20,000 wallets", "nothing: it is the operator's own file")
def many_wallets() -> tuple[Work, int]:
    from synnergy.chain.first_state import apply_genesis
    from synnergy.chain.genesis import decode_genesis_file, encode_genesis_file
    from synnergy.state.journal import Journal
    from tests.ledger.harness import genesis, key

    first = genesis()
    more = tuple(
        msgspec.structs.replace(
            first.wallets[-1], address=pair.address, public_key=pair.public_key.hex(), balance=0
        )
        for pair in (key(str(number)) for number in range(20_000))
    )
    raw = encode_genesis_file(msgspec.structs.replace(first, wallets=first.wallets + more))

    def work() -> str:
        apply_genesis(decode_genesis_file(raw), Journal({}.get, lambda *_: []))
        return "accepted"

    return work, len(raw)


# ---- programs ----------------------------------------------------------------------------------


def verified_code(unit: bytes) -> tuple[Work, int]:
    from synnergy.gas.schedule import load_schedule
    from synnergy.vm.cache import ProgramCache
    from synnergy.vm.program import Function, Program, encode_program
    from tests.vm.support import core

    count = (32_768 - 3) // len(unit)
    code = unit * count + core("END")
    # The entry and another function as long, to the last of 64 KiB.
    other = code[: 32_500 // len(unit) * len(unit)][: -len(unit) * 2] + core("END")
    raw = encode_program(Program(0, (Function(0, 0, 0, code), Function(0, 0, 0, other)), ()))
    cache = ProgramCache(load_schedule(1).program_prices)
    return lambda: word(cache.verified(raw)), len(raw)


@case("program verifier", "64 KiB of empty blocks", "64 KiB; one pass (VM-2, VM-4)")
def blocks() -> tuple[Work, int]:
    from tests.vm.support import core

    return verified_code(core("LOOP", 0) + core("END"))


@case(
    "program",
    "a loop until 10 million gas are burnt",
    "gas; 100 times this at most (VM-11, GAS-5)",
)
def burning() -> tuple[Work, int]:
    from synnergy.gas.meter import Meter
    from synnergy.gas.schedule import load_schedule
    from synnergy.vm.interpreter import execute
    from synnergy.vm.program import encode_program, function, program
    from synnergy.vm.verifier import verify
    from tests.vm.support import ENVIRONMENT, FakeHost, core

    looping = program(function(core("LOOP", 0), core("BR", 0), core("END")))
    ready = verify(looping, load_schedule(1).program_prices)
    assert not isinstance(ready, Rejected)
    size = len(encode_program(looping))
    host = FakeHost({})
    return lambda: execute(ready, b"", Meter(10**7), host, ENVIRONMENT).status, size


@case("program", "memory grown to its last page", "64 pages of 64 KiB, each paid (VM-12)")
def growing() -> tuple[Work, int]:
    from synnergy.gas.meter import Meter
    from synnergy.gas.schedule import load_schedule
    from synnergy.vm.interpreter import execute
    from synnergy.vm.program import encode_program, function, program
    from synnergy.vm.verifier import verify
    from tests.vm.support import ENVIRONMENT, FakeHost, const, core

    one = program(function(const(64), core("MEMORY_GROW"), core("DROP")))
    ready = verify(one, load_schedule(1).program_prices)
    assert not isinstance(ready, Rejected)
    size = len(encode_program(one))
    host = FakeHost({})
    return lambda: execute(ready, b"", Meter(10**9), host, ENVIRONMENT).status, size


@case("assembler", "64 KiB of unknown words", "20 mistakes; no validator runs it")
def unknown_words() -> tuple[Work, int]:
    from synnergy.vm.assembly import Assembled, assemble

    text = "func a\n" + "get_locl 1\n" * 6_000
    return lambda: "accepted" if isinstance(assemble(text), Assembled) else "mistakes", len(text)


# ---- policies ----------------------------------------------------------------------------------


def judged(text: str) -> tuple[Work, int]:
    from tests.policy.hostile_worker import judge

    return lambda: judge(text), len(text.encode())


@case("policy text", "Cedar's deepest expression let through", "128 levels, 1 MiB stack (POL-7)")
def deepest_policy() -> tuple[Work, int]:
    from synnergy.policy.scanner import scan
    from tests.policy.test_hostile import DEEPEST

    build = DEEPEST["if-plus"]
    return judged(
        build(max(size for size in range(1, 140) if isinstance(scan(build(size)), tuple)))
    )


@case("policy text", "55 patterns of stars over long strings", "64 KiB; patterns of 128 B (POL-8)")
def patterns() -> tuple[Work, int]:
    from tests.policy.test_hostile import LARGEST

    return judged(LARGEST["patterns"])


@case("policy text", "220 policies with 3,300 mistakes", "64 KiB; 256 policies (POL-4, POL-6)")
def mistaken_policies() -> tuple[Work, int]:
    from tests.policy.test_hostile import LARGEST

    return judged(LARGEST["unknown-attributes"])


# ---- models ------------------------------------------------------------------------------------


def planned(raw: bytes) -> tuple[Work, int]:
    from synnergy.tensor import Unsupported, load

    def work() -> str:
        try:
            load(raw)
        except Unsupported:
            return "refused"
        return "accepted"

    return work, len(raw)


@case(
    "ONNX file",
    "3 million empty nodes of two bytes",
    "3,000,000 fields, counted (TENSOR-30)",
)
def empty_nodes() -> tuple[Work, int]:
    from tests.tensor.core.test_hostile_models import bomb

    return planned(bomb(3_000_000 - 2))


@case("ONNX file", "20,000 nodes after one another", "20,000 nodes (TENSOR-30)")
def long_chain() -> tuple[Work, int]:
    from tests.chain.small_models import chained

    return planned(chained(20_000))


@case("ONNX file", "a constant doubled 60 times", "16 million folded elements (TENSOR-30)")
def doubling() -> tuple[Work, int]:
    import numpy as np
    from onnx import helper

    from tests.tensor.core.building import model

    nodes = [
        helper.make_node("Concat", [f"c{level}", f"c{level}"], [f"c{level + 1}"], axis=0)
        for level in range(60)
    ]
    made = model(nodes, {}, ["c60"], {"c0": np.zeros(1, np.float32)})
    return planned(made.SerializeToString())


@case("ONNX file", "the largest results that still plan", "1 GiB alive at once (TENSOR-30)")
def large_results() -> tuple[Work, int]:
    import numpy as np
    from onnx import helper

    from tests.tensor.core.building import model

    nodes = [helper.make_node("Expand", ["x", "shape"], ["y"])]
    made = model(nodes, {"x": (np.float32, [1])}, ["y"], {"shape": np.array([2**27])})
    return planned(made.SerializeToString())


@case("ONNX file", "9,000 unknown operators, each named", "20,000 nodes (TENSOR-30)")
def unknown_operators() -> tuple[Work, int]:
    from onnx import helper

    from tests.tensor.core.hostile_edits import plain

    made = plain()
    for index in range(9_000):
        made.graph.node.append(helper.make_node("Unknown", ["x"], [f"z{index}"]))
    return planned(made.SerializeToString())


# ---- what fuzzing found ------------------------------------------------------------------------


def found_by_fuzzing(name: str) -> Callable[[], tuple[Work, int]]:
    def prepare() -> tuple[Work, int]:
        target = load(name)
        data = (CORPUS / name / "slowest").read_bytes()
        list(target.check(next(iter(target.seeds().values()))))
        return lambda: "keeps its promise" if list(target.check(data)) else "", len(data)

    prepare.__name__ = f"slowest_{name}"
    return prepare


for _name in NAMES:
    if (CORPUS / _name / "slowest").is_file():
        case(f"fuzz target {_name}", "the slowest found", f"{load(_name).longest:,} bytes here")(
            found_by_fuzzing(_name)
        )
