"""Plans of published models, kept by their artefact's chunks, which fix its bytes.

A plan that is kept saves work and decides nothing: whether an artefact is complete and fits the
limits in force is asked each time.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from synnergy import tensor
from synnergy.opcodes.context import Context
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.tensor.types import Problem
from synnergy.wire.codec import encode

#: Plans, weights included, stay resident up to about this many bytes.
RESIDENT_BYTES = 2 * 1024 * 1024 * 1024
#: Kernels keep weights once more, in the order they read them, and a workspace.
KERNEL_COPIES = 2
#: What a node of a graph takes in memory besides its tensors, by estimate.
NODE_BYTES = 8 * 1024
#: Tensors that one call takes or gives, and bytes that describe them in state.
MAX_VALUES = 1_024
MAX_SIGNATURE_BYTES = 64 * 1024

_plans: OrderedDict[tuple[bytes, ...], tuple[tensor.Plan, int]] = OrderedDict()
_lock = threading.Lock()
_threads = 1


def use_threads(count: int) -> None:
    """How many threads compute an inference in this process; nothing of the ledger. TENSOR-63"""
    global _threads
    _threads = count


def threads() -> int:
    return _threads


def artefact_bytes(
    context: Context, digest: bytes, artefact: records.Artefact
) -> bytes | Rejected:
    """The file that a complete artefact's chunks make up. Missing content is corruption."""
    parts: list[bytes] = []
    for chunk in artefact.chunks:
        payload = context.artefact_chunk(chunk)
        if payload is None:
            raise LookupError(f"chunk {chunk.hex()} is recorded but not stored")
        parts.append(payload.content)
    content = b"".join(parts)
    if len(content) != artefact.size or hashlib.sha256(content).digest() != digest:
        return Rejected(
            "MKT-3", "wrong_digest", f"the uploaded chunks are not the file {digest.hex()}"
        )
    return content


def incomplete(digest: bytes) -> Rejected:
    return Rejected(
        "MKT-3", "upload_incomplete", f"the file {digest.hex()} is not completely uploaded"
    )


def load_plan(context: Context, digest: bytes) -> tensor.Plan | Rejected:
    """The checked plan of a complete artefact, or every reason why there can be none (MKT-4)."""
    artefact = records.artefacts.load(context.journal, digest)
    if artefact is None or artefact.received < len(artefact.chunks):
        return incomplete(digest)
    plan = _kept(context, digest, artefact)
    if isinstance(plan, Rejected):
        return plan
    if plan.cost.memory > context.schedule.limits["memory_bytes"].gas:
        return Rejected(
            "INF-5",
            "too_much_memory",
            f"one row needs {plan.cost.memory} bytes,"
            f" at most {context.schedule.limits['memory_bytes'].gas} are allowed",
        )
    return plan


def _kept(context: Context, digest: bytes, artefact: records.Artefact) -> tensor.Plan | Rejected:
    """The plan of a complete artefact's bytes, made or remembered."""
    key = (digest, *artefact.chunks)
    with _lock:
        if key in _plans:
            _plans.move_to_end(key)
            return _plans[key][0]
    content = artefact_bytes(context, digest, artefact)
    if isinstance(content, Rejected):
        return content
    try:
        plan = tensor.load(content, tensor.LEDGER_LIMITS)
    except tensor.Unsupported as unsupported:
        return _unsupported(unsupported.problems)
    problems = (*plan.ledger_problems(), *_signature_problems(plan))
    if problems:
        return _unsupported(problems)
    with _lock:
        size = KERNEL_COPIES * plan.cost.memory + plan.cost.nodes * NODE_BYTES
        _plans[key] = plan, size
        while len(_plans) > 1 and sum(size for _, size in _plans.values()) > RESIDENT_BYTES:
            _plans.popitem(last=False)
    return plan


def tensor_specs(plan: tensor.Plan) -> tuple[records.TensorSpec, ...]:
    """A plan's inputs as state describes them."""
    return tuple(records.TensorSpec(spec.name, spec.dtype, spec.shape) for spec in plan.inputs)


def _signature_problems(plan: tensor.Plan) -> list[Problem]:
    """Why inputs and outputs are too many, or too long-winded, for the state to describe."""
    problems: list[Problem] = []
    for what, count in (("inputs", len(plan.inputs)), ("outputs", len(plan.outputs))):
        if count > MAX_VALUES:
            reason = f"it has {count} {what}, at most {MAX_VALUES} are allowed"
            problems.append(Problem("", "model", reason))
    described = len(encode((tensor_specs(plan), plan.outputs)))
    if described > MAX_SIGNATURE_BYTES:
        reason = f"names and shapes of its inputs and outputs take {described} bytes"
        problems.append(Problem("", "model", f"{reason}, at most {MAX_SIGNATURE_BYTES}"))
    return problems


def _unsupported(problems: tuple[Problem, ...]) -> Rejected:
    shown = "; ".join(str(problem) for problem in problems[:50])
    more = f"; and {len(problems) - 50} more" if len(problems) > 50 else ""
    return Rejected("MKT-4", "unsupported_model", f"the model cannot be planned: {shown}{more}")
