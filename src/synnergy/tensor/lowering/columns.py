"""Preprocessing, look-ups and maps of ai.onnx.ml. ML-10 to ML-20"""

from __future__ import annotations

import math

import numpy as np

from synnergy.tensor.kernels.program import Operand, bits
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.elementwise import Binary, binary, converted
from synnergy.tensor.lowering.ml import matrix
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.operators import ml_maps, ml_preprocessing
from synnergy.tensor.operators.ml_maps import Table
from synnergy.tensor.types import DTYPES

_NORMS = ("MAX", "L1", "L2")


@lowers("Scaler", domain=read.DOMAIN)
def scaler(site: Site) -> list[Operand] | None:
    x, builder = site.inputs[0], site.builder
    if x is None:
        return None
    scale, offset = ml_preprocessing.scale_and_offset(site.node)
    wide = converted(builder, x, "float64" if x.dtype == "float64" else "float32")
    dtype = DTYPES[wide.dtype]
    moved = binary(builder, Binary.SUB, wide, builder.constant(offset.astype(dtype)))
    scaled = binary(builder, Binary.MUL, moved, builder.constant(scale.astype(dtype)))
    return [converted(builder, scaled, "float32")]


@lowers("Normalizer", domain=read.DOMAIN)
def normalizer(site: Site) -> list[Operand] | None:
    x, builder = site.inputs[0], site.builder
    if x is None:
        return None
    result = site.result()
    norm = _NORMS.index(ml_preprocessing.norm_of(site.node))
    rows, columns = matrix(x).shape
    if x.elements:
        scratch = builder.thread_scratch(4 * columns)
        builder.step(Step.NORMALIZE_COLUMNS, result, x, x.code, rows, columns, norm, scratch)
    return [result]


@lowers("Imputer", domain=read.DOMAIN)
def imputer(site: Site) -> list[Operand] | None:
    x, builder = site.inputs[0], site.builder
    if x is None:
        return None
    replaced, imputed, _ = ml_preprocessing.imputation(site.node, x.dtype)
    result = site.result()
    whole = imputed.dtype.kind == "i"
    value = int(replaced) if whole else bits(float(replaced))
    missing = not whole and bool(np.isnan(replaced))
    source = builder.constant(imputed)
    builder.step(Step.IMPUTE, result, x, x.code, x.elements, source, len(imputed), value, missing)
    return [result]


@lowers("Binarizer", domain=read.DOMAIN)
def binarizer(site: Site) -> list[Operand] | None:
    x, builder = site.inputs[0], site.builder
    if x is None:
        return None
    threshold = bits(float(read.number(site.node, "threshold", 0.0)))
    result = site.result()
    builder.step(Step.BINARIZE, result, x, x.code, x.elements, threshold)
    return [result]


@lowers("FeatureVectorizer", domain=read.DOMAIN)
def vectorizer(site: Site) -> list[Operand] | None:
    result = site.result()
    begin = 0
    widths = ml_preprocessing.widths_of(site.node, len(site.inputs))
    for x, width in zip(site.inputs, widths, strict=True):
        if x is not None:
            rows, elements = ml_preprocessing.flat_width(x.shape)
            fixed = (rows, elements, width, begin, sum(widths))
            site.builder.step(Step.PUT_COLUMNS, result, x, x.code, *fixed)
        begin += width
    return [result]


@lowers("ArrayFeatureExtractor", domain=read.DOMAIN, labelling=True)
def extractor(site: Site) -> list[Operand] | None:
    x, indices = site.inputs
    if x is None or indices is None:
        return None
    site.labels.update(site.texts)
    result = site.builder.tensor(x.dtype, site.outputs[0].shape)
    columns, count = x.shape[-1], indices.elements
    rows = math.prod(x.shape[:-1])
    site.builder.step(Step.TAKE_COLUMNS, result, x, x.itemsize, rows, columns, indices, count)
    return [result]


def _looked_up(site: Site, table: Table) -> list[Operand] | None:
    """The values of numeric keys; texts by their places. ML-16"""
    x, builder = site.inputs[0], site.builder
    if x is None:
        return None
    keys = DTYPES["float64" if DTYPES[x.dtype].kind == "f" else "int64"]
    known = [key for key in table.values if key == key]
    order = sorted(known)
    values = [table.values[key] for key in order]
    values += [table.default, table.default if table.nan is None else table.nan]
    if table.value_dtype == "string":
        site.labels[0] = read.string_array(values)
        entries = np.arange(len(values), dtype=np.int64)
    else:
        entries = np.empty(len(values), DTYPES[table.value_dtype])
        entries[:] = values
    result = builder.tensor(str(entries.dtype), x.shape)
    builder.step(
        Step.LOOK_UP,
        *(result, result.itemsize, x, x.code, x.elements),
        *(builder.constant(np.array(order, keys)), len(order), builder.constant(entries)),
    )
    return [result]


@lowers("LabelEncoder", domain=read.DOMAIN, labelling=True)
def label_encoder(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    if x is None or site.texts:
        return None
    return _looked_up(site, ml_maps.encoder(site.node, x.dtype))


@lowers("CategoryMapper", domain=read.DOMAIN, labelling=True)
def category_mapper(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    if x is None or site.texts:
        return None
    return _looked_up(site, ml_maps.mapper(site.node, x.dtype))


@lowers("OneHotEncoder", domain=read.DOMAIN)
def one_hot_encoder(site: Site) -> list[Operand] | None:
    x, builder = site.inputs[0], site.builder
    if x is None:
        return None
    _, columns, count = ml_maps.categories_of(site.node)
    order = sorted(columns)
    result = site.result()
    builder.step(
        Step.ONE_HOT_COLUMNS,
        *(result, x, x.code, x.elements, builder.constant(np.array(order, np.int64))),
        len(order),
        builder.constant(np.array([columns[key] for key in order], np.int64)),
        *(count, read.integer(site.node, "zeros", 1) == 0),
    )
    return [result]


@lowers("ZipMap", domain=read.DOMAIN)
def zip_map(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    return None if x is None else [matrix(x)]
