from __future__ import annotations

import io
import json
import math
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.inputs import canonical_bytes, read_inputs


@dataclass(frozen=True)
class Declared:
    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None


TABLE = [Declared("X", "float32", (None, 3))]
DOUBLES = [Declared("X", "float64", ("N", 3))]
COLUMNS = [
    Declared("age", "int64", (None, 1)),
    Declared("weight", "float32", (None, 1)),
    Declared("town", "string", (None, 1)),
    Declared("member", "bool", (None, 1)),
]


@pytest.fixture
def put(tmp_path: Path):
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def refused(path: Path, specs) -> str:
    with pytest.raises(ClientError) as bad:
        read_inputs(path, specs)
    assert bad.value.code == "bad_input"
    assert path.name in bad.value.message
    return bad.value.message


# ---- CSV (CLIENT-13) ----------------------------------------------------------------------------


def test_a_csv_gives_its_columns_in_order_whatever_they_are_called(put) -> None:
    path = put("x.csv", '\ufeffsepal, petal ,"a ""third"""\r\n1,2.5,-3e-1\r\n\r\n4,5,6\r\n')
    array = read_inputs(path, TABLE)["X"]
    assert array.dtype == np.float32
    assert array.tolist() == np.array([[1, 2.5, -0.3], [4, 5, 6]], np.float32).tolist()


def test_a_csv_gives_one_column_to_each_input_of_its_name(put) -> None:
    path = put("x.csv", "town,age,member,weight\nLeeds,7,true,0.5\n Bath ,-8,0,\n")
    arrays = read_inputs(path, COLUMNS)
    assert arrays["age"].tolist() == [[7], [-8]] and arrays["age"].dtype == np.int64
    assert arrays["town"].tolist() == [["Leeds"], [" Bath "]]
    assert arrays["member"].tolist() == [[True], [False]]
    assert math.isnan(arrays["weight"][1, 0])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty"),
        ("a,b,c\n", "no rows"),
        ("a,b\n1,2\n", "takes 3 columns, the file has 2"),
        ("a,b,c,d\n1,2,3,4\n", "beyond them come d"),
        ("a,b,c\n1,2\n", "row 1 (line 2) has 2 fields"),
        ("a,b,c\n1,2,3\n1,2,3,4\n", "row 2 (line 3) has 4 fields"),
        ("a,b,c\n1,x,3\n", "row 1, column 'b': 'x' is not a number"),
        ("a,b,c\n1,1_000,3\n", "not a number"),
        ("a,b,c\n1,0x10,3\n", "not a number"),
        ("a,b,c\n1,+-nan,3\n", "not a number"),
        ("a,b,c\n1,1e39,3\n", "more than float32 can hold"),
        ("a,b,c\n1,1e999,3\n", "more than float64 can hold"),
        ('a,b,c\n1,"2,3\n', "line"),
        ("a,b,c\n1,2\x00,3\n", "not a number"),
    ],
)
def test_a_bad_csv_is_refused_where_it_is_bad(put, content: str, says: str) -> None:
    assert says in refused(put("x.csv", content), TABLE)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("age,weight,town\n1,2,x\n", "'member' is missing"),
        ("age,weight,town,member,spare\n1,2,x,1,9\n", "no input 'spare'"),
        ("age,age,weight,town,member\n1,1,2,x,1\n", "two columns are called 'age'"),
        ("age,weight,town,member\n1.5,2,x,1\n", "'1.5' is not an integer"),
        ("age,weight,town,member\n,2,x,1\n", "row 1, column 'age': a value is missing"),
        ("age,weight,town,member\n1,2,,1\n", "column 'town': a value is missing"),
        ("age,weight,town,member\n1,2,x,yes\n", "neither true nor false"),
        ("age,weight,town,member\n9223372036854775808,2,x,1\n", "more than int64 can hold"),
    ],
)
def test_bad_columns_are_refused(put, content: str, says: str) -> None:
    assert says in refused(put("x.csv", content), COLUMNS)


def test_a_csv_is_utf8(put) -> None:
    assert "UTF-8" in refused(put("x.csv", b"a,b,c\n1,\xff,3\n"), TABLE)


def test_images_come_flat(put) -> None:
    spec = [Declared("pixels", "float32", (None, 1, 2, 2))]
    array = read_inputs(put("x.csv", "a,b,c,d\n1,2,3,4\n"), spec)["pixels"]
    assert array.tolist() == [[[[1, 2], [3, 4]]]]


