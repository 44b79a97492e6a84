"""Hostile texts, judged in another process: one that ends it, or hangs it, fails the test."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synnergy.policy.scanner import scan
from synnergy.policy.texts import DEFAULT_SET

from .support import policy

WORKER = Path(__file__).with_name("hostile_worker.py")
PATIENCE_SECONDS = 120


class Worker:
    """A process that judges texts; it must outlive all of them."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.answers.put(line.strip())
        self.answers.put("died")

    def judge(self, text: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(text) + "\n")
        self.process.stdin.flush()
        answer = self.answers.get(timeout=PATIENCE_SECONDS)
        assert answer not in ("died", "raised", "differs"), text
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.end()


def test_what_the_fence_is_for() -> None:
    """Without the scanner 1.4 kB of brackets end the process."""
    code = "import cedarpy, sys; cedarpy.PolicySet.from_str(sys.argv[1])"
    text = policy("(" * 700 + "true" + ")" * 700)
    assert subprocess.run([sys.executable, "-c", code, text], check=False).returncode < 0


REGISTERED = "principal.registered"
FALSE = "!principal.registered"
DENIALS = "principal.denials"


def _chain(operator: str, part: str, end: str = ""):
    return lambda size: policy(f" {operator} ".join([part] * size) + end)


def _nest(before: str, core: str, after: str, end: str = ""):
    return lambda size: policy(before * size + core + after * size + end)


