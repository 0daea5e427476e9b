"""safetensors, HDF5, Parquet and Feather against what the libraries wrote."""

import builtins
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sphereufm.errors import MissingExtraError, UnreadableFileError
from sphereufm.features import load_features, open_array, open_arrays
from sphereufm.features.readers.isolated import parent as isolated
from sphereufm.features.readers.plain.safetensors_files import open_safetensors
from sphereufm.features.readers.stored import StoredFile


@pytest.fixture
def numbers():
    return np.random.default_rng(3).standard_normal((100, 4)).astype(np.float32)


def check(source, expected):
    """Blocks, and the whole, equal the expected array."""
    assert source.shape == expected.shape
    assert source.dtype == expected.dtype
    blocks = [block.copy() for block in source.blocks(7)]
    assert [len(block) for block in blocks[:-1]] == [7] * (len(blocks) - 1)
    assert np.array_equal(np.concatenate(blocks), expected)
    assert np.array_equal(source.read(), expected)


def test_safetensors(tmp_path, numbers):
    writer = pytest.importorskip("safetensors.numpy")
    arrays = {
        "features": numbers,
        "labels": np.arange(100) % 3,
        "half": numbers.astype(np.float16),
        "flags": numbers > 0,
        "bytes": np.arange(256, dtype=np.uint8),
        "scalar": np.array(2.5),
        "nothing": np.zeros((0, 4), np.float32),
    }
    writer.save_file(arrays, tmp_path / "x.safetensors", metadata={"format": "np"})
    found = open_arrays(tmp_path / "x.safetensors")
    assert set(found) == set(arrays)
    for key in ("features", "labels", "half", "flags", "bytes"):
        check(found[key], arrays[key])
    assert found["scalar"].read() == 2.5
    assert found["nothing"].read().shape == (0, 4)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"])
