"""From assembly text to a program; `docs/assembly.md` describes the language.

No validator runs this: what counts on a ledger is the program's bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.vm.catalogue import Immediate, Opcode
from synnergy.vm.core import control
from synnergy.vm.machine import MAX_PAGES, PAGE_BYTES
from synnergy.vm.program import (
    MAX_FUNCTION_BYTES,
    MAX_FUNCTIONS,
    MAX_LOCALS,
    MAX_SEGMENTS,
    Function,
    Program,
    Segment,
    decode_program,
    encode_program,
    immediate_of,
    instruction,
)
from synnergy.vm.source import (
    Mistake,
    Statement,
    Token,
    Wrong,
    bytes_of,
    integer_in,
    name_of,
    near,
    read_statements,
    wrong,
)
from synnergy.vm.verifier import verify

MAX_MISTAKES = 20

_CLAUSES = ("params", "results", "locals")
_PLACE = re.compile(r"function (\d+), at (\d+): (.*)", re.DOTALL)
_SEGMENT = re.compile(r"data segment (\d+): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Assembled:
    """A program, and where in the text its parts are.

    `functions` and `data` hold the token that begins each, `instructions` those of each function
    by the instruction's offset in the code.
    """

    program: Program
    functions: tuple[Token, ...]
    data: tuple[Token, ...]
    instructions: tuple[Mapping[int, Token], ...]

    def place(self, function: int, offset: int) -> Token:
        """The token of the instruction at `offset`, or of the last one before it."""
        before = [known for known in self.instructions[function] if known <= offset]
        return self.instructions[function][max(before)] if before else self.functions[function]


def mnemonic(opcode: Opcode) -> str:
    """A core opcode's name without CORE_, a verb's whole name, both in lower case."""
    return opcode.name.removeprefix("CORE_").lower()


def assemble(source: str) -> Assembled | tuple[Mistake, ...]:
    """The program that a text describes, or the mistakes in it. It isn't verified here."""
    statements, mistakes = read_statements(source)
    text = _Text(mistakes)
    for statement in statements:
        text.declare(statement)
    functions = [text.encode(function) for function in text.functions]
    if not text.functions and not mistakes:
        mistakes.append(Mistake(1, 1, "there is no function: begin one with func NAME"))
    if mistakes:
        return tuple(sorted(mistakes)[:MAX_MISTAKES])
    program = Program(text.memory_pages or 0, tuple(functions), tuple(text.segments))
    limited = decode_program(encode_program(program))
    if isinstance(limited, Rejected):
        return (Mistake(1, 1, limited.message),)
    return Assembled(
        program,
        tuple(function.begin for function in text.functions),
        tuple(text.segment_tokens),
        tuple(function.places for function in text.functions),
    )


def check(assembled: Assembled, prices: Mapping[str, int]) -> Mistake | None:
    """What the verifier finds wrong with an assembled program, told by place in the text."""
    verified = verify(assembled.program, prices)
    if not isinstance(verified, Rejected):
        return None
    message = verified.message
    token = assembled.functions[0]
    if found := _PLACE.fullmatch(message):
        token, message = assembled.place(int(found[1]), int(found[2])), found[3]
    elif found := _SEGMENT.fullmatch(message):
        token, message = assembled.data[int(found[1])], found[2]
    return Mistake(token.line, token.column, f"{message} ({verified.rule})")


@dataclass(slots=True)
class _Function:
    begin: Token
    parameters: int = 0
    results: int = 0
    locals: int = 0
    names: dict[str, int] = field(default_factory=dict[str, int])
    body: list[Statement] = field(default_factory=list[Statement])
    places: dict[int, Token] = field(default_factory=dict[int, Token])


