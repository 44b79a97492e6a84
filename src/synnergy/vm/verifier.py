"""From a decoded program to one that can't go wrong: VM-4 … VM-11, VM-26.

One pass over each function in the manner of WebAssembly's validation. All values are 64-bit
integers, so the type of the operand stack is its height; after an instruction that never falls
through, operands may be popped that nobody pushed, until the construct ends. The same pass cuts
the code into basic blocks with their static gas. Its cost is linear in the size of the code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from synnergy.rejected import Rejected
from synnergy.vm.blocks import (
    BRANCH,
    CALL,
    JUMP,
    RETURN,
    BlockBuilder,
    Label,
    VerifiedFunction,
    VerifiedProgram,
)
from synnergy.vm.catalogue import DomainOpcode, Immediate, Opcode
from synnergy.vm.core import call, control, environment
from synnergy.vm.machine import PAGE_BYTES, Operation, UnitPrices
from synnergy.vm.program import (
    MAX_LOCALS,
    Function,
    Instruction,
    Program,
    decode_instructions,
)

MAX_NESTING = 64
MAX_OPERANDS = 1_024


def verify(program: Program, prices: Mapping[str, int]) -> VerifiedProgram | Rejected:
    """Check a program against VM-4 … VM-9 and VM-26, and cut it into priced basic blocks.

    `prices` gives the gas of each opcode by name, and of each unit as "units.copy_block"; an
    opcode without a price isn't part of the protocol version (VM-9).
    """
    entry = program.functions[0]
    if entry.parameters or entry.results:
        return Rejected("VM-5", "bad_entry", "function 0 must take and return nothing")
    functions: list[VerifiedFunction] = []
    for index, function in enumerate(program.functions):
        verified = _verify_function(function, program.functions, prices)
        if isinstance(verified, Rejected):
            where = f"function {index}, {verified.message}"
            return Rejected(verified.rule, verified.code, where)
        functions.append(verified)
    size = program.memory_pages * PAGE_BYTES
    for index, segment in enumerate(program.data):
        if segment.address + len(segment.content) > size:
            return Rejected(
                "VM-26",
                "segment_out_of_bounds",
                f"data segment {index}: {len(segment.content)} bytes at address"
                f" {segment.address}, the initial memory has {size}",
            )
    units = UnitPrices(**{unit.name: prices[f"units.{unit.name}"] for unit in fields(UnitPrices)})
    return VerifiedProgram(program.memory_pages, tuple(functions), program.data, units)


def _verify_function(
    function: Function, functions: tuple[Function, ...], prices: Mapping[str, int]
) -> VerifiedFunction | Rejected:
    if function.parameters + function.locals > MAX_LOCALS:
        return Rejected(
            "VM-4", "too_many_locals", f"at 0: more than {MAX_LOCALS} parameters and locals"
        )
    instructions = decode_instructions(function.code)
    if isinstance(instructions, Rejected):
        return instructions
    check = _FunctionCheck(function, functions)
    for instruction in instructions:
        opcode = instruction.opcode
        gas = prices.get(opcode.name)
        if gas is None:
            problem = Rejected("VM-9", "opcode_not_priced", f"{opcode.name} has no price here")
        elif not check.constructs:
            problem = Rejected("VM-7", "code_after_end", "code follows the function's end")
        else:
            check.builder.charge(gas)
            problem = _STEPS.get(opcode.code, _plain)(check, instruction)
        if problem is not None:
            message = f"at {instruction.offset}: {problem.message}"
            return Rejected(problem.rule, problem.code, message)
    if check.constructs:
        return Rejected("VM-7", "not_closed", f"at {len(function.code)}: CORE_END is missing")
    return VerifiedFunction(
        parameters=function.parameters,
        results=function.results,
        slots=check.locals + check.deepest,
        blocks=check.builder.build(),
    )


@dataclass(slots=True)
class _Construct:
    """An open block, loop or if, or the function itself (`opener` None)."""

    opener: Opcode | None
    results: int
    height: int
    #: Where a branch to this construct goes, with how many values, and where its end is.
    label: Label
    arity: int
    end: Label
    #: Where the condition of a CORE_IF goes when it is zero, until its CORE_ELSE.
    otherwise: Label | None = None
    #: Whether the rest of the construct can't be reached by falling through.
    unreachable: bool = False


class _FunctionCheck:
    """What is known at the instruction at hand: open constructs, operand height, blocks so far."""

    def __init__(self, function: Function, functions: tuple[Function, ...]) -> None:
        self.functions = functions
        self.locals = function.parameters + function.locals
        self.results = function.results
        self.height = 0
        self.deepest = 0
        end = Label()
        self.constructs = [_Construct(None, function.results, 0, end, function.results, end)]
        self.builder = BlockBuilder()
        self.builder.open(0)

    @property
    def slot(self) -> int:
        """The frame's slot of the next operand to be pushed."""
        return self.locals + self.height

    def pop(self, count: int) -> Rejected | None:
        construct = self.constructs[-1]
        if self.height - count >= construct.height:
            self.height -= count
            return None
        if construct.unreachable:
            self.height = construct.height
            return None
        return Rejected("VM-6", "stack_underflow", f"{count} operands needed")

    def push(self, count: int) -> Rejected | None:
        self.height += count
        if self.height > self.deepest:
            self.deepest = self.height
            if self.height > MAX_OPERANDS:
                return Rejected("VM-4", "stack_overflow", f"more than {MAX_OPERANDS} operands")
        return None

    def cut(self) -> None:
        """The rest of the construct can't be reached."""
        construct = self.constructs[-1]
        construct.unreachable = True
        self.height = construct.height

    def check_construct_end(self) -> Rejected | None:
        """The construct leaves its results and nothing else."""
        construct = self.constructs[-1]
        problem = self.pop(construct.results)
        if problem is None and self.height != construct.height:
            extra = self.height - construct.height
            return Rejected("VM-6", "values_left", f"{extra} operands too many at the end")
        return problem


