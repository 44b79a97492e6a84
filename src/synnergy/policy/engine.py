"""From a policy text to a compiled set, and from a request to a verdict.

Cedar is asked only what it was made sure to be able to answer: a text that `scanner` bounded, with
numbers it reads exactly. Whatever it does not answer with a clean yes is a no (POL-1, POL-2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from synnergy.policy import cedar
from synnergy.policy.digest import policy_digest
from synnergy.policy.entities import cedar_entities, entity_uid
from synnergy.policy.essence import ContextValue, Reader, Request
from synnergy.policy.reads import names_read
from synnergy.policy.scanner import ERROR_REASON, PolicyHead, scan
from synnergy.policy.texts import SCHEMA
from synnergy.policy.tokens import tokenize
from synnergy.rejected import Rejected
from synnergy.wire.codec import encode

__all__ = ["CompiledSet", "ContextValue", "Request", "Verdict", "compile_set", "decide"]

CACHED_VERDICTS = 16_384
MAX_PROBLEMS_SHOWN = 5
MAX_POLICIES_SHOWN = 8
MAX_PROBLEM_LENGTH = 300


class Verdict(msgspec.Struct, frozen=True):
    """The answer, the policies it follows from (sorted), and a sentence for people.

    Of a yes, `determining` names the permits; of a no, the forbids, or nothing where no permit
    applied, or `("error",)` where the policies could not be evaluated.
    """

    allowed: bool
    determining: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class CompiledSet:
    """A policy set that passed the scanner, Cedar's parser and strict validation.

    `verdicts` are those it gave so far, by the encoding of what it can read of a request.
    """

    text: str
    digest: bytes
    heads: tuple[PolicyHead, ...]
    reader: Reader
    policies: cedar.PolicySet
    schema: cedar.Schema
    verdicts: dict[bytes, Verdict] = field(default_factory=dict[bytes, Verdict])


def compile_set(text: str | bytes, schema_text: str = SCHEMA) -> CompiledSet | Rejected:
    """Scan, parse and validate a policy text against the schema (POL-4 to POL-10).

    Raises RuntimeError in a thread with too little stack (POL-12).
    """
    heads = scan(text)
    if isinstance(heads, Rejected):
        return heads
    source = text if isinstance(text, str) else text.decode()
    schema = cedar.parse_schema(schema_text)
    policies = cedar.parse_policies(source)
    if isinstance(policies, cedar.Problem):
        return Rejected("POL-9", "policy_parse", _locate_parse_error(heads, policies))
    if len(policies) != len(heads):
        return Rejected(
            "POL-9",
            "policy_parse",
            f"the text reads as {len(heads)} policies, but Cedar reads {len(policies)}",
        )
    problems = cedar.validate(source, schema)
    if problems:
        return Rejected("POL-10", "policy_invalid", _describe_invalid(heads, problems))
    tokens = tokenize(source)
    reads = None if isinstance(tokens, Rejected) else names_read(tokens)
    return CompiledSet(source, policy_digest(source), heads, Reader(reads), policies, schema)


def decide(compiled: CompiledSet, request: Request) -> Verdict:
    """The verdict of a policy set on a request; the same for the same content, always (POL-1)."""
    try:
        essence = compiled.reader.reduce(request)
        key = encode(essence)
    except UnicodeEncodeError:
        return _failure("the request can't be decided: a text in it is not Unicode")
    except (ValueError, OverflowError) as error:
        return _failure(f"the request can't be decided: {error}")
    verdict = compiled.verdicts.get(key)
    if verdict is None:
        verdict = _ask(compiled, essence)
        if len(compiled.verdicts) >= CACHED_VERDICTS:
            compiled.verdicts.clear()
        compiled.verdicts[key] = verdict
    return verdict


def _phrase(request: Request) -> cedar.Question:
    """The request in Cedar's words."""
    documents: list[dict[str, object]] = [
        {"uid": entity.uid, "attrs": entity.attributes, "parents": []}
        for entity in cedar_entities(request.principal, request.resource)
    ]
    resource = entity_uid(request.resource)
    return cedar.Question(
        principal=request.principal.address,
        action=request.action,
        resource_type=resource["type"],
        resource=resource["id"],
        entities=msgspec.json.encode(documents).decode(),
        context=msgspec.json.encode(request.context).decode(),
    )


def _ask(compiled: CompiledSet, request: Request) -> Verdict:
    question = _phrase(request)
    answer = cedar.ask(compiled.policies, compiled.schema, question)
    if answer is None:
        return _failure(
            "the request does not fit the policy schema: "
            f"{question.action} on {question.resource_type}"
        )
    if answer.failing:
        # Cedar skips a policy that fails, even a forbid. Here it denies (POL-2).
        names = sorted(compiled.heads[position].id for position in answer.failing)
        return _failure(f"the policy could not be evaluated: {_list(names, ', ')}")
    heads = _sorted_by_id(compiled.heads[position] for position in answer.determining)
    determining = tuple(head.id for head in heads)
    if answer.allowed and all(head.remark is not None for head in heads):
        return Verdict(False, (), _explain_default(compiled, question.action))  # POL-18
    if answer.allowed:
        return Verdict(True, determining, f"permitted by {_list(determining, ', ')}")
    if heads:
        return Verdict(False, determining, f"forbidden by {_advise(heads)}")
    return Verdict(False, (), _explain_default(compiled, question.action))


def _explain_default(compiled: CompiledSet, action: str) -> str:
    """What would have permitted the action (POL-3)."""
    permits = _sorted_by_id(
        head
        for head in compiled.heads
        if head.effect == "permit" and head.remark is None and head.covers(action)
    )
    if not permits:
        return f"no policy permits {action}"
    return f"no policy permits this {action}; what would: {_advise(permits)}"


def _sorted_by_id(heads: Iterable[PolicyHead]) -> list[PolicyHead]:
    return sorted(heads, key=lambda head: head.id)


def _advise(heads: list[PolicyHead]) -> str:
    names = [f"{head.id} ({head.advice})" if head.advice else head.id for head in heads]
    return _list(names, "; ")


def _list(names: Sequence[str], separator: str) -> str:
    """The first few; a message stays readable whatever the set."""
    shown = [*names[:MAX_POLICIES_SHOWN]]
    if len(names) > len(shown):
        shown.append(f"and {len(names) - len(shown)} more")
    return separator.join(shown)


def _failure(message: str) -> Verdict:
    return Verdict(False, (ERROR_REASON,), message)


def _locate_parse_error(heads: tuple[PolicyHead, ...], problem: cedar.Problem) -> str:
    """Name the first policy that does not parse on its own."""
    for head in heads:
        alone = cedar.parse_policies(head.source)
        if isinstance(alone, cedar.Problem):
            return f"policy {head.id} is not Cedar: {_shorten(alone.words)}"
    return f"the policy set is not Cedar: {_shorten(problem.words)}"


def _describe_invalid(heads: tuple[PolicyHead, ...], problems: tuple[cedar.Problem, ...]) -> str:
    names = {position: f"policy {head.id}" for position, head in enumerate(heads)}
    shown = [
        f"{names.get(problem.position, 'the policy set')}: {_shorten(problem.words)}"
        for problem in problems[:MAX_PROBLEMS_SHOWN]
    ]
    more = len(problems) - len(shown)
    return "; ".join([*shown, f"and {more} more"] if more else shown)


def _shorten(problem: str) -> str:
    """On one line, of a bounded length."""
    line = " ".join(problem.split())
    return line if len(line) <= MAX_PROBLEM_LENGTH else line[: MAX_PROBLEM_LENGTH - 1] + "…"