class _Text:
    """What the statements have declared so far."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = mistakes
        self.memory_pages: int | None = None
        self.constants: dict[str, int] = {}
        self.segments: list[Segment] = []
        self.segment_tokens: list[Token] = []
        self.functions: list[_Function] = []
        self.indices: dict[str, int] = {}
        self.mnemonics = {
            mnemonic(opcode): opcode for opcode in (*catalogue.core(), *catalogue.domain())
        }

    @property
    def hopeless(self) -> bool:
        """Whether enough mistakes were found: looking for similar names takes its time."""
        return len(self.mistakes) >= MAX_MISTAKES

    # Declarations, in the order of the text.

    def declare(self, statement: Statement) -> None:
        """Take a statement, or note what is wrong with it."""
        if not self.hopeless:
            try:
                self._declare(statement)
            except Wrong as found:
                self.mistakes.append(found.mistake)

    def _declare(self, statement: Statement) -> None:
        directive = {
            "memory": self._memory,
            "const": self._const,
            "data": self._data,
            "func": self._func,
        }.get(statement[0].text)
        if directive is not None:
            directive(statement)
        elif self.functions:
            self.functions[-1].body.append(statement)
        else:
            wrong(
                statement[0],
                f"{statement[0].text} stands outside a function"
                + near(statement[0].text, ("memory", "const", "data", "func")),
            )

    def _memory(self, statement: Statement) -> None:
        if len(statement) != 2:
            wrong(statement[0], "memory takes one number, of pages of 64 KiB")
        if self.memory_pages is not None:
            wrong(statement[0], "memory is given twice")
        self.memory_pages = self._number(statement[1], 0, MAX_PAGES)

    def _const(self, statement: Statement) -> None:
        if len(statement) != 3:
            wrong(statement[0], "a constant is const NAME VALUE")
        value = self._number(statement[2], -(2**63), 2**64 - 1)
        self._define(statement[1], name_of(statement[1], "a constant"), value)

    def _data(self, statement: Statement) -> None:
        head = [token for token in statement[1:] if not token.is_string]
        pieces = statement[1 + len(head) :]
        if len(head) not in (1, 2) or statement[1 : 1 + len(head)] != head:
            wrong(statement[0], 'data is data ADDRESS "bytes" or data NAME ADDRESS "bytes"')
        address = self._number(head[-1], 0, MAX_PAGES * PAGE_BYTES - 1)
        content = b"".join(map(bytes_of, pieces))
        if not content:
            wrong(statement[0], "the data has no bytes")
        if len(self.segments) == MAX_SEGMENTS:
            wrong(statement[0], f"there are more than {MAX_SEGMENTS} segments of data")
        self.segments.append(Segment(address, content))
        self.segment_tokens.append(statement[0])
        if len(head) == 2:
            name = name_of(head[0], "data")
            self._define(head[0], name, address)
            self._define(head[0], f"{name}.size", len(content))

    def _define(self, token: Token, name: str, value: int) -> None:
        if name in self.constants:
            wrong(token, f"{name} is defined twice")
        self.constants[name] = value

    def _func(self, statement: Statement) -> None:
        function = _Function(statement[0])
        # First of all, so that what follows is taken as its body whatever is wrong here.
        self.functions.append(function)
        if len(statement) < 2:
            wrong(statement[0], "a function needs a name: func NAME")
        name = name_of(statement[1], "a function")
        if self.indices.setdefault(name, len(self.functions) - 1) != len(self.functions) - 1:
            wrong(statement[1], f"there are two functions {name}")
        if len(self.functions) > MAX_FUNCTIONS:
            wrong(statement[0], f"there are more than {MAX_FUNCTIONS} functions")
        clauses = self._clauses(statement[2:])
        function.parameters = self._locals(function, clauses.get("params", []))
        function.locals = self._locals(function, clauses.get("locals", []))
        results = clauses.get("results")
        if results is not None:
            function.results = self._arity(results, statement[1])

    def _clauses(self, tokens: Statement) -> dict[str, Statement]:
        clauses: dict[str, Statement] = {}
        items: Statement | None = None
        for token in tokens:
            if token.text in _CLAUSES:
                if token.text in clauses:
                    wrong(token, f"{token.text} is given twice")
                items = clauses.setdefault(token.text, [])
            elif items is None:
                wrong(
                    token,
                    f"{token.text} should be params, results or locals"
                    + near(token.text, _CLAUSES),
                )
            else:
                items.append(token)
        return clauses

    def _locals(self, function: _Function, items: Statement) -> int:
        """How many parameters or locals; either their number, or their names."""
        if len(items) == 1 and integer_in(items[0].text) is not None:
            count = self._number(items[0], 0, MAX_LOCALS)
        else:
            count = len(items)
            for index, token in enumerate(items, function.parameters):
                if name_of(token, "a local") in function.names:
                    wrong(token, f"there are two locals {token.text}")
                function.names[token.text] = index
        return count

    def _arity(self, items: Statement, after: Token) -> int:
        if len(items) != 1:
            wrong(items[1] if items else after, "results takes one number, 0 or 1")
        return self._number(items[0], 0, 1)

    def _number(self, token: Token, low: int, high: int) -> int:
        """An integer, or a constant defined further up."""
        value = integer_in(token.text)
        if value is None:
            value = self.constants.get(token.text)
        if value is None:
            wrong(
                token,
                f"{token.text} is neither a number nor a constant"
                + near(token.text, self.constants),
            )
        if not low <= value <= high:
            wrong(token, f"{value} is not in {low} … {high}")
        return value

    # Code, once everything is declared.

    def encode(self, function: _Function) -> Function:
        code = bytearray()
        labels: list[str | None] = []
        for statement in function.body:
            if self.hopeless:
                break
            function.places[len(code)] = statement[0]
            try:
                code += self._instruction(function, labels, statement)
            except Wrong as found:
                self.mistakes.append(found.mistake)
        if len(code) > MAX_FUNCTION_BYTES:
            begin = function.begin
            problem = f"the function has {len(code)} bytes of code, at most {MAX_FUNCTION_BYTES}"
            self.mistakes.append(Mistake(begin.line, begin.column, problem))
        return Function(function.parameters, function.results, function.locals, bytes(code))

    def _instruction(
        self, function: _Function, labels: list[str | None], statement: Statement
    ) -> bytes:
        head, *operands = statement
        opcode = self.mnemonics.get(head.text)
        if opcode is None:
            like = head.text.lower().removeprefix("core_").replace(".", "_")
            wrong(head, f"there is no instruction {head.text}" + near(like, self.mnemonics))
        kind = immediate_of(opcode)
        if opcode is control.END and labels:
            labels.pop()
        if kind is Immediate.ARITY:
            return self._construct(opcode, labels, head, operands)
        if kind is Immediate.NONE:
            if operands:
                wrong(operands[0], f"{head.text} takes no operand: it finds them on the stack")
            return instruction(opcode.name)
        if not operands and kind is Immediate.OFFSET:
            return instruction(opcode.name, 0)
        if len(operands) != 1:
            wrong(operands[1] if operands else head, f"{head.text} takes one {_WANTED[kind]}")
        (operand,) = operands
        if kind is Immediate.INTEGER:
            value = self._number(operand, -(2**63), 2**64 - 1)
        elif kind is Immediate.OFFSET:
            value = self._number(operand, 0, 2**32 - 1)
        else:
            value = self._index(operand, kind, function, labels)
        return instruction(opcode.name, value)

    def _construct(
        self, opcode: Opcode, labels: list[str | None], head: Token, operands: Statement
    ) -> bytes:
        """`block NAME results N`, both left out at will."""
        label: str | None = None
        if operands and operands[0].text != "results":
            label = name_of(operands[0], "a label")
            if label in labels:
                wrong(operands[0], f"an enclosing construct is already called {label}")
            operands = operands[1:]
        # Before anything else is found wrong, so that its end closes it.
        labels.append(label)
        if not operands:
            return instruction(opcode.name, 0)
        if operands[0].text != "results":
            wrong(operands[0], f"{operands[0].text} should be results")
        return instruction(opcode.name, self._arity(operands[1:], operands[0]))

    def _index(
        self, operand: Token, kind: Immediate, function: _Function, labels: list[str | None]
    ) -> int:
        """The number that a local's, function's or label's name stands for; or that is given."""
        if integer_in(operand.text) is not None:
            return self._number(operand, 0, 2**32 - 1)
        if kind is Immediate.LABEL:
            depths = enumerate(reversed(labels))
            known = {label: depth for depth, label in depths if label is not None}
        else:
            known = function.names if kind is Immediate.LOCAL else self.indices
        found = known.get(operand.text)
        if found is None:
            here = f"there is no {kind.label} {operand.text} here"
            wrong(operand, here + near(operand.text, known))
        return found


_WANTED = {
    Immediate.INTEGER: "number or constant",
    Immediate.LOCAL: "local: its name or number",
    Immediate.FUNCTION: "function: its name or number",
    Immediate.LABEL: "label: its name, or how many constructs further out",
    Immediate.OFFSET: "offset",
}
