"""The sources, .npy and .npz against numpy's own reading."""

import io
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphereufm.errors import InvalidInputError, UnreadableFileError
from sphereufm.features.readers import open_array, open_arrays, split_spec
from sphereufm.features.readers.source import MemorySource, RefusedSource, finite_blocks, joined
from sphereufm.features.readers.stored import StoredArray, StoredFile


def gather(source, rows):
    """All blocks, copied, in one array."""
    blocks = [block.copy() for block in source.blocks(rows)]
    assert all(len(block) == rows for block in blocks[:-1])
    assert all(block.flags.c_contiguous for block in blocks)
    return np.concatenate(blocks)


@pytest.fixture
def numbers():
    return np.random.default_rng(0).standard_normal((23, 5))


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i8", ">i4", "|u1", "|b1", "<c8", ">c16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_blocks_equal_numpy(tmp_path, numbers, dtype, order):
    array = np.asarray(numbers * 3, dtype=dtype, order=order)
    with open(tmp_path / "x.bin", "wb") as file:
        np.save(file, array)
    source = open_array(tmp_path / "x.bin")
    assert source.shape == (23, 5)
    assert source.dtype == array.dtype.newbyteorder("=")
    for rows in (1, 7, 23, 100):
        block = gather(source, rows)
        assert block.dtype == source.dtype
        assert block.tobytes() == array.astype(source.dtype).tobytes(order="C")
    assert np.array_equal(source.read(), array)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_blocks_equal_numpy(tmp_path, numbers, save, order):
    feats, labels = np.asarray(numbers, np.float32, order=order), np.arange(23)
    save(tmp_path / "x", feat_list=feats, label_list=labels)
    arrays = open_arrays(tmp_path / "x.npz")
    assert set(arrays) == {"feat_list", "label_list"}
    assert np.array_equal(gather(arrays["feat_list"], 4), feats)
    assert np.array_equal(arrays["feat_list"].read(), feats)
    assert np.array_equal(arrays["label_list"].read(), labels)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (3,), (2, 3, 4)])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_odd_shapes(tmp_path, shape, save):
    array = np.ones(shape, np.float32)
    save(tmp_path / "x.npz", a=array)
    source = open_array(f"{tmp_path / 'x.npz'}:a")
    assert source.shape == shape
    assert np.array_equal(source.read(), array)
    assert sum(len(b) for b in source.blocks(2)) == shape[0]


def test_npz_through_numpy_in_zip64_form(tmp_path, numbers):
    with (
        zipfile.ZipFile(tmp_path / "x.npz", "w") as archive,
        archive.open("a.npy", "w", force_zip64=True) as f,
    ):
        np.save(f, numbers)
    assert np.array_equal(open_array(tmp_path / "x.npz").read(), numbers)


@pytest.mark.parametrize("key", ["a:b", "layer/fc.weight", "größe", "with space"])
def test_keys_of_any_kind(tmp_path, key):
    np.savez(tmp_path / "x.npz", **{key: np.ones((2, 2)), "other": np.zeros((2, 2))})
    assert open_array(f"{tmp_path}/x.npz:{key}").read().sum() == 4


def test_scalar_entry(tmp_path):
    np.savez(tmp_path / "x.npz", epoch=np.float64(3.0))
    assert open_arrays(tmp_path / "x.npz")["epoch"].read() == 3.0


def test_blocks_reuse_one_buffer(tmp_path):
    """Peak memory is one block: all full blocks are the same memory."""
    np.save(tmp_path / "x.npy", np.ones((100, 4)))
    addresses = {block.ctypes.data for block in open_array(tmp_path / "x.npy").blocks(10)}
    assert len(addresses) == 1


@given(st.data())
def test_strided_views(tmp_path_factory, data):
    """Any view with nonnegative steps of a stored vector reads like numpy's own view."""
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    strides = data.draw(st.lists(st.integers(0, 40), min_size=len(shape), max_size=len(shape)))
    offset = data.draw(st.integers(0, 5))
    storage = np.arange(1000, dtype=np.int16)
    path = tmp_path_factory.getbasetemp() / "strided.bin"
    if not path.exists():
        storage.tofile(path)
    expected = np.lib.stride_tricks.as_strided(storage[offset:], shape, [2 * s for s in strides])
    source = StoredArray(
        name="x",
        file=StoredFile.at(path),
        offset=2 * offset,
        stored=storage.dtype,
        shape=tuple(shape),
        strides=tuple(strides),
    )
    assert np.array_equal(source.read(), expected)
    assert np.array_equal(gather(source, data.draw(st.integers(1, 7))), expected)