_Step = Callable[[_FunctionCheck, Instruction], Rejected | None]


def _operation(opcode: Opcode) -> Operation:
    if isinstance(opcode, DomainOpcode):
        return call.call_domain(opcode)
    assert opcode.apply is not None
    return opcode.apply


def _plain(check: _FunctionCheck, instruction: Instruction) -> Rejected | None:
    opcode, immediate = instruction.opcode, instruction.immediate
    if (
        not isinstance(opcode, DomainOpcode)
        and opcode.immediate is Immediate.LOCAL
        and immediate >= check.locals
    ):
        return Rejected("VM-8", "no_such_local", f"there is no local {immediate}")
    problem = check.pop(opcode.pops)
    if problem is None:
        check.builder.operate(_operation(opcode), check.slot, immediate, instruction.offset)
        problem = check.push(opcode.pushes)
    return problem


def _stop(check: _FunctionCheck, instruction: Instruction) -> Rejected | None:
    problem = _plain(check, instruction)
    # The operation halts the program, so this exit is never taken.
    check.builder.leave(RETURN, instruction.offset)
    check.cut()
    return problem


def _open(check: _FunctionCheck, opener: Opcode, results: int) -> Rejected | _Construct:
    # The function itself is the outermost construct and doesn't count.
    if len(check.constructs) > MAX_NESTING:
        return Rejected("VM-4", "nested_too_deep", f"more than {MAX_NESTING} open constructs")
    end = Label()
    construct = _Construct(opener, results, check.height, end, results, end)
    check.constructs.append(construct)
    return construct


def _block(check: _FunctionCheck, instruction: Instruction) -> Rejected | None:
    construct = _open(check, instruction.opcode, instruction.immediate)
    return construct if isinstance(construct, Rejected) else None


def _loop(check: _FunctionCheck, instruction: Instruction) -> Rejected | None:
    construct = _open(check, instruction.opcode, instruction.immediate)
    if isinstance(construct, Rejected):
        return construct
    construct.label = Label()
    construct.arity = 0
    if check.builder.live:
        check.builder.leave(JUMP, instruction.offset, next=construct.label)
        check.builder.open(_after(instruction), construct.label)
    return None


def _if(check: _FunctionCheck, instruction: Instruction) -> Rejected | None:
    problem = check.pop(1)
    if problem is not None:
        return problem
    construct = _open(check, instruction.opcode, instruction.immediate)
    if isinstance(construct, Rejected):
        return construct
    construct.otherwise = Label()
    if check.builder.live:
        then = Label()
        check.builder.leave(
            BRANCH, instruction.offset, taken=then, next=construct.otherwise, slot=check.slot
        )
        check.builder.open(_after(instruction), then)
    return None


