"""What a model may cost before it is refused. TENSOR-30"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on a model file, its graph, and what running it may hold at once."""

    model_bytes: int = 256 << 20
    #: Nested messages and strings of the file: each costs many times its two bytes when parsed.
    fields: int = 3_000_000
    nodes: int = 20_000
    graph_depth: int = 4
    elements: int = 1 << 28
    rank: int = 32
    name_bytes: int = 1024
    #: Items of all list attributes together; bytes of any one string attribute.
    attribute_items: int = 1 << 24
    attribute_bytes: int = 1 << 20
    #: Bytes alive at once at the shapes checked, weights included.
    memory: int = 1 << 30
    #: Nodes visited by one shape inference, subgraph passes included.
    inferences: int = 200_000
    #: Constant folding in one specialisation: element operations and multiply-adds, functions
    #: counted FUNCTION_WEIGHT times. Enough for functions of 3 * 10^7 elements.
    folded_work: int = 1 << 32


#: For runs outside a ledger.
DEFAULT_LIMITS = Limits()

#: What every validator plans within: part of consensus, for what folds decides what is known.
LEDGER_LIMITS = Limits(folded_work=1 << 24)

#: How many element operations an evaluation of exp, sin, pow … takes, generously.
FUNCTION_WEIGHT = 32
