"""Reads policy texts, one JSON string a line, and says of each what became of it; or dies trying.

Compilation and a decision run in a thread with the 1 MiB of stack that POL-12 asks for. The answer
is the code of the refusal, "accepted", or "differs" where Cedar reads other policies than the
scanner does.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import cedarpy

from synnergy.policy.engine import Request, compile_set, decide
from synnergy.policy.entities import WalletEntity
from synnergy.policy.scanner import scan
from synnergy.rejected import Rejected

STACK_BYTES = 1024 * 1024
CONTEXT = {"height": 1, "time": 2, "regulators": 3, "amount": 4}
PRINCIPAL = WalletEntity("w", True, jurisdiction="DE", roles=("a",), denials=1)
REQUEST = Request(PRINCIPAL, "transfer", WalletEntity("v"), CONTEXT)


def judge(text: str) -> str:
    heads = scan(text)
    if isinstance(heads, Rejected):
        return heads.code
    try:
        read = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError:
        return compile_in_thread(text)
    policies = [read["staticPolicies"][f"policy{position}"] for position in range(len(heads))]
    same = [(head.id, head.effect, head.advice, head.actions) for head in heads] == [
        (
            policy["annotations"]["id"],
            policy["effect"],
            policy["annotations"].get("advice", ""),
            actions(policy["action"]),
        )
        for policy in policies
    ]
    if read["templates"] or len(read["staticPolicies"]) != len(heads) or not same:
        return "differs"
    return compile_in_thread(text)


def actions(scope: dict[str, Any]) -> tuple[str, ...] | None:
    if scope["op"] == "All":
        return None
    named = [scope["entity"]] if "entity" in scope else scope["entities"]
    return tuple(sorted({entity["id"] for entity in named}))


def compile_in_thread(text: str) -> str:
    answers: list[str] = []

    def work() -> None:
        compiled = compile_set(text)
        if isinstance(compiled, Rejected):
            answers.append(compiled.code)
        else:
            decide(compiled, REQUEST)
            answers.append("accepted")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return answers[0] if answers else "raised"


def main() -> None:
    threading.stack_size(STACK_BYTES)
    sys.setrecursionlimit(20_000)
    for line in sys.stdin:
        print(judge(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