def test_narrow_floats_arrive_as_float32(tmp_path, name):
    """All bit patterns of the type, widened exactly."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    kind = np.dtype(getattr(ml_dtypes, name))
    codes = {
        "bfloat16": "BF16",
        "float8_e4m3fn": "F8_E4M3",
        "float8_e5m2": "F8_E5M2",
        "float8_e8m0fnu": "F8_E8M0",
    }
    raw = np.arange(2 ** (8 * kind.itemsize), dtype=f"u{kind.itemsize}").tobytes()
    count = len(raw) // kind.itemsize
    header = f'{{"x":{{"dtype":"{codes[name]}","shape":[{count}],"data_offsets":[0,{len(raw)}]}}}}'.encode()
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + raw)
    found = open_array(tmp_path / "x.safetensors").read()
    assert found.dtype == np.float32
    assert np.array_equal(found, np.frombuffer(raw, kind).astype(np.float32), equal_nan=True)
    finite = np.isfinite(found)
    code = f"u{kind.itemsize}"
    assert np.array_equal(found[finite].astype(kind).view(code), np.frombuffer(raw, code)[finite])


def test_bfloat16_by_its_definition(tmp_path):
    """A bfloat16 is the upper half of a float32."""
    pytest.importorskip("ml_dtypes")
    upper = np.array([0x3F80, 0xC049, 0x0001, 0x7F80], np.uint16)
    header = b'{"x":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}'
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + upper.tobytes())
    expected = (upper.astype(np.uint32) << 16).view(np.float32)
    assert np.array_equal(open_array(tmp_path / "x.safetensors").read(), expected)


@pytest.mark.parametrize("options", [{"libver": "latest"}, {"userblock_size": 1024}])
def test_hdf5_of_other_layouts(tmp_path, numbers, options):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w", **options) as file:
        file.create_dataset("features", data=numbers, chunks=(30, 4), compression="gzip")
    check(open_arrays(tmp_path / "x.h5")["features"], numbers)


ENUMERATED = ("u1", "<i2", ">i4", ">u8")


def test_hdf5(tmp_path, numbers):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["train/features"] = numbers
        file.create_dataset(
            "train/labels", data=np.arange(100) % 3, chunks=(30,), compression="gzip", shuffle=True
        )
        file.create_dataset("packed", data=numbers, compression="lzf", fletcher32=True)
        file["big"] = numbers.astype(">f8")
        file["scalar"] = 2.5
        file["names"] = ["b", "a", "b"]
        file["short"] = np.array([b"b", b"a", b"b"])
        for kind in ENUMERATED:
            file.create_dataset(kind, data=[1, 0, 1], dtype=h5py.enum_dtype({"a": 0, "b": 1}, basetype=kind))
    found = open_arrays(tmp_path / "x.h5")
    check(found["train/features"], numbers)
    check(found["train/labels"], np.arange(100) % 3)
    check(found["packed"], numbers)
    check(found["big"], numbers.astype(np.float64))
    assert found["scalar"].read() == 2.5
    for key in ("names", "short"):
        assert (found[key].read().tolist(), found[key].categories) == ([1, 0, 1], ("a", "b"))
    assert all(found[kind].read().tolist() == [1, 0, 1] for kind in ENUMERATED)
    assert load_features(tmp_path / "x.h5").classes == 3


def table(numbers):
    """A table with every layout of features that people use."""
    pyarrow = pytest.importorskip("pyarrow")
    flat = pyarrow.array(numbers.ravel())
    return pyarrow.table(
        {
            "fixed": pyarrow.FixedSizeListArray.from_arrays(flat, 4),
            "lists": pyarrow.array(list(numbers)),
            "label": np.arange(100, dtype=np.int32) % 3,
            "name": [f"x{i % 3}" for i in range(100)],
            **{f"f{i}": numbers[:, i] for i in range(4)},
        }
    )


def check_table(path, numbers):
    found = open_arrays(path)
    for key in ("fixed", "lists", "columns"):
        check(found[key], numbers)
    check(found["f2"], numbers[:, 2])
    check(found["label"], np.arange(100, dtype=np.int32) % 3)
    assert [found["name"].categories[code] for code in found["name"].read()] == [
        f"x{i % 3}" for i in range(100)
    ]
    assert found["columns"].columns == ("f0", "f1", "f2", "f3")


def test_parquet(tmp_path, numbers):
    made = table(numbers)
    pytest.importorskip("pyarrow.parquet").write_table(made, tmp_path / "x.parquet", row_group_size=30)
    check_table(tmp_path / "x.parquet", numbers)


def test_feather(tmp_path, numbers):
    made = table(numbers)
    writer = pytest.importorskip("pyarrow.feather")
    for compression in ("uncompressed", "lz4"):
        path = tmp_path / f"{compression}.feather"
        writer.write_feather(made, path, compression=compression, chunksize=33)
        check(open_arrays(path)["columns"], numbers)
    check_table(path, numbers)


@pytest.mark.parametrize("rows", [50, 99, 101, 200])
def test_tables_with_other_rows_than_claimed(tmp_path, numbers, rows):
    made = table(numbers)
    pytest.importorskip("pyarrow.parquet").write_table(made, tmp_path / "x.parquet")
    source = open_array(f"{tmp_path}/x.parquet:fixed")
    liar = replace(source, shape=(rows, 4))
    with pytest.raises(UnreadableFileError, match="has not the"):
        list(liar.blocks(30))


def test_stopping_early_leaves_no_process(tmp_path, numbers):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = numbers
    started = []
    original = subprocess.Popen

    class Recorded(original):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    source = open_array(tmp_path / "x.h5")
    isolated.subprocess.Popen = Recorded
    try:
        blocks = source.blocks(10)
        next(blocks)
        blocks.close()
    finally:
        isolated.subprocess.Popen = original
    assert [process.returncode is not None for process in started] == [True]


@pytest.mark.parametrize(
    ("content", "library"),
    [
        (b"\x89HDF\r\n\x1a\n", "h5py"),
        (b"PAR1" + bytes(20), "pyarrow"),
        (b"ARROW1\0\0" + bytes(20), "pyarrow"),
    ],
)
def test_missing_libraries_are_named(tmp_path, monkeypatch, content, library):
    (tmp_path / "x").write_bytes(content)
    monkeypatch.setattr(isolated.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=rf'needs {library}; install it with pip install "sphereufm\[features\]"'
    ):
        open_arrays(tmp_path / "x")


def test_missing_ml_dtypes_is_named(tmp_path, monkeypatch):
    header = b'{"x":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header + bytes(2))
    original = builtins.__import__

    def without(name, *more):
        if name == "ml_dtypes":
            raise ImportError(name)
        return original(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"sphereufm\[features\]"):
        open_arrays(tmp_path / "x")


def test_importing_the_readers_imports_no_library():
    probe = (
        "import sys, sphereufm.features; print({'h5py', 'pyarrow', 'ml_dtypes', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_column_of_texts_among_numbers_is_no_feature(tmp_path, form):
    """One cell "n/a" makes a column of texts, whose numbers are places in the alphabet."""
    columns = {f"f{k}": [0.5 * k + i for i in range(6)] for k in range(6)}
    columns["f2"] = [*map(str, columns["f2"][:-1]), "n/a"]
    columns["label"] = [0, 1] * 3
    path = tmp_path / f"x.{form}"
    if form == "csv":
        rows = [columns, *zip(*columns.values(), strict=True)]
        path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    else:
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path)
    read = load_features(path)
    assert read.features.columns == ("f0", "f1", "f3", "f4", "f5")
    assert np.array_equal(read.features.read(), np.transpose([columns[c] for c in read.features.columns]))
    assert read.labels.tolist() == columns["label"]
    assert any("f2" in line for line in read.unused)


CELLS = ["1", "-2", "3.5", "1e3", "", "1_0", "a", "12345678901234567", "12345678901234568", "9" * 20]


@pytest.mark.parametrize("seed", range(20))
def test_a_column_of_text_is_numbers_where_all_that_is_there_is(tmp_path, seed):
    """Beside plain loops: nothing is lost, nothing is made up, and what is missing is NaN."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(CELLS, 6, p=rng.dirichlet(np.full(len(CELLS), 0.3))).tolist()
    (tmp_path / "t.csv").write_text("u,v\n" + "\n".join(f"{cell},0" for cell in cells))
    column = open_array(f"{tmp_path}/t.csv:u")
    whole = all(cell.lstrip("-").isdecimal() for cell in cells)
    if not any(cells) or {"1_0", "a"} & {*cells} or (whole and "9" * 20 in cells):
        assert [column.categories[place] for place in column.read()] == cells
    else:
        wanted = [float(cell or "nan") for cell in cells]
        assert np.array_equal(column.read().astype(float), wanted, equal_nan=True)
        assert not whole or column.read().tolist() == [int(cell) for cell in cells]


