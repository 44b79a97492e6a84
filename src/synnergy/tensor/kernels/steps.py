"""The kernels by number; `c/steps.h` is generated from here. Arguments stand beside each in C.

Numbers are fixed once given: recorded programs name them.
"""

from __future__ import annotations

from enum import IntEnum


class Step(IntEnum):
    """A kernel. Sixteen numbers or more for each family, so that families grow in place."""

    # elementwise.c
    CANONICALISE = 1
    ELEMENTWISE_BINARY = 2
    ELEMENTWISE_UNARY = 3
    WHERE = 4
    CAST = 5
    # chain.c
    CHAIN_F32 = 32
    # functions.c
    FUNCTION = 48
    # gemm.c
    PACK_B_F32 = 64
    MATMUL_F32 = 65
    TRANSPOSE_F32 = 66
    MATMUL_IN_PLACE_F32 = 67
    # products.c
    MATMUL = 68
    # conv.c
    CONV_PACK_F32 = 96
    CONV_LANES_F32 = 97
    CONV_ROWS_F32 = 98
    # depthwise.c
    CONV_DEPTHWISE_F32 = 112
    # conv_any.c
    CONV_ANY = 120
    # pool.c
    POOL_PLANES_F32 = 128
    POOL = 129
    BATCH_NORMALISE = 130
    # move.c
    COPY = 144
    GATHER = 145
    GATHER_ELEMENTS = 146
    GATHER_ND = 147
    SCATTER_ELEMENTS = 148
    SCATTER_ND = 149
    TRIANGLE = 150
    ONE_HOT = 151
    REVERSE_SEQUENCE = 152
    # select.c
    EXTREME_INDEX = 160
    TOP = 161
    RUNNING_TOTAL = 162
    TAPS = 163
    # reduce.c
    REDUCE = 176
    # norm.c
    FORM_AXIS = 208
    NORMALISE_ROWS = 209
    LOCAL_SQUARES = 210
    # int8.c
    INT8_PACK = 240
    INT8_FORM_ROWS = 241
    INT8_MATMUL = 242
    INT8_FORM_WINDOWS = 243
    INT8_CONV = 244
    INT8_CONV_PLANES = 245
    # quantise.c
    QUANTISE = 256
    DEQUANTISE = 257
    DYNAMIC_RANGE = 258
    DYNAMIC_QUANTISE = 259
    MAP_BYTES = 260
    # trees.c
    TREES_NARROW = 288
    TREES_WIDE = 289
    TREES_F64 = 290
    FOREST_SCORES = 291
    FOREST_CLASSES = 292
    # recurrent.c
    RECURRENT_F32 = 320
    # ml.c
    SCORES_F32 = 336
    CHOOSE_F32 = 337
    # columns.c
    IMPUTE = 344
    BINARIZE = 345
    NORMALIZE_COLUMNS = 346
    PUT_COLUMNS = 347
    TAKE_COLUMNS = 348
    LOOK_UP = 349
    ONE_HOT_COLUMNS = 350
    # svm.c
    DISTANCES = 360
    DECIDE_PAIRS = 361
    COUPLE_PAIRS = 362
    # attention.c
    ATTENTION_SHARES = 384
    JOIN_CACHE = 385
    ROTATE_F32 = 386


def header() -> str:
    """The text of `c/steps.h`."""
    lines = [f"  STEP({step.value}, {step.name})" for step in sorted(Step)]
    joined = " \\\n".join(lines)
    return f"/* Generated from ../steps.py; do not edit. */\n#define STEPS(STEP) \\\n{joined}\n"
