"""Small programs with a purpose, by name: (program, input). The golden vectors are their runs."""

from __future__ import annotations

from synnergy.vm.program import Program, Segment, function, program

from .generator import counting_loop, random_program
from .support import ANSWER, ENVIRONMENT, const, core, get, put


def answer(*code: bytes, locals: int = 1, memory_pages: int = 1) -> Program:
    """A program that outputs the word which `code` leaves; local 0 is used at the end."""
    return program(function(*code, ANSWER, locals=locals), memory_pages=memory_pages)


def sum_to(count: int) -> Program:
    body = (get(1), get(0), core("I64_ADD"), put(1))
    return answer(counting_loop(count, *body), get(1), locals=2)


def fibonacci(index: int) -> Program:
    recursive = function(
        *(get(0), const(2), core("I64_LT_U"), core("IF", 1), get(0), core("ELSE")),
        *(get(0), const(1), core("I64_SUB"), core("CALL", 1)),
        *(get(0), const(2), core("I64_SUB"), core("CALL", 1), core("I64_ADD"), core("END")),
        parameters=1,
        results=1,
    )
    entry = function(const(index), core("CALL", 1), ANSWER, locals=1)
    return program(entry, recursive, memory_pages=1)


def descend(depth: int) -> Program:
    """Recursion to a depth: function 1 calls itself while its argument isn't zero."""
    recursive = function(
        *(get(0), core("IF", 0), get(0), const(1), core("I64_SUB"), core("CALL", 1), core("END")),
        parameters=1,
    )
    return program(function(const(depth), core("CALL", 1)), recursive)


ECHO = program(
    function(
        *(const(0), const(0), core("INPUT_SIZE"), core("INPUT_COPY")),
        *(const(0), core("INPUT_SIZE"), core("OUTPUT_SET")),
    ),
    memory_pages=1,
)
HASH = program(
    function(
        *(const(0), const(0), core("INPUT_SIZE"), core("INPUT_COPY")),
        *(const(0), core("INPUT_SIZE"), const(1000), core("SHA256")),
        *(const(1000), const(32), core("OUTPUT_SET")),
    ),
    memory_pages=1,
)
REVERTING = program(
    function(
        *(const(0), const(0xABCD), core("I64_STORE16", 6), const(0), const(8), core("REVERT")),
    ),
    memory_pages=1,
)
# A value carried out of two constructs, over three more that are dropped on the way.
CARRIED = answer(
    *(core("BLOCK", 1), const(1), const(2), core("BLOCK", 1), const(3), const(42)),
    *(const(1), core("BR_IF", 1), core("DROP"), core("DROP"), const(9), core("END")),
    *(core("DROP"), core("DROP"), core("DROP"), const(8), core("END")),
)
CARRIED_DEAD = answer(
    *(core("BLOCK", 1), const(42), core("BR", 0), core("I64_ADD"), core("SELECT"), core("END")),
)
NESTED_LOOPS = answer(
    *(const(5), put(0), core("LOOP", 0), const(7), put(1), core("LOOP", 0)),
    *(get(2), const(1), core("I64_ADD"), put(2)),
    *(get(1), const(1), core("I64_SUB"), core("LOCAL_TEE", 1), core("BR_IF", 0), core("END")),
    *(get(0), const(1), core("I64_SUB"), core("LOCAL_TEE", 0), core("BR_IF", 0), core("END")),
    get(2),
    locals=3,
)
GROW = answer(
    *(const(2), core("MEMORY_GROW"), const(61), core("MEMORY_GROW"), core("DROP")),
    *(const(2**64 - 1), core("MEMORY_GROW"), core("I64_ADD"), core("MEMORY_SIZE")),
    *(core("I64_ADD"), const(0), core("MEMORY_GROW"), core("I64_ADD")),
)
OVERLAP = program(
    function(
        *(const(0), const(0x0102030405060708), core("I64_STORE64", 0)),
        *(const(2), const(0), const(8), core("MEMORY_COPY")),
        *(const(12), const(0x1FF), const(4), core("MEMORY_FILL")),
        *(const(0), const(16), core("OUTPUT_SET")),
    ),
    memory_pages=1,
)
EARLY_RETURN = program(
    function(const(1), core("CALL", 1), ANSWER, locals=1),
    function(
        *(core("BLOCK", 0), get(0), core("IF", 0), const(5), const(77), core("RETURN")),
        *(core("END"), core("END"), const(1)),
        parameters=1,
        results=1,
    ),
    memory_pages=1,
)
WORLD = answer(core("BLOCK_HEIGHT"), core("BLOCK_TIME"), core("I64_MUL"))