def test_comments_are_no_rows_of_a_table(tmp_path):
    (tmp_path / "t.csv").write_text("# made by hand\n#\nu,v\na,2\n#,3\n")
    assert open_array(f"{tmp_path}/t.csv:v").read().tolist() == [2, 3]
    assert open_array(f"{tmp_path}/t.csv:u").categories == ("#", "a")
    tables = (
        "# u,v\nu,v\n1,2\n# half, of, it\n3,4\n#5,6\n",
        "1 2\n# end\n3 4\n#5 6",
        "#\n1\n2\n#mid\n3\n#4\n",
    )
    for table in tables:
        (tmp_path / "t.csv").write_text(table)
        found = [source.read().tolist() for source in open_arrays(tmp_path / "t.csv").values()]
        assert found in ([[1, 3], [2, 4]], [[1, 2, 3]])
    (tmp_path / "t.csv").write_text("# nothing\n# else\n")
    with pytest.raises(UnreadableFileError, match="without rows of values"):
        open_arrays(tmp_path / "t.csv")


def test_places_behind_two_gigabytes_are_no_shapes(tmp_path):
    """A file as large as checkpoints are, of which only the header is there."""
    begin, end = 3 * 10**9, 3 * 10**9 + 24
    spans = {"a": ("U8", [begin], [0, begin]), "b": ("F32", [2, 3], [begin, end])}
    fields = ("dtype", "shape", "data_offsets")
    header = json.dumps({key: dict(zip(fields, span, strict=True)) for key, span in spans.items()})
    (tmp_path / "t.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode())
    file = StoredFile.at(tmp_path / "t.safetensors")
    found = open_safetensors(replace(file, size=file.size + end))["b"]
    assert (found.shape, found.offset) == ((2, 3), begin)


def test_a_dataset_that_was_never_written_is_refused_alone(tmp_path, numbers):
    h5py = pytest.importorskip("h5py")
    later = {
        "contiguous": {"dtype": "f4"},
        "packed": {"dtype": "f4", "compression": "gzip"},
        "names": {"dtype": "S20"},
    }
    with h5py.File(tmp_path / "t.h5", "w") as root:
        root["features"] = numbers
        for key, options in later.items():
            root.create_dataset(key, (10**8,), **options)
    found = open_arrays(tmp_path / "t.h5")
    check(found["features"], numbers)
    for key in later:
        with pytest.raises(UnreadableFileError, match=f"{key} is refused: it claims"):
            found[key].read()


def test_an_entry_that_expands_too_much_is_refused_alone(tmp_path, numbers):
    np.savez_compressed(tmp_path / "t.npz", features=numbers, mask=np.zeros(2**26 + 1, np.uint8))
    check(open_array(f"{tmp_path}/t.npz:features"), numbers)
    with pytest.raises(UnreadableFileError, match="mask is refused: it claims"):
        open_array(f"{tmp_path}/t.npz:mask")


def test_a_column_is_not_a_field_of_its_name(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"s": [{"x": 7.0}, {"x": 8.0}], "s.x": [1.0, 2.0]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    assert open_array(f"{tmp_path}/t.parquet:s.x").read().tolist() == [1.0, 2.0]
