"""64-bit integers. Words are kept unsigned; signed operations read them as two's complement.

Every operation is WebAssembly's i64 operation of the same name, except that comparisons push a
64-bit 0 or 1 (VM-13).
"""

from __future__ import annotations

from synnergy.vm.machine import MASK, SIGN, Machine, Operation, trap
from synnergy.vm.opcode import CoreOpcode, Immediate


def signed(word: int) -> int:
    """The two's complement reading of an unsigned 64-bit word."""
    return word - 2**64 if word >= SIGN else word


def const(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = immediate & MASK


def add(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = (slots[at] + slots[at + 1]) & MASK


def sub(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = (slots[at] - slots[at + 1]) & MASK


def mul(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = (slots[at] * slots[at + 1]) & MASK


def div_s(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    dividend, divisor = signed(slots[at]), signed(_divisor(slots[at + 1]))
    quotient = abs(dividend) // abs(divisor)
    if (dividend < 0) != (divisor < 0):
        quotient = -quotient
    if quotient == SIGN:
        trap("VM-13", "integer_overflow", "the least integer divided by minus one")
    slots[at] = quotient & MASK


def div_u(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] //= _divisor(slots[at + 1])


def rem_s(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    dividend, divisor = signed(slots[at]), signed(_divisor(slots[at + 1]))
    remainder = abs(dividend) % abs(divisor)
    slots[at] = (-remainder if dividend < 0 else remainder) & MASK


def rem_u(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] %= _divisor(slots[at + 1])


def _divisor(word: int) -> int:
    if word == 0:
        trap("VM-13", "division_by_zero", "division by zero")
    return word


def bit_and(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] &= slots[at + 1]


def bit_or(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] |= slots[at + 1]


def bit_xor(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] ^= slots[at + 1]


def shl(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = (slots[at] << (slots[at + 1] & 63)) & MASK


def shr_s(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = (signed(slots[at]) >> (slots[at + 1] & 63)) & MASK


def shr_u(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] >>= slots[at + 1] & 63


def rotl(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    word, count = slots[at], slots[at + 1] & 63
    slots[at] = (word << count | word >> (64 - count)) & MASK


def rotr(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    word, count = slots[at], slots[at + 1] & 63
    slots[at] = (word >> count | word << (64 - count)) & MASK


def clz(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = 64 - slots[at].bit_length()


def ctz(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    word = slots[at]
    slots[at] = (word & -word).bit_length() - 1 if word else 64


def popcnt(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = slots[at].bit_count()


def eqz(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = 0 if slots[at] else 1


def eq(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = 1 if slots[at] == slots[at + 1] else 0


def ne(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = 1 if slots[at] != slots[at + 1] else 0


def lt_u(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = 1 if slots[at] < slots[at + 1] else 0


def gt_u(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = 1 if slots[at] > slots[at + 1] else 0


def le_u(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = 1 if slots[at] <= slots[at + 1] else 0


def ge_u(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = 1 if slots[at] >= slots[at + 1] else 0


# Flipping the sign bit turns the signed order into the unsigned one.
def lt_s(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = 1 if slots[at] ^ SIGN < slots[at + 1] ^ SIGN else 0


def gt_s(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = 1 if slots[at] ^ SIGN > slots[at + 1] ^ SIGN else 0


def le_s(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = 1 if slots[at] ^ SIGN <= slots[at + 1] ^ SIGN else 0


def ge_s(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = 1 if slots[at] ^ SIGN >= slots[at + 1] ^ SIGN else 0


def extend8_s(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = (((slots[at] & 0xFF) ^ 0x80) - 0x80) & MASK


def extend16_s(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = (((slots[at] & 0xFFFF) ^ 0x8000) - 0x8000) & MASK


def extend32_s(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = (((slots[at] & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000) & MASK


_BINARY: tuple[tuple[int, str, Operation, str], ...] = (
    (0x000101, "ADD", add, "a + b"),
    (0x000102, "SUB", sub, "a − b"),
    (0x000103, "MUL", mul, "a × b"),
    (0x000104, "DIV_S", div_s, "a ÷ b towards zero, signed; traps on zero and on overflow"),
    (0x000105, "DIV_U", div_u, "a ÷ b, unsigned; traps on zero"),
    (0x000106, "REM_S", rem_s, "remainder with the sign of a, signed; traps on zero"),
    (0x000107, "REM_U", rem_u, "remainder, unsigned; traps on zero"),
    (0x000108, "AND", bit_and, "bitwise and"),
    (0x000109, "OR", bit_or, "bitwise or"),
    (0x00010A, "XOR", bit_xor, "bitwise exclusive or"),
    (0x00010B, "SHL", shl, "a shifted left by b mod 64"),
    (0x00010C, "SHR_S", shr_s, "a shifted right by b mod 64, copies of the sign coming in"),
    (0x00010D, "SHR_U", shr_u, "a shifted right by b mod 64, zeros coming in"),
    (0x00010E, "ROTL", rotl, "a rotated left by b mod 64"),
    (0x00010F, "ROTR", rotr, "a rotated right by b mod 64"),
    (0x000121, "EQ", eq, "1 where a = b, else 0"),
    (0x000122, "NE", ne, "1 where a ≠ b, else 0"),
    (0x000123, "LT_S", lt_s, "1 where a < b, signed, else 0"),
    (0x000124, "LT_U", lt_u, "1 where a < b, unsigned, else 0"),
    (0x000125, "GT_S", gt_s, "1 where a > b, signed, else 0"),
    (0x000126, "GT_U", gt_u, "1 where a > b, unsigned, else 0"),
    (0x000127, "LE_S", le_s, "1 where a ≤ b, signed, else 0"),
    (0x000128, "LE_U", le_u, "1 where a ≤ b, unsigned, else 0"),
    (0x000129, "GE_S", ge_s, "1 where a ≥ b, signed, else 0"),
    (0x00012A, "GE_U", ge_u, "1 where a ≥ b, unsigned, else 0"),
)
_UNARY: tuple[tuple[int, str, Operation, str], ...] = (
    (0x000110, "CLZ", clz, "count of leading zero bits"),
    (0x000111, "CTZ", ctz, "count of trailing zero bits"),
    (0x000112, "POPCNT", popcnt, "count of one bits"),
    (0x000113, "EXTEND8_S", extend8_s, "the low 8 bits, sign-extended"),
    (0x000114, "EXTEND16_S", extend16_s, "the low 16 bits, sign-extended"),
    (0x000115, "EXTEND32_S", extend32_s, "the low 32 bits, sign-extended"),
    (0x000120, "EQZ", eqz, "1 where a = 0, else 0"),
)

OPCODES = (
    CoreOpcode(
        0x000100, "CORE_I64_CONST", Immediate.INTEGER, 0, 1, "push a constant", apply=const
    ),
    *(
        CoreOpcode(code, f"CORE_I64_{name}", Immediate.NONE, 2, 1, description, apply=apply)
        for code, name, apply, description in _BINARY
    ),
    *(
        CoreOpcode(code, f"CORE_I64_{name}", Immediate.NONE, 1, 1, description, apply=apply)
        for code, name, apply, description in _UNARY
    ),
)
