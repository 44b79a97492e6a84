"""The one place that calls Cedar; its answers leave here as plain, typed, ordered values.

Cedar runs on the stack of the calling thread. What `scanner` accepts needs less than 1 MiB; where
there is less, these functions raise RuntimeError, for a node must stop rather than answer
differently from the others (POL-12).
"""

# cedarpy's dictionaries carry no element types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import cedarpy

from synnergy.policy.nesting import MAX_DEPTH

CACHED_ENTITIES = 4_096

PolicySet = cedarpy.PolicySet
Schema = cedarpy.Schema

_RECURSION = "recursion limit reached"
_POSITION = re.compile(r"`policy(\d+)`")
_PREFIX = re.compile(r"for policy `policy\d+`, ")
_DEEPEST = "permit (principal, action, resource) when {{ {} == 1 }};".format(
    "-".join(["1", *["0"] * MAX_DEPTH])
)


class Problem(NamedTuple):
    """What is wrong with a policy: its position in the text, or -1, and Cedar's words for it."""

    position: int
    words: str


class Question(NamedTuple):
    """A request in Cedar's words; `entities` and `context` are JSON."""

    principal: str
    action: str
    resource_type: str
    resource: str
    entities: str
    context: str


class Answer(NamedTuple):
    """The policies, by position, that made the decision, and those that failed; both ascending."""

    allowed: bool
    determining: tuple[int, ...]
    failing: tuple[int, ...]


@lru_cache(maxsize=8)
def parse_schema(schema_text: str) -> Schema:
    """Raises ValueError for a schema that Cedar does not accept: it is our own text, so a bug."""
    return cedarpy.Schema.from_str(schema_text)


def parse_policies(source: str) -> PolicySet | Problem:
    """The policies of a text that the scanner accepted, or why they are not Cedar."""
    try:
        return cedarpy.PolicySet.from_str(source)
    except ValueError as error:
        _stop_without_stack(str(error))
        return Problem(-1, str(error))


def validate(source: str, schema: Schema) -> tuple[Problem, ...]:
    """Everything that strict validation objects to, sorted: Cedar reports it in no fixed order."""
    # Cedar's validator passes, silently, what it has no stack left to check.
    deepest = cedarpy.is_authorized(
        {"principal": 'A::"a"', "action": 'Action::"a"', "resource": 'A::"a"'}, _DEEPEST, "[]"
    )
    if not deepest.allowed:
        _stop_without_stack(_RECURSION)
    result = cedarpy.validate_policies(source, schema)
    problems = {
        Problem(int(error.policy_id.removeprefix("policy") or -1), _PREFIX.sub("", error.error))
        for error in result.errors
    }
    if not result.validation_passed and not problems:
        problems = {Problem(-1, "validation failed")}
    return tuple(sorted(problems))


def ask(policies: PolicySet, schema: Schema, question: Question) -> Answer | None:
    """Cedar's answer, or None where the request does not fit the schema."""
    try:
        result = cedarpy.is_authorized(
            {
                "principal": {"type": "Wallet", "id": question.principal},
                "action": {"type": "Action", "id": question.action},
                "resource": {"type": question.resource_type, "id": question.resource},
                "context": question.context,
            },
            policies,
            _parse_entities(question.entities, schema),
            schema,
        )
    except ValueError:
        return None
    errors = result.diagnostics.errors
    for error in errors:
        _stop_without_stack(error)
    if result.decision is cedarpy.Decision.NoDecision:
        return None
    return Answer(
        allowed=result.allowed,
        determining=_positions(f"`{name}`" for name in result.diagnostics.reasons),
        failing=_positions(errors),
    )


@lru_cache(maxsize=CACHED_ENTITIES)
def _parse_entities(entities: str, schema: Schema) -> cedarpy.Entities:
    return cedarpy.Entities.from_json_str(entities, schema)


def _positions(texts: Iterable[str]) -> tuple[int, ...]:
    """Cedar calls the policies of a text policy0, policy1 and so on."""
    return tuple(sorted(int(_POSITION.findall(text)[0]) for text in texts))


def _stop_without_stack(problem: str) -> None:
    if _RECURSION in problem:
        raise RuntimeError("this thread has too little stack for Cedar; give it 1 MiB or more")