@pytest.mark.parametrize("view", [np.s_[:, :3], np.s_[::50, ::50], np.s_[:, 700:]])
@pytest.mark.parametrize("transposed", [False, True])
def test_views_of_large_storages_are_split(tmp_path, view, transposed):
    whole = np.arange(1_000_000, dtype=np.int32).reshape(1000, 1000)
    whole.tofile(tmp_path / "x.bin")
    part = (whole.T if transposed else whole)[view]
    start = part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    source = StoredArray(
        name="x",
        file=StoredFile.at(tmp_path / "x.bin"),
        offset=start,
        stored=whole.dtype,
        shape=part.shape,
        strides=tuple(s // 4 for s in part.strides),
    )
    assert np.array_equal(gather(source, 333), part)


def test_keys_are_found_by_convention_or_named(tmp_path, numbers):
    np.savez(tmp_path / "x.npz", embeddings=numbers, other=numbers + 1, y=np.arange(23))
    assert open_array(tmp_path / "x.npz").name == "x.npz:embeddings"
    assert open_array(tmp_path / "x.npz", role="labels").name == "x.npz:y"
    assert open_array(f"{tmp_path}/x.npz:other").name == "x.npz:other"


def test_ambiguous_and_absent_keys_list_what_is_there(tmp_path, numbers):
    np.savez(tmp_path / "x.npz", p=numbers, q=numbers)
    with pytest.raises(InvalidInputError, match=r"2 arrays could be the features.*'p' \(23, 5\)"):
        open_array(tmp_path / "x.npz")
    with pytest.raises(InvalidInputError, match="there is no array 'r'"):
        open_array(f"{tmp_path}/x.npz:r")


def test_an_existing_path_with_a_colon_is_a_path(tmp_path, numbers):
    np.save(tmp_path / "a:b.npy", numbers)
    assert split_spec(f"{tmp_path}/a:b.npy") == (f"{tmp_path}/a:b.npy", None)
    assert split_spec(f"{tmp_path}/a:b.npy:k") == (f"{tmp_path}/a:b.npy", "k")


def test_objects_are_listed_and_never_unpickled(tmp_path, numbers):
    trap = Trap(tmp_path / "sprung")
    np.savez(tmp_path / "x.npz", feats=numbers, meta=np.array([trap], dtype=object))
    np.save(tmp_path / "x.npy", np.array([trap], dtype=object), allow_pickle=True)
    arrays = open_arrays(tmp_path / "x.npz")
    assert isinstance(arrays["meta"], RefusedSource)
    assert np.array_equal(arrays["feats"].read(), numbers)
    for attempt in (
        lambda: open_array(f"{tmp_path}/x.npz:meta"),
        lambda: open_array(tmp_path / "x.npy"),
        lambda: arrays["meta"].read(),
        lambda: list(arrays["meta"].blocks(1)),
    ):
        with pytest.raises(UnreadableFileError, match="pickled Python objects, which are never loaded"):
            attempt()
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def _npy_bytes(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello", "text without rows"),
        (b"\x00hello", "of unknown kind"),
        (b"\x93NUMPY", "no .npy header"),
        (_npy_bytes(np.ones(4))[:-1], "truncated"),
        (_npy_bytes(np.ones(4)) * 2, "more than one array"),
        (_npy_bytes(np.ones(4)).replace(b"(4,)", b"(-4,)"), "impossible shape|header"),
        (_npy_bytes(np.ones(4)).replace(b"(4,)", b"(4.)"), "header"),
        (_npy_bytes(np.ones(4)).replace(b"'<f8'", b"'<M8'"), "of type"),
        (_npy_bytes(np.zeros(1, [("a", "f4")])), "of type"),
    ],
)
def test_damaged_npy(tmp_path, content, words):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=words):
        open_arrays(tmp_path / "x.npy")


def test_missing_directory_entry_and_pipe(tmp_path):
    with pytest.raises(UnreadableFileError, match="No such file"):
        open_arrays(tmp_path / "none.npy")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableFileError, match="not a regular file"):
        open_arrays(tmp_path / "pipe")


def test_a_file_that_changes_is_noticed(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((4, 2)))
    source = open_array(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", np.zeros((8, 2)))
    with pytest.raises(UnreadableFileError, match="changed while it was read"):
        source.read()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_first_bad_row_is_named(bad, dtype):
    array = np.ones((50, 3), dtype)
    array[31, 1] = array[40, 0] = bad
    source = MemorySource(name="feats", array=array)
    seen = []
    with pytest.raises(InvalidInputError, match=f"feats row 31 holds {bad}"):
        seen.extend(finite_blocks(source, 8))
    assert len(seen) == 3


def test_huge_finite_entries_pass():
    array = np.full((4, 4), np.finfo(np.float32).max, np.float32)
    assert len(list(finite_blocks(MemorySource(name="x", array=array), 2))) == 2


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(1, 12))
def test_joined_parts(lengths, rows):
    total = sum(lengths)
    array = np.arange(total * 2).reshape(total, 2)
    cuts = np.cumsum(lengths)[:-1]
    parts = tuple(MemorySource(name="p", array=a) for a in np.split(array, cuts))
    source = joined("x", parts)
    assert source.shape == (total, 2)
    assert np.array_equal(source.read(), array)
    if total:
        assert np.array_equal(gather(source, rows), array)


def test_joined_parts_must_fit():
    parts = tuple(MemorySource(name="p", array=np.ones((2, d))) for d in (2, 3))
    with pytest.raises(UnreadableFileError, match="differ in row shape"):
        joined("x", parts)


@pytest.mark.parametrize("shape", [(0, 2**61), (2**61, 0), (0, 2**30, 2**30), (2**70,)])
def test_axes_beside_an_empty_one_are_bounded_too(tmp_path, shape):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    (tmp_path / "x.npy").write_bytes(header.getvalue())
    with pytest.raises(UnreadableFileError, match="impossible shape"):
        open_array(tmp_path / "x.npy")