def _right(operator: str, part: str, end: str = ""):
    """`part op (part op (…))`, the operators shared out over fourteen brackets."""

    def build(size: int) -> str:
        text, left = part, size
        while left > 0:
            links = min(left, max(1, -(-size // 14)))
            text = f" {operator} ".join([part] * links + [f"({text})"])
            left -= links
        return policy(text + end)

    return build


def _clauses(word: str, condition: str):
    return lambda size: (
        '@id("a") permit (principal, action, resource)' + f" {word} {{{condition}}}" * size + ";"
    )


DEEPEST = {
    "and": _chain("&&", REGISTERED),
    "or": _chain("||", FALSE),
    "plus": _chain("+", DENIALS, " == 1"),
    "minus": _chain("-", "1", f" == {DENIALS}"),
    "times": _chain("*", "1", f" == {DENIALS}"),
    "not-equal": _chain("&&", f"{DENIALS} != 5"),
    "greater": _chain("&&", f"{DENIALS} > -5"),
    "like": _chain("&&", 'principal.jurisdiction like "*"'),
    "in": _chain("&&", 'principal in Wallet::"w"'),
    "is-in": _chain("&&", 'principal is Wallet in Wallet::"w"'),
    "has": _chain("&&", "{a: {a: {a: 1}}} has a.a.a"),
    "extension": _chain("&&", 'ip("127.0.0.1").isLoopback()'),
    "contains": _chain("&&", 'principal.roles.contains("a")'),
    "if-then": _nest(f"if {REGISTERED} then ", "true", " else false"),
    "if-else": _nest(f"if {FALSE} then false else ", "true", ""),
    "if-condition": _nest("if ", REGISTERED, " then true else false"),
    "brackets": _nest("(", REGISTERED, ")"),
    "not-brackets": _nest("!!!!(", REGISTERED, ")"),
    "minus-brackets": _nest("----(", DENIALS, ")", " == 1"),
    "sets": _nest("[", "1", "]", " == " + "[" * 15 + "1" + "]" * 15),
    "record-path": lambda size: policy(
        "{a:" * size + DENIALS + "}" * size + ".a" * size + " == 1"
    ),
    "record-has": lambda size: policy(
        "{a:" * size + DENIALS + "}" * size + " has a" + ".a" * (size - 1)
    ),
    "right-and": _right("&&", REGISTERED),
    "right-plus": _right("+", DENIALS, " == 1"),
    "right-times": _right("*", "1", f" == {DENIALS}"),
    "when": _clauses("when", REGISTERED),
    "unless": _clauses("unless", FALSE),
    "if-plus": lambda size: policy(
        "if " * 64 + " + ".join(["1"] * size) + f" == {DENIALS}" + " then true else false" * 64
    ),
}


SHALLOW_STACK = """
import sys, threading
from synnergy.policy.engine import Request, compile_set, decide
from synnergy.policy.entities import LedgerEntity, WalletEntity

deep = compile_set(sys.argv[1])
asked = Request(WalletEntity("w", True), "upload", LedgerEntity(),
                {"height": 1, "time": 2, "regulators": 3})

def attempt(name, work):
    try:
        print(name, work())
    except RuntimeError as error:
        print(name, error)

def attempts():
    attempt("compile", lambda: compile_set(""))
    attempt("decide", lambda: decide(deep, asked))

threading.stack_size(384 * 1024)
thread = threading.Thread(target=attempts)
thread.start()
thread.join()
print("later", decide(deep, asked).allowed)
"""


def test_a_node_without_stack_stops() -> None:  # POL-12
    """It neither passes a set unchecked nor denies what others allow, nor remembers a failure."""
    text = DEEPEST["and"](120)
    ran = subprocess.run(
        [sys.executable, "-c", SHALLOW_STACK, text], capture_output=True, text=True, check=True
    )
    problem = "this thread has too little stack for Cedar; give it 1 MiB or more"
    assert ran.stdout.splitlines() == [f"compile {problem}", f"decide {problem}", "later True"]


@pytest.mark.parametrize("construct", DEEPEST)
def test_the_deepest_texts_accepted_are_decided(construct: str, worker: Worker) -> None:  # POL-12
    build = DEEPEST[construct]
    accepted = [size for size in range(1, 140) if isinstance(scan(build(size)), tuple)]
    assert accepted and len(accepted) < 139
    assert worker.judge(build(max(accepted))) == "accepted"
    for size in (max(accepted) + 1, 200, 1000):
        assert worker.judge(build(size)).startswith("policy_")


LARGEST = {
    "one-set": policy("[" + ",".join(f'"{n}"' for n in range(9000)) + "].containsAny([])"),
    "sets-in-a-set": policy("[" + ",".join(f"[{n}]" for n in range(6000)) + "].contains([1])"),
    "one-record": policy("{" + ",".join(f"a{n}:{n}" for n in range(6000)) + "}.a5 == 5"),
    "records": policy("[" + ",".join(f"{{a:{n}}}" for n in range(6000)) + "].contains({a:1})"),
    "odd-records": policy("[" + ",".join(f"{{a{n}:1}}" for n in range(5000)) + "].isEmpty()"),
    "entities": policy("principal in [" + ",".join(['Wallet::"w"'] * 5000) + "]"),
    "actions": '@id("a") permit (principal, action in ['
    + ",".join(['Action::"buy"'] * 4500)
    + "], resource);",
    "patterns": policy(
        " || ".join(['"' + "a" * 1000 + '" like "' + "*a" * 62 + '*b"'] * 55),
    ),
    "unknown-attributes": "".join(
        policy(" && ".join(["principal.zz"] * 15), name=f"p{n}") for n in range(220)
    ),
    "long-name": policy("principal." + "z" * 64_000),
    "commas": policy("[" + "," * 60_000 + "]"),
    "colons": policy(":" * 60_000),
    "semicolons": ";" * 60_000,
    "annotations": '@id("a")' * 8000,
    "quotes": '"' * 60_001,
    "backslashes": '"' + "\\" * 60_000 + '"',
    "comment": "//" * 32_000,
    "digits": policy("1" * 60_000),
    "opening": "{" * 60_000,
    "closing": "}" * 60_000,
}


@pytest.mark.parametrize("text", LARGEST.values(), ids=LARGEST.keys())
def test_the_largest_texts_are_judged(text: str, worker: Worker) -> None:
    assert len(text) <= 65_536
    assert worker.judge(text)


VOCABULARY = """
    permit forbid when unless if then else has like in is true false principal action resource
    context ( ) { } [ ] , ; : :: . @ ! - + * < <= > >= == != && || = / % & | ? ?principal
    @id("a") @id("b") @advice("x") "a" "*" "\\"" " // 1 0 9007199254740991 9007199254740992
    Wallet::"w" Action::"buy" .registered .roles .denials .contains( ip("1.1.1.1") decimal("1.0")
    (principal,action,resource) permit(principal,action,resource) {true}
"""
WORDS = VOCABULARY.split()
SOUP = st.lists(st.sampled_from([*WORDS, "\n", "\r", "//\r", "é", "\\", "\t"]), max_size=60).map(
    " ".join
)
BODY = st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join)
IN_A_POLICY = BODY.map(policy)


def _grow(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(smaller, st.sampled_from(["&&", "||"]), smaller).map(" ".join),
        st.tuples(smaller, smaller, smaller).map("if {0[0]} then {0[1]} else ({0[2]})".format),
        smaller.map("({})".format),
        smaller.map("!({})".format),
        smaller.map("[{}].contains(true)".format),
        smaller.map("{{a: {0}, b: {0}}}.a".format),
        st.tuples(smaller, smaller).map("({0[0]}) == ({0[1]})".format),
    )


TYPED = st.recursive(
    st.sampled_from(
        [
            "true",
            REGISTERED,
            f"{DENIALS} * 9007199254740991 * 4096 > 1",
            'principal.roles.contains("a")',
            'resource is Wallet && resource.frozen || resource has "denials"',
            'principal.jurisdiction like "D\\*"',
            "context.height - 9 < 0",
            'Wallet::"nobody".frozen',
        ]
    ),
    _grow,
    max_leaves=40,
).map(policy)


@st.composite
def _damaged(draw: st.DrawFn) -> str:
    """The default set with a piece cut out, repeated many times, or put elsewhere."""
    start, end, place = (draw(st.integers(0, len(DEFAULT_SET))) for _ in range(3))
    start, end = min(start, end), max(start, end)
    piece = DEFAULT_SET[start : min(end, start + 200)]
    times = draw(st.sampled_from([0, 1, 2, 30, 300]))
    rest = DEFAULT_SET[:start] + DEFAULT_SET[start + len(piece) :]
    return rest[:place] + piece * times + rest[place:]


@given(text=st.one_of(SOUP, IN_A_POLICY, TYPED, _damaged(), st.text()))
@settings(
    max_examples=700,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_text_ends_the_process(text: str, worker: Worker) -> None:
    """And where Cedar reads a text, it reads the policies that the scanner reported (POL-9)."""
    assert worker.judge(text)
