"""What a test publishes: a model's file, rows that it has not seen, and how these are written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Model:
    """`form` is one of `input_files`; `held_out` maps input names to arrays."""

    content: bytes
    held_out: dict[str, np.ndarray]
    form: str = "csv"
    allow_missing: bool = False
