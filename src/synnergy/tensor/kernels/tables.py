"""Constants and tables of the reference's functions, as `c/tables.h` holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from synnergy.tensor import elementary, powers, trigonometry


def header() -> str:
    """The text of `c/tables.h`: every float64 in hexadecimal, so that no digit is lost."""
    series, rows = trigonometry.erf_constants()
    scalars = {
        "LN2_HIGH": elementary.LN2_HIGH,
        "LN2_LOW": elementary.LN2_LOW,
        "INVERSE_LN2": elementary.INVERSE_LN2,
        "LN2": trigonometry.LN2,
        "HALF_PI_1": trigonometry.HALF_PI_1,
        "HALF_PI_2": trigonometry.HALF_PI_2,
        "HALF_PI_3": trigonometry.HALF_PI_3,
        "HALF_PI_HIGH": trigonometry.HALF_PI_HIGH,
        "HALF_PI_LOW": trigonometry.HALF_PI_LOW,
        "INVERSE_HALF_PI": trigonometry.INVERSE_HALF_PI,
    }
    vectors: dict[str, Sequence[float]] = {
        "LOG_HIGH": powers.LOG_HIGH.tolist(),
        "LOG_LOW": powers.LOG_LOW.tolist(),
        "ATAN_HIGH": trigonometry.ATAN_HIGH.tolist(),
        "ATAN_LOW": trigonometry.ATAN_LOW.tolist(),
        "ERF_SERIES": series,
    }
    limbs = [str(limb) for limb in trigonometry.TWO_OVER_PI.tolist()]
    lines = ["/* Generated from ../tables.py; do not edit. */"]
    lines += [f"#define {name} {value.hex()}" for name, value in scalars.items()]
    for name, values in vectors.items():
        lines += _array(f"double {name}[{len(values)}]", [value.hex() for value in values])
    table = [value.hex() for row in rows.tolist() for value in row]
    lines += _array(f"double ERF_TABLE[{rows.shape[0]} * {rows.shape[1]}]", table)
    lines += _array(f"int64_t TWO_OVER_PI[{len(limbs)}]", limbs)
    return "\n".join(lines) + "\n"


def _array(declaration: str, values: Iterable[str]) -> list[str]:
    items = list(values)
    rows = [", ".join(items[begin : begin + 4]) for begin in range(0, len(items), 4)]
    return [f"static const {declaration} = {{", *(f"  {row}," for row in rows), "};"]
