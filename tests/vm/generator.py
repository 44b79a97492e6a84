"""Random programs that the verifier must accept: a walk that tracks heights and labels.

It also writes code after unconditional branches, where operands may be missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from synnergy.vm import catalogue
from synnergy.vm.program import Function, Program, Segment, function

from .support import ENVIRONMENT, const, core, get, put

EDGES = (0, 1, 2, 7, 8, 63, 64, 65, 255, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
#: Opcodes that need nothing but operands; GAS_LEFT is left to those who ask for it.
PLAIN = (
    *(
        (opcode.name.removeprefix("CORE_"), opcode.pops, opcode.pushes)
        for opcode in catalogue.core()
        if opcode.name.startswith("CORE_I64_")
        and not any(word in opcode.name for word in ("CONST", "LOAD", "STORE"))
    ),
    *(("SELECT", 3, 1), ("DROP", 1, 0), ("NOP", 0, 0)),
)
NULLARY = ("MEMORY_SIZE", "INPUT_SIZE", "BLOCK_HEIGHT", "BLOCK_TIME")
LOADS = ("LOAD8_U", "LOAD8_S", "LOAD16_U", "LOAD16_S", "LOAD32_U", "LOAD32_S", "LOAD64")
STORES = ("STORE8", "STORE16", "STORE32", "STORE64")
RANGES = ("MEMORY_COPY", "MEMORY_FILL", "SHA256", "INPUT_COPY")
#: Where every program's data has a text that names events, and an address.
NAME, ADDRESS = 8_192, 8_192 + 64
TEXT = b"an.event_name-0123456789".ljust(64, b"z") + ENVIRONMENT.origin.encode()
#: Addresses and lengths are taken modulo these powers of two, mostly within what is allowed.
CONTRACT = {
    "STORAGE_READ": (32, 4, 512, 1024),
    "STORAGE_WRITE": (32, 4, 512, 128),
    "EVENT": (0, 64, 512, 256),
    "SELF": (512,),
    "CALLER": (512,),
    "ORIGIN": (512,),
    "BALANCE": (0, 0),
}


@dataclass
class _Scope:
    height: int
    results: int
    arity: int
    dead: bool = False


class _Walk:
    def __init__(
        self, random: Random, signatures: list[tuple[int, int]], locals: int, results: int
    ) -> None:
        self.random = random
        self.signatures = signatures
        self.locals = locals
        self.height = 0
        self.scopes = [_Scope(0, results, results)]
        self.code: list[bytes] = []
        self.budget = random.randint(5, 70)

    def operands(self, count: int) -> None:
        """Make sure that `count` operands can be popped."""
        scope = self.scopes[-1]
        while self.height - scope.height < count and not (
            scope.dead and self.random.random() < 0.5
        ):
            self.value()

    def emit(self, code: bytes, pops: int, pushes: int) -> None:
        self.code.append(code)
        self.height = max(self.height - pops, self.scopes[-1].height) + pushes

    def value(self) -> None:
        choice = self.random.random()
        if choice < 0.45 and self.locals:
            self.emit(get(self.random.randrange(self.locals)), 0, 1)
        elif choice < 0.9:
            self.emit(const(self.constant()), 0, 1)
        else:
            self.emit(core(self.random.choice(NULLARY)), 0, 1)

    def constant(self) -> int:
        kind = self.random.random()
        if kind < 0.5:
            return self.random.choice(EDGES)
        return self.random.getrandbits(self.random.choice((3, 8, 16, 64)))

    def address(self) -> None:
        """Bring the operand on top within the first 4 KiB, mostly."""
        if self.random.random() < 0.93:
            self.operands(1)
            self.emit(const(0xFFF), 0, 1)
            self.emit(core("I64_AND"), 2, 1)

    def step(self) -> None:
        self.budget -= 1
        choice = self.random.random()
        if choice < 0.42:
            name, pops, pushes = self.random.choice(PLAIN)
            self.operands(pops)
            self.emit(core(name), pops, pushes)
        elif choice < 0.56 and self.locals:
            name = self.random.choice(("LOCAL_SET", "LOCAL_TEE"))
            self.operands(1)
            index = self.random.randrange(self.locals)
            self.emit(core(name, index), 1, int(name == "LOCAL_TEE"))
        elif choice < 0.64:
            self.memory()
        elif choice < 0.66:
            self.contract()
        elif choice < 0.71:
            self.call()
        elif choice < 0.82:
            self.branch()
        else:
            self.construct()

    def memory(self) -> None:
        choice = self.random.random()
        offset = self.random.choice((0, 1, 8, 300))
        if choice < 0.45:
            self.operands(1)
            self.address()
            self.emit(core("I64_" + self.random.choice(LOADS), offset), 1, 1)
        elif choice < 0.85:
            self.operands(1)
            self.address()
            self.operands(1)
            self.value()
            self.emit(core("I64_" + self.random.choice(STORES), offset), 2, 0)
        elif choice < 0.97:
            for bound in (512, 512, 64):
                self.below(bound)
            self.emit(core(self.random.choice(RANGES)), 3, 0)
        else:
            self.emit(const(self.random.choice((0, 1, 2, 63, 2**64 - 1))), 0, 1)
            self.emit(core("MEMORY_GROW"), 1, 1)

    def below(self, bound: int, base: int = 0) -> None:
        """A value of at least `base`, less than `base + bound`, a power of two; or `base`."""
        self.value()
        self.emit(const(max(bound - 1, 0)), 0, 1)
        self.emit(core("I64_AND"), 2, 1)
        if base:
            self.emit(const(base), 0, 1)
            self.emit(core("I64_ADD"), 2, 1)

    def contract(self) -> None:
        name = self.random.choice(tuple(CONTRACT))
        bases = {
            "STORAGE_READ": (0, 1, 0, 0),
            "STORAGE_WRITE": (0, 1, 0, 0),
            "EVENT": (NAME, 1, 0, 0),
            "BALANCE": (ADDRESS, 42 if self.random.random() < 0.9 else 41),
        }.get(name, (0,))
        for bound, base in zip(CONTRACT[name], bases, strict=True):
            self.below(bound, base)
        pushes = int(name in ("STORAGE_READ", "BALANCE"))
        self.emit(core(name), len(CONTRACT[name]), pushes)

    def call(self) -> None:
        index = self.random.randrange(1, len(self.signatures))
        parameters, results = self.signatures[index]
        self.operands(parameters)
        self.emit(core("CALL", index), parameters, results)

    def branch(self) -> None:
        depth = self.random.randrange(len(self.scopes))
        arity = self.scopes[-1 - depth].arity
        scope = self.scopes[-1]
        choice = self.random.random()
        if choice < 0.75:
            self.operands(arity)
            self.value()
            self.emit(core("BR_IF", depth), 1 + arity, arity)
            return
        if choice < 0.95:
            self.operands(arity)
            self.emit(core("BR", depth), arity, 0)
        elif choice < 0.98:
            results = self.scopes[0].results
            self.operands(results)
            self.emit(core("RETURN"), results, 0)
        else:
            self.emit(core("UNREACHABLE"), 0, 0)
        scope.dead = True
        self.height = scope.height

    def construct(self) -> None:
        if len(self.scopes) > 6:
            return
        kind = self.random.choice(("BLOCK", "LOOP", "IF"))
        results = self.random.randint(0, 1)
        if kind == "IF":
            self.operands(1)
            self.value()
            self.emit(core("IF", results), 1, 0)
        else:
            self.emit(core(kind, results), 0, 0)
        arity = 0 if kind == "LOOP" else results
        self.scopes.append(_Scope(self.height, results, arity))
        self.body()
        if kind == "IF" and (results or self.random.random() < 0.5):
            self.close()
            self.emit(core("ELSE"), 0, 0)
            self.height = self.scopes[-1].height
            self.scopes[-1].dead = False
            self.body()
        self.close()
        base = self.scopes.pop().height
        self.code.append(core("END"))
        self.height = base + results

    def body(self) -> None:
        for _ in range(self.random.randint(0, 8)):
            if self.budget > 0:
                self.step()

    def close(self) -> None:
        """Leave exactly the construct's results."""
        scope = self.scopes[-1]
        while self.height > scope.height + scope.results:
            self.emit(core("DROP"), 1, 0)
        self.operands(scope.results)

    def finish(self) -> list[bytes]:
        while self.budget > 0:
            self.step()
        self.close()
        return self.code