# A later segment covers an earlier one.
DATA = program(
    function(const(4), const(10), core("OUTPUT_SET")),
    memory_pages=1,
    data=(Segment(4, b"first data"), Segment(8, b"later"), Segment(65_535, b"!")),
)
#: A key, a value, the name of an event, an address.
TEXTS = (
    Segment(0, b"key"),
    Segment(16, b"some value"),
    Segment(32, b"value.kept"),
    Segment(64, ENVIRONMENT.origin.encode()),
)
READ = (const(0), const(3), const(1_024), const(100), core("STORAGE_READ"))
WRITE = (const(0), const(3), const(16), const(10), core("STORAGE_WRITE"))
KEEP = program(
    function(
        *(*READ, const(1), core("I64_ADD"), core("IF", 0), core("UNREACHABLE"), core("END")),
        *(*WRITE, const(32), const(10), const(16), const(10), core("EVENT")),
        *(const(1_024), *READ, core("OUTPUT_SET")),
    ),
    memory_pages=1,
    data=TEXTS,
)
FORGET = program(
    function(
        *(*WRITE, const(0), const(3), const(0), const(0), core("STORAGE_WRITE")),
        *(*READ, ANSWER),
        locals=1,
    ),
    memory_pages=1,
    data=TEXTS,
)
WHO = program(
    function(
        *(const(0), core("SELF"), const(42), core("CALLER"), const(84), core("ORIGIN")),
        *(const(126), const(84), const(42), core("BALANCE"), core("I64_STORE64", 0)),
        *(const(0), const(134), core("OUTPUT_SET")),
    ),
    memory_pages=1,
)

SAMPLES: dict[str, tuple[Program, bytes]] = {
    "nothing": (program(function()), b""),
    "sum": (sum_to(100), b""),
    "fibonacci": (fibonacci(10), b""),
    "echo": (ECHO, bytes(range(130))),
    "echo of nothing": (ECHO, b""),
    "hash": (HASH, b"abc"),
    "hash of nothing": (HASH, b""),
    "carried value": (CARRIED, b""),
    "carried value, dead code": (CARRIED_DEAD, b""),
    "nested loops": (NESTED_LOOPS, b""),
    "grow": (GROW, b""),
    "overlapping copy": (OVERLAP, b""),
    "early return": (EARLY_RETURN, b""),
    "world": (WORLD, b""),
    "reverting": (REVERTING, b""),
    "data": (DATA, b""),
    "keep a value": (KEEP, b""),
    "forget a value": (FORGET, b""),
    "addresses and a balance": (WHO, b""),
    "balance of no address": (
        program(function(const(0), const(42), core("BALANCE"), core("DROP")), memory_pages=1),
        b"",
    ),
    "unreachable": (program(function(const(1), core("DROP"), core("UNREACHABLE"))), b""),
    "division by zero": (answer(const(1), const(0), core("I64_DIV_S")), b""),
    "division overflow": (answer(const(-(2**63)), const(-1), core("I64_DIV_S")), b""),
    "store at the edge": (
        program(function(const(65_528), const(1), core("I64_STORE64", 0)), memory_pages=1),
        b"",
    ),
    "store past the edge": (
        program(function(const(65_528), const(1), core("I64_STORE64", 1)), memory_pages=1),
        b"",
    ),
    "address that would wrap": (
        answer(const(2**64 - 1), core("I64_LOAD8_U", 1)),
        b"",
    ),
    "address of 2^32": (answer(const(2**32), core("I64_LOAD8_U", 0)), b""),
    "deepest call": (descend(62), b""),
    "call too deep": (descend(63), b""),
    "runaway loop": (program(function(core("LOOP", 0), core("BR", 0), core("END"))), b""),
    "random 1": (random_program(1), b"input"),
    "random 2": (random_program(2), b"input"),
    "random 10": (random_program(10), b"input"),
}
