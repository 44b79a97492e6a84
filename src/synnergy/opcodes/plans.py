"""Plans of published models, cached by digest; a pure function of the artefact's bytes."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from synnergy import tensor
from synnergy.opcodes.context import Context
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.tensor.types import Problem

#: Weights stay resident for this many models.
CACHED_PLANS = 8

_plans: OrderedDict[bytes, tensor.Plan] = OrderedDict()
_lock = threading.Lock()


def artefact_bytes(context: Context, artefact: records.Artefact) -> bytes:
    """The file that a complete artefact's chunks make up. Missing content is corruption."""
    parts: list[bytes] = []
    for chunk in artefact.chunks:
        payload = context.payload(chunk)
        if payload is None:
            raise LookupError(f"chunk {chunk.hex()} is recorded but not stored")
        parts.append(payload.content)
    return b"".join(parts)


def load_plan(context: Context, digest: bytes) -> tensor.Plan | Rejected:
    """The checked plan of a complete artefact, or every reason why there can be none (MKT-4)."""
    with _lock:
        if digest in _plans:
            _plans.move_to_end(digest)
            return _plans[digest]
    artefact = records.artefacts.load(context.journal, digest)
    if artefact is None or artefact.received < len(artefact.chunks):
        return Rejected(
            "MKT-3", "upload_incomplete", f"the file {digest.hex()} is not completely uploaded"
        )
    content = artefact_bytes(context, artefact)
    if len(content) != artefact.size or hashlib.sha256(content).digest() != digest:
        return Rejected(
            "MKT-3", "wrong_digest", f"the uploaded chunks are not the file {digest.hex()}"
        )
    try:
        plan = tensor.load(content)
    except tensor.Unsupported as unsupported:
        return _unsupported(unsupported.problems)
    problems = plan.ledger_problems()
    if problems:
        return _unsupported(problems)
    if plan.cost.memory > context.schedule.limits["memory_bytes"].gas:
        return Rejected(
            "INF-5",
            "too_much_memory",
            f"one row needs {plan.cost.memory} bytes,"
            f" at most {context.schedule.limits['memory_bytes'].gas} are allowed",
        )
    with _lock:
        _plans[digest] = plan
        while len(_plans) > CACHED_PLANS:
            _plans.popitem(last=False)
    return plan


def _unsupported(problems: tuple[Problem, ...]) -> Rejected:
    shown = "; ".join(str(problem) for problem in problems[:50])
    more = f"; and {len(problems) - 50} more" if len(problems) > 50 else ""
    return Rejected("MKT-4", "unsupported_model", f"the model cannot be planned: {shown}{more}")