# ---- JSON ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        {"X": [[1, 2, 3], [4, 5, None]]},
        [[1, 2, 3], [4, 5, "NaN"]],
        [{"a": 1, "b": 2, "c": 3}, {"c": None, "a": 4, "b": 5}],
        [{"X": [1, 2, 3]}, {"X": [4, 5, None]}],
    ],
)
def test_json_in_every_form(put, document: object) -> None:
    array = read_inputs(put("x.json", json.dumps(document)), TABLE)["X"]
    assert np.array_equal(array, np.array([[1, 2, 3], [4, 5, np.nan]], np.float32), equal_nan=True)


def test_records_and_columns_of_a_model_with_an_input_a_column(put) -> None:
    records = [{"age": 1, "weight": 2.5, "town": "x", "member": True}]
    columns = {name: [value] for name, value in records[0].items()}
    one = read_inputs(put("a.json", json.dumps(records)), COLUMNS)
    other = read_inputs(put("b.json", json.dumps(columns)), COLUMNS)
    assert canonical_bytes(one, COLUMNS) == canonical_bytes(other, COLUMNS)


def test_a_lone_row_gets_its_axis(put) -> None:
    assert read_inputs(put("x.json", "[1, 2, 3]"), TABLE)["X"].shape == (1, 3)
    assert read_inputs(put("y.json", '{"X": [1, 2, 3]}'), TABLE)["X"].shape == (1, 3)


def test_infinities_are_spelled_out(put) -> None:
    array = read_inputs(put("x.json", '[["Infinity", "-Infinity", "NaN"]]'), TABLE)["X"]
    assert array[0, 0] == np.inf and array[0, 1] == -np.inf and math.isnan(array[0, 2])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("7", "neither"),
        ("[]", "neither"),
        ("{}", "names no input"),
        ('{"Y": [[1, 2, 3]]}', "no input 'Y'"),
        ('{"X": [[1, 2, 3]], "X": [[1, 2, 3]]}', "'X' stands twice"),
        ('{"X": [[1, 2, 3], [4, 5]]}', "row 2: it is not as long"),
        ('{"X": [[1, 2, true]]}', "row 1, column 3: True is not a number"),
        ('{"X": [[1, 2, "three"]]}', "'three' is not a number"),
        ('{"X": [[1, 2, {}]]}', "is not a number"),
        ('{"X": [[1, 2, 1e999]]}', "more than float64 can hold"),
        ('{"X": [[1, 2, 1e300]]}', "more than float32 can hold"),
        ('{"X": [[1, 2, 1' + "0" * 400 + "]]}", "more than float32 can hold"),
        ('[{"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2}]', "row 2: 'c'"),
        ('[{"a": 1, "b": 2}]', "takes 3 columns, the records have 2"),
        ("[" * 100_000, "too deeply"),
        ('{"X": ' + "[" * 40 + "1" + "]" * 40 + "}", "deeper than 32"),
    ],
)
def test_bad_json_is_refused_where_it_is_bad(put, content: str, says: str) -> None:
    assert says in refused(put("x.json", content), TABLE)


@pytest.mark.parametrize("value", ["1.0", "true", '"1"', "null", "9223372036854775808", "[1, 2]"])
def test_integers_are_integers(put, value: str) -> None:
    specs = [Declared("n", "int64", (None, 1)), Declared("m", "int64", (None, 1))]
    refused(put("x.json", f'[{{"n": {value}, "m": 1}}]'), specs)


def test_a_lone_surrogate_is_no_text(put) -> None:
    specs = [Declared("t", "string", (None, 1))]
    arrays = read_inputs(put("x.json", '[["\\ud800"]]'), specs)
    with pytest.raises(ClientError):
        canonical_bytes(arrays, specs)


# ---- numpy's files ------------------------------------------------------------------------------


