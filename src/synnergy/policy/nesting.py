"""How deep a policy's expressions can nest, bounded from its tokens alone (POL-7, POL-8).

The bound is an upper one: every operator within an operand is counted as if each stood below the
one before. That needs no expression parser, so there is nothing here that a text could drive deep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synnergy.policy.tokens import Token
from synnergy.rejected import Rejected

MAX_BRACKETS = 16
MAX_IFS = 64
MAX_DEPTH = 128
"""Cedar's evaluator takes 4.7 kB of stack a level: 128 levels run in a thread of 1 MiB."""
MAX_UNARY = 4
MAX_PATH = 16
"""`has a.b.c` is checked in time quadratic in its length."""
MAX_STRING_BYTES = 1024
MAX_PATTERN_BYTES = 128
"""`like` takes time proportional to the product of pattern and string."""
MAX_INTEGER = 2**53 - 1

_OPERATORS = {
    **dict.fromkeys(["==", "<", "<=", "+", "-", "*", "!", ".", "::"], 1),
    **dict.fromkeys(["has", "like", "in", "is", "when"], 1),
    # Cedar reads these as the negation of another operator: two levels.
    **dict.fromkeys(["!=", ">", ">=", "unless"], 2),
}
_JOINTS = frozenset(["&&", "||", "if"])
_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")
_BRANCHES = frozenset(["then", "else"])
_BORDERS = _BRANCHES | {",", "&&", "||"}
_BEFORE_IF = _OPENING | _BRANCHES | {",", ":", "if"}
_NO_OPERAND = frozenset(["has", "like", "in", "is", "if", "then", "else", "when", "unless"])


@dataclass(slots=True)
class _Frame:
    """One pair of brackets: its joints, its deepest finished operand, and the open operand."""

    joints: int = 0
    deepest: int = 0
    operators: int = 0
    inner: int = 0

    def end_operand(self) -> None:
        self.deepest = max(self.deepest, self.operators + self.inner)
        self.operators = self.inner = 0

    def depth(self) -> int:
        return self.joints + max(self.deepest, self.operators + self.inner)


def expression_depth(statement: Sequence[Token]) -> int:
    """An upper bound on the height of the expression tree of one policy.

    `&&`, `||` and `if` bind loosest, so within brackets they form a tree of at most as many levels
    as there are of them, over operands that are each at most as deep as their operators together.
    Brackets must pair up, and `if`, `then` and `else` must stand where `_check_ifs` wants them.
    """
    frames = [_Frame()]
    for token in statement:
        frame = frames[-1]
        if token.text in _OPENING:
            frames.append(_Frame())
        elif token.text in _CLOSING:
            inner = frames.pop().depth() + 1
            frames[-1].inner = max(frames[-1].inner, inner)
        else:
            if token.text in _BORDERS:
                frame.end_operand()
            frame.joints += token.text in _JOINTS
            frame.operators += _OPERATORS.get(token.text, 0)
    return frames[0].depth()


def check_nesting(statement: Sequence[Token], policy_id: str) -> Rejected | None:
    """Refuse a policy too deep, too long-winded or too large in its numbers and strings."""
    problem = (
        _check_ifs(statement)
        or _check_runs(statement)
        or _check_literals(statement)
        or _check_depth(statement)
    )
    if problem is None:
        return None
    rule, code, sentence = problem
    return Rejected(rule, code, f"policy {policy_id}: {sentence}")


_Problem = tuple[str, str, str]


def _check_depth(statement: Sequence[Token]) -> _Problem | None:
    depth = expression_depth(statement)
    if depth <= MAX_DEPTH:
        return None
    return (
        "POL-7",
        "policy_depth",
        f"its operators nest up to {depth} deep, at most {MAX_DEPTH} are accepted; split it",
    )


def _check_ifs(statement: Sequence[Token]) -> _Problem | None:
    """At most 64 `if`; the three words only where Cedar's conditional has them.

    As names of attributes, keys or types they would pass for the borders of branches and make the
    bound on the depth too low.
    """
    count = 0
    for before, token, after in zip(statement, statement[1:], statement[2:], strict=False):
        if token.text == "if":
            count += 1
            misplaced = before.text not in _BEFORE_IF
        elif token.text in _BRANCHES:
            misplaced = before.text in _NO_OPERAND or (
                before.kind == "symbol" and before.text not in _CLOSING
            )
        else:
            continue
        if misplaced or after.text in (":", "::"):
            return (
                "POL-7",
                "policy_if_misplaced",
                f"line {token.line} has {token.text} where no conditional can have it; put the "
                "conditional in brackets, or call the attribute something else",
            )
    if count <= MAX_IFS:
        return None
    return "POL-7", "policy_ifs", f"it has {count} ifs, at most {MAX_IFS} are accepted"


def _check_runs(statement: Sequence[Token]) -> _Problem | None:
    """Runs of `!` or `-` (4), and chains of attributes, indices and names (16)."""
    unary = 0
    paths = [0]
    for token in statement:
        unary = unary + 1 if token.text in ("!", "-") else 0
        if unary > MAX_UNARY:
            return (
                "POL-7",
                "policy_unary",
                f"line {token.line} has more than {MAX_UNARY} of ! or - in a row",
            )
        if token.text in _OPENING:
            paths[-1] += token.text == "["
            paths.append(0)
        elif token.text in _CLOSING:
            paths.pop()
        elif token.text in (".", "::"):
            paths[-1] += 1
        elif token.text in _BORDERS or token.text in _OPERATORS:
            paths[-1] = 0
        if paths[-1] > MAX_PATH:
            return (
                "POL-7",
                "policy_path",
                f"line {token.line} has a path of more than {MAX_PATH} members",
            )
    return None


def _check_literals(statement: Sequence[Token]) -> _Problem | None:
    """Integers below 2^53, strings of at most 1,024 bytes, patterns of at most 128 (POL-8)."""
    before = ""
    for token in statement:
        # The length is compared first: int() of very many digits raises.
        if token.kind == "number" and (len(token.text) > 16 or int(token.text) > MAX_INTEGER):
            return "POL-8", "policy_integer", f"line {token.line} has an integer of 2^53 or more"
        if token.kind == "string":
            limit = MAX_PATTERN_BYTES if before == "like" else MAX_STRING_BYTES
            if len(token.content.encode()) > limit:
                return (
                    "POL-8",
                    "policy_string",
                    f"line {token.line} has a string of more than {limit} bytes",
                )
        before = token.text
    return None
