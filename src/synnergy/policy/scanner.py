"""The fence before Cedar: what a policy text may look like, and the head of each policy in it.

Cedar's parser recurses on the thread's stack without a limit of its own, its validator passes what
it has no stack left to check, and its evaluator answers "recursion limit reached" at a depth that
depends on the thread it runs on. None of the three may decide a block, so every text is bounded
here, by us, before Cedar sees it (POL-4 to POL-8).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from synnergy.policy.nesting import MAX_BRACKETS, check_nesting
from synnergy.policy.tokens import Token, decode_text, tokenize
from synnergy.rejected import Rejected

MAX_POLICIES = 256
MAX_ADVICE_BYTES = 512

ERROR_REASON = "error"
"""What a verdict names when the policy could not be evaluated; no policy may be called so."""

_POLICY_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ANNOTATIONS = ("id", "advice", "remark")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class PolicyHead:
    """What can be said of a policy without evaluating it.

    `actions` are the action names in its scope, sorted, or None where it speaks of every action;
    `source` is the policy's own text, from its first annotation to its semicolon. A permit with a
    `remark` grants nothing: a verdict names it where it holds (POL-18).
    """

    id: str
    effect: Literal["permit", "forbid"]
    advice: str
    remark: str | None
    actions: tuple[str, ...] | None
    source: str

    def covers(self, action: str) -> bool:
        """Whether the policy's scope includes `action`."""
        return self.actions is None or action in self.actions


def scan(text: str | bytes) -> tuple[PolicyHead, ...] | Rejected:
    """The policies of a text, in order, or why it is refused before Cedar sees it."""
    source = decode_text(text)
    if isinstance(source, Rejected):
        return source
    tokens = tokenize(source)
    if isinstance(tokens, Rejected):
        return tokens
    statements = _split_statements(tokens)
    if isinstance(statements, Rejected):
        return statements
    heads: dict[str, PolicyHead] = {}
    for statement in statements:
        head = _read_head(source, statement)
        if isinstance(head, Rejected):
            return head
        if head.id in heads:
            return _refuse("POL-6", "policy_id_repeated", statement[0], f"@id {head.id} again")
        nesting = check_nesting(statement, head.id)
        if nesting is not None:
            return nesting
        heads[head.id] = head
    return tuple(heads.values())


def _split_statements(tokens: Sequence[Token]) -> list[Sequence[Token]] | Rejected:
    """Cut at the semicolons outside brackets; brackets must pair up, 16 deep at most (POL-7)."""
    statements: list[Sequence[Token]] = []
    closing: list[str] = []
    start = 0
    for index, token in enumerate(tokens):
        if token.kind != "symbol":
            continue
        if token.text in _CLOSING:
            closing.append(_CLOSING[token.text])
            if len(closing) > MAX_BRACKETS:
                return _refuse(
                    "POL-7", "policy_brackets", token, f"brackets more than {MAX_BRACKETS} deep"
                )
        elif token.text in ")]}":
            if not closing or closing.pop() != token.text:
                return _refuse("POL-5", "policy_unreadable", token, f"a stray {token.text}")
        elif token.text == ";" and not closing:
            statements.append(tokens[start : index + 1])
            start = index + 1
            if len(statements) > MAX_POLICIES:
                return _refuse(
                    "POL-6", "policy_too_many", token, f"more than {MAX_POLICIES} policies"
                )
    if start < len(tokens):
        return _refuse("POL-5", "policy_unreadable", tokens[start], "a policy without an end")
    return statements


def _read_head(source: str, statement: Sequence[Token]) -> PolicyHead | Rejected:
    """Annotations, effect and scope of one policy (POL-6)."""
    annotations: dict[str, str] = {}
    index = 0
    while statement[index].text == "@":
        annotation = _read_annotation(statement[index : index + 5])
        if isinstance(annotation, Rejected):
            return annotation
        name, value = annotation
        if name in annotations:
            return _refuse("POL-6", "policy_annotation", statement[index], f"@{name} twice")
        annotations[name] = value
        index += 5
    effect = statement[index]
    if effect.text not in ("permit", "forbid"):
        return _refuse(
            "POL-5", "policy_unreadable", effect, f"{effect.text} in the place of permit or forbid"
        )
    identifier = annotations.get("id", "")
    if not _POLICY_ID.fullmatch(identifier) or identifier == ERROR_REASON:
        return _refuse(
            "POL-6",
            "policy_id",
            effect,
            'a policy without a good @id; write @id("a-name") before it: up to 64 of a-z, 0-9, '
            f"dot, dash, underscore, and not {ERROR_REASON}",
        )
    if effect.text == "forbid" and "remark" in annotations:
        return _refuse("POL-18", "policy_remark", effect, "a forbid that is a remark: it decides")
    actions = _read_actions(statement, index + 1)
    if isinstance(actions, Rejected):
        return actions
    return PolicyHead(
        id=identifier,
        effect="permit" if effect.text == "permit" else "forbid",
        advice=annotations.get("advice", ""),
        remark=annotations.get("remark"),
        actions=actions[0],
        source=source[statement[0].offset : statement[-1].end],
    )


def _read_annotation(tokens: Sequence[Token]) -> tuple[str, str] | Rejected:
    """`@id("…")`, `@advice("…")` or `@remark("…")`: five tokens, a plain string."""
    shape = [token.kind if token.kind != "symbol" else token.text for token in tokens]
    if shape != ["@", "name", "(", "string", ")"] or tokens[1].text not in _ANNOTATIONS:
        return _refuse(
            "POL-6",
            "policy_annotation",
            tokens[0],
            'an annotation other than @id("…"), @advice("…") and @remark("…")',
        )
    value = tokens[3].content
    if "\\" in value or len(value.encode()) > MAX_ADVICE_BYTES:
        return _refuse(
            "POL-6",
            "policy_annotation",
            tokens[3],
            f"an annotation with a backslash or more than {MAX_ADVICE_BYTES} bytes",
        )
    return tokens[1].text, value


def _read_actions(
    statement: Sequence[Token], start: int
) -> tuple[tuple[str, ...] | None] | Rejected:
    """The action names in the scope `(principal …, action …, resource …)`, in a 1-tuple."""
    if statement[start].text != "(":
        return _refuse("POL-5", "policy_unreadable", statement[start], "a policy without a scope")
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in statement[start:]:
        if token.kind == "symbol" and token.text in _CLOSING:
            depth += 1
        elif token.kind == "symbol" and token.text in ")]}":
            depth -= 1
            if depth == 0:
                break
        if token.text == "," and depth == 1:
            parts.append([])
        elif not (token.text == "(" and depth == 1):
            parts[-1].append(token)
    if [part[0].text if part else "" for part in parts] != ["principal", "action", "resource"]:
        return _refuse(
            "POL-5",
            "policy_unreadable",
            statement[start],
            "a scope other than (principal …, action …, resource …)",
        )
    strings = [token for part in parts for token in part if token.kind == "string"]
    escaped = next((token for token in strings if "\\" in token.text), None)
    if escaped is not None:
        return _refuse("POL-6", "policy_scope", escaped, "a backslash in a policy's scope")
    if len(parts[1]) == 1:
        return (None,)
    names = {token.content for token in parts[1] if token.kind == "string"}
    return (tuple(sorted(names)),)


def _refuse(rule: str, code: str, token: Token, problem: str) -> Rejected:
    return Rejected(rule, code, f"line {token.line} of the policy text has {problem}")