def npy(array: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def npz(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pickle-was-run",)


def test_the_container_leaves_no_trace(put) -> None:
    rows = np.array([[1.5, 2, 3], [4, 5, 6]], np.float32)
    files = [
        put("a.csv", "p,q,r\n1.5,2,3\n4,5,6\n"),
        put("b.npy", npy(rows)),
        put("c.npy", npy(np.asfortranarray(rows.astype(">f8")))),
        put("d.npz", npz(X=rows)),
        put("e.npz", npz(arr_0=rows)),
        put("f.json", json.dumps({"X": rows.tolist()})),
    ]
    assert len({canonical_bytes(read_inputs(path, TABLE), TABLE) for path in files}) == 1


def test_a_lone_npy_row(put) -> None:
    assert read_inputs(put("x.npy", npy(np.ones(3))), TABLE)["X"].shape == (1, 3)
    column = [Declared("X", "float32", (None, 1))]
    assert read_inputs(put("y.npy", npy(np.ones(5))), column)["X"].shape == (5, 1)


def test_npz_columns(put) -> None:
    content = npz(
        age=np.array([1, 2], np.int32),
        weight=np.array([1, 2]),
        town=np.array(["a", "b"]),
        member=np.array([True, False]),
    )
    arrays = read_inputs(put("x.npz", content), COLUMNS)
    assert arrays["age"].dtype == np.int64 and arrays["age"].shape == (2, 1)
    assert arrays["weight"].dtype == np.float32
    assert arrays["town"].tolist() == [["a"], ["b"]]


def test_pickles_are_never_run(put, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = np.array([Bomb()], dtype=object)
    assert "pickled" in refused(put("x.npy", npy(hostile, allow_pickle=True)), TABLE)
    buffer = io.BytesIO()
    np.savez(buffer, X=hostile)
    assert "pickled" in refused(put("x.npz", buffer.getvalue()), TABLE)
    assert not (tmp_path / "pickle-was-run").exists()


def npy_header(text: str, data: bytes = b"") -> bytes:
    header = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 3)}"),
        npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -3)}", b"\0" * 12),
        npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3)}", b"\0" * 13),
        npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2**60, 3)}"),
        npy_header("{'descr': 'V0', 'fortran_order': False, 'shape': (1, 3)}"),
        npy_header("__import__('os').mkdir('x')"),
        npy(np.zeros(3, [("a", "f4")])),
        npy(np.array(["1", "2", "3"])),
        npy(np.array([1j, 2, 3])),
        npy(np.array([True, False, True])),
        npy(np.array([1e300, 1, 1])),
        npy(np.array(["2020-01-01"], "datetime64[D]")),
    ],
)
def test_hostile_npy(put, content: bytes) -> None:
    refused(put("x.npy", content), TABLE)


def test_an_integer_that_does_not_fit(put) -> None:
    spec = [Declared("n", "int32", (None, 1))]
    refused(put("x.npy", npy(np.array([2**31]))), spec)
    refused(put("y.npy", npy(np.array([1.0]))), spec)
    read = read_inputs(put("z.npy", npy(np.array([2**31 - 1], np.uint64))), spec)
    assert read["n"].tolist() == [[2**31 - 1]]


def test_hostile_npz(put) -> None:
    refused(put("a.npz", b"PK no archive"), TABLE)
    refused(put("b.npz", npz(Y=np.ones((1, 3)))), TABLE)
    refused(put("c.npz", npz(X=np.ones((1, 3)), Y=np.ones(1))), TABLE)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("X.txt", "no array")
    refused(put("d.npz", buffer.getvalue()), TABLE)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(3):
            archive.writestr(f"{index}.npy", bytes(100 << 20))
    assert "unpacks to more" in refused(put("e.npz", buffer.getvalue()), TABLE)
    refused(put("f.npz", npz()), TABLE)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["csv", "json", "npy", "npz"]))
def test_arbitrary_bytes_end_in_arrays_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"arbitrary.{suffix}"
    path.write_bytes(content)
    try:
        read_inputs(path, TABLE)
    except ClientError as refusal:
        assert refusal.code == "bad_input"


def test_other_files_are_wrong_use(put) -> None:
    with pytest.raises(WrongUse):
        read_inputs(put("x.pkl", b""), TABLE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClientError) as missing:
        read_inputs(tmp_path / "missing.csv", TABLE)
    assert "missing.csv" in missing.value.message


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.lists(st.floats(width=32, allow_infinity=False), min_size=3, max_size=3), min_size=1
    )
)
def test_doubles_survive_every_container(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    lines = [",".join("" if math.isnan(cell) else repr(cell) for cell in row) for row in rows]
    (folder / "d.csv").write_text("\n".join(["a,b,c", *lines]))
    document = [[None if math.isnan(cell) else cell for cell in row] for row in rows]
    (folder / "d.json").write_text(json.dumps(document))
    np.save(folder / "d.npy", np.array(rows))
    read = [read_inputs(folder / f"d.{suffix}", DOUBLES) for suffix in ("csv", "json", "npy")]
    assert len({canonical_bytes(arrays, DOUBLES) for arrays in read}) == 1