def _else(check: _FunctionCheck, instruction: Instruction) -> Rejected | None:
    construct = check.constructs[-1]
    otherwise = construct.otherwise
    if otherwise is None:
        return Rejected("VM-7", "else_without_if", "CORE_ELSE doesn't belong to a CORE_IF")
    problem = check.check_construct_end()
    if problem is not None:
        return problem
    check.builder.leave(JUMP, instruction.offset, next=construct.end)
    construct.otherwise = None
    construct.unreachable = False
    if otherwise.used:
        check.builder.open(_after(instruction), otherwise)
    return None


def _end(check: _FunctionCheck, instruction: Instruction) -> Rejected | None:
    problem = check.check_construct_end()
    if problem is not None:
        return problem
    construct = check.constructs.pop()
    otherwise = construct.otherwise
    if otherwise is not None and construct.results:
        return Rejected("VM-7", "else_missing", "a CORE_IF with a result needs a CORE_ELSE")
    check.builder.leave(JUMP, instruction.offset, next=construct.end)
    labels = [label for label in (construct.end, otherwise) if label is not None and label.used]
    if labels:
        check.builder.open(_after(instruction), *labels)
    if not check.constructs:
        check.builder.leave(RETURN, instruction.offset, source=check.slot)
        return None
    return check.push(construct.results)


def _branch(check: _FunctionCheck, instruction: Instruction) -> Rejected | None:
    return _check_branch(check, instruction, conditional=False)


def _branch_if(check: _FunctionCheck, instruction: Instruction) -> Rejected | None:
    return check.pop(1) or _check_branch(check, instruction, conditional=True)


def _check_branch(
    check: _FunctionCheck, instruction: Instruction, *, conditional: bool
) -> Rejected | None:
    depth = instruction.immediate
    if depth >= len(check.constructs):
        return Rejected("VM-8", "no_such_label", f"there is no label {depth}")
    construct = check.constructs[-1 - depth]
    condition = check.slot
    problem = check.pop(construct.arity)
    if problem is not None:
        return problem
    source = target = 0
    if construct.arity:
        source, target = check.slot, check.locals + construct.height
    if not conditional:
        check.builder.leave(
            JUMP, instruction.offset, next=construct.label, source=source, target=target
        )
        check.cut()
        return None
    if check.builder.live:
        following = Label()
        check.builder.leave(
            BRANCH,
            instruction.offset,
            taken=construct.label,
            next=following,
            slot=condition,
            source=source,
            target=target,
        )
        check.builder.open(_after(instruction), following)
    return check.push(construct.arity)


def _return(check: _FunctionCheck, instruction: Instruction) -> Rejected | None:
    problem = check.pop(check.results)
    check.builder.leave(RETURN, instruction.offset, source=check.slot)
    check.cut()
    return problem


def _call(check: _FunctionCheck, instruction: Instruction) -> Rejected | None:
    index = instruction.immediate
    if index >= len(check.functions):
        return Rejected("VM-8", "no_such_function", f"there is no function {index}")
    callee = check.functions[index]
    problem = check.pop(callee.parameters)
    if problem is not None:
        return problem
    if check.builder.live:
        following = Label()
        check.builder.leave(CALL, instruction.offset, taken=index, next=following, slot=check.slot)
        check.builder.open(_after(instruction), following)
    return check.push(callee.results)


def _after(instruction: Instruction) -> int:
    opcode = instruction.opcode
    width = 0 if isinstance(opcode, DomainOpcode) else opcode.immediate.width
    return instruction.offset + 3 + width


_STEPS: dict[int, _Step] = {
    control.UNREACHABLE.code: _stop,
    environment.REVERT.code: _stop,
    control.BLOCK.code: _block,
    control.LOOP.code: _loop,
    control.IF.code: _if,
    control.ELSE.code: _else,
    control.END.code: _end,
    control.BR.code: _branch,
    control.BR_IF.code: _branch_if,
    control.RETURN.code: _return,
    call.CALL.code: _call,
}
