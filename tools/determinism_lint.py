"""Bans what could make two validators disagree from the packages that decide state (DET-1).

Banned: clock, randomness, environment, network, locale, `hash()` and `id()`, iteration over sets,
and floating point. `tensor/` may use floats, by its own written rules. The named seams, where the
outside may enter, are `engines/`, `api/`, `client/`, `cli/`, `demo/` and the lines in ALLOWED.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "src" / "synnergy"
CONSENSUS = (
    "wire",
    "identity",
    "policy",
    "gas",
    "vm",
    "opcodes",
    "tensor",
    "state",
    "receipts",
    "chain",
)
FILES = ("pipeline.py", "rejected.py")
FLOATS_ALLOWED = ("tensor",)

BANNED_MODULES = {
    "asyncio", "datetime", "getpass", "http", "httpx", "locale", "math", "multiprocessing", "os",
    "platform", "random", "requests", "secrets", "select", "signal", "socket", "subprocess",
    "tempfile", "time", "urllib", "uuid", "zoneinfo",
}  # fmt: skip
#: Of `math`, whose transcendental functions are the platform's, tensor/ may use what is exact.
EXACT_MATH = {
    "ceil", "comb", "copysign", "factorial", "floor", "frexp", "gcd", "inf", "isfinite",
    "isinf", "isnan",
    "isqrt", "lcm", "ldexp", "nan", "prod", "sqrt", "trunc",
}  # fmt: skip
BANNED_CALLS = {"hash", "id", "input", "vars", "globals"}
#: (file, module): a seam, and why it decides nothing.
ALLOWED = {
    ("state/store.py", "os"): "the store's own files and lock",
    ("state/store.py", "/"): "joins paths",
    ("chain/replay.py", "tempfile"): "a replay's scratch store",
}


def problems_in(path: Path) -> Iterator[str]:
    """One line for each banned construct of a file."""
    name = path.relative_to(ROOT).as_posix()
    tree = ast.parse(path.read_text("utf-8"), filename=str(path))
    floats = name.split("/")[0] in FLOATS_ALLOWED
    for node in ast.walk(tree):
        for problem in _problems(node, name, floats):
            yield f"src/synnergy/{name}:{getattr(node, 'lineno', 0)}: {problem}"
    yield from (f"src/synnergy/{name}:{line}: {what}" for line, what in _set_iterations(tree))


def _problems(node: ast.AST, name: str, floats: bool) -> Iterator[str]:
    if isinstance(node, ast.Import):
        modules = [alias.name.split(".")[0] for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        modules = [(node.module or "").split(".")[0]]
    else:
        modules = []
    if floats and modules == ["math"]:
        modules = []
        if isinstance(node, ast.ImportFrom):
            inexact = sorted({alias.name for alias in node.names} - EXACT_MATH)
            yield from (f"imports the platform's {name}()" for name in inexact)
    of_math = (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "math"
    )
    if of_math and node.attr not in EXACT_MATH:
        yield f"uses the platform's math.{node.attr}"
    for module in modules:
        if module in BANNED_MODULES and (name, module) not in ALLOWED:
            yield f"imports {module}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in BANNED_CALLS:
            yield f"calls {node.func.id}()"
        if node.func.id == "float" and not floats:
            yield "makes a float"
    if floats:
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
        yield f"has the float {node.value}"
    is_division = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
    if is_division and not _joins_path(node) and (name, "/") not in ALLOWED:
        yield "divides with / (use //)"


def _joins_path(node: ast.AST) -> bool:
    right = node.right if isinstance(node, ast.BinOp) else None
    return isinstance(right, ast.Constant) and isinstance(right.value, str)


def _set_iterations(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Loops over, and ordered collections made from, something that is visibly a set."""
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        sets = {
            target.id
            for statement in _own_nodes(scope)
            if isinstance(statement, ast.Assign) and _is_set(statement.value, set())
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        for node in _own_nodes(scope):
            iterated: list[ast.expr] = []
            if isinstance(node, ast.For | ast.comprehension):
                iterated = [node.iter]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ("list", "tuple", "enumerate", "iter", "next", "zip", "map"):
                    iterated = list(node.args)
            elif isinstance(node, ast.Starred):
                iterated = [node.value]
            for expression in iterated:
                if _is_set(expression, sets) and not _feeds_a_set(node, tree):
                    yield expression.lineno, "iterates over a set (sort it first)"


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope without those of functions defined inside it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _own_nodes(child)


def _is_set(node: ast.expr, sets: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Name):
        return node.id in sets
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("set", "frozenset")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.BitOr | ast.BitAnd):
        return _is_set(node.left, sets) and _is_set(node.right, sets)
    return False


def _feeds_a_set(node: ast.AST, tree: ast.AST) -> bool:
    """Whether the order is lost at once: `{*a, *b}`, `{x for x in s}`, any, all, sorted, sum."""
    for parent in ast.walk(tree):
        if isinstance(parent, ast.Set) and node in parent.elts:
            return True
        if isinstance(parent, ast.SetComp) and node in parent.generators:
            return True
        if (
            isinstance(parent, ast.Call)
            and isinstance(parent.func, ast.Name)
            and parent.func.id in ("any", "all", "sorted", "sum", "min", "max", "set", "frozenset")
            and any(
                isinstance(argument, ast.GeneratorExp | ast.ListComp)
                and node in argument.generators
                for argument in parent.args
            )
        ):
            return True
    return False


def main() -> int:
    files = [ROOT / name for name in FILES]
    for package in CONSENSUS:
        files += sorted((ROOT / package).rglob("*.py"))
    problems = sorted({problem for path in files for problem in problems_in(path)})
    for problem in problems:
        print(problem)
    print(f"determinism: {len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