def random_program(seed: int) -> Program:
    """A program of up to four functions; the entry's locals and memory become its output."""
    random = Random(seed)
    signatures = [(0, 0)] + [
        (random.randint(0, 3), random.randint(0, 1)) for _ in range(random.randint(1, 3))
    ]
    functions: list[Function] = []
    for index, (parameters, results) in enumerate(signatures):
        locals = random.randint(0, 4)
        code = _Walk(random, signatures, parameters + locals, results).finish()
        if index == 0:
            # In a construct of its own, so that branches to the function's label come back here.
            code = [core("BLOCK", 0), *code, core("END")]
            for local in range(locals):
                code += [const(4096 + 8 * local), get(local), core("I64_STORE64", 0)]
            code += [const(0), const(4096 + 8 * 4), core("OUTPUT_SET")]
        functions.append(function(*code, parameters=parameters, results=results, locals=locals))
    data = [Segment(NAME, TEXT)]
    for _ in range(random.choice((0, 1, 3))):
        data.append(Segment(random.randrange(600), random.randbytes(random.randint(1, 80))))
    return Program(random.choice((1, 1, 1, 2)), tuple(functions), tuple(data))


def counting_loop(times: int, *body: bytes) -> bytes:
    """Run `body` a number of times, counting down in local 0."""
    return b"".join(
        (
            *(const(times), put(0), core("LOOP", 0), *body),
            *(get(0), const(1), core("I64_SUB"), core("LOCAL_TEE", 0), core("BR_IF", 0)),
            core("END"),
        )
    )
