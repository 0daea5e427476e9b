"""Files as people have them: foreign objects beside tensors, lists, packed archives, streams, Spark's names."""

import argparse
import collections
import fractions
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
from hostile_torch import Raw, call, encode, name, pickled, storage, tensor, torch_legacy, torch_zip

from sphereufm.errors import UnreadableFileError
from sphereufm.features import feature_set_from_arrays, load_features, open_array, open_arrays
from sphereufm.features.readers.keys import role_and_stem
from sphereufm.features.readers.source import RefusedSource

SIX = np.arange(6, dtype=np.float32)


class Config:
    """A class of somebody's own."""

    def __init__(self):
        self.rate = 0.1
        self.parent = self


class Slots:
    """One with slots, whose state is a pair."""

    __slots__ = ("rate",)

    def __init__(self):
        self.rate = 0.1


FOREIGN = {
    "counter": collections.Counter("abca"),
    "set": {1, 2, 3},
    "frozenset": frozenset("ab"),
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"ab"),
    "complex": 1 + 2j,
    "namespace": argparse.Namespace(lr=0.1, layers=[1, 2]),
    "fraction": fractions.Fraction(1, 3),
    "path": pathlib.PurePosixPath("/data/x"),
    "numpy scalar": np.float64(0.5),
    "numpy array": np.arange(3),
    "numpy type": np.dtype("float32"),
    "function": len,
    "class": Config,
    "own object": Config(),
    "slots": Slots(),
    "deque": collections.deque([1, 2]),
    "range": range(3),
}
PLAIN = {
    "long": 2**200,
    "negative long": -(2**70),
    "tuple keys": {(0, "a"): 1.5, ("b",): 2.5},
    "odd keys": {None: 1, 1.5: 2, b"x": 3, ((1, 2), 3): 4, 2**90: 5},
    "default": collections.defaultdict(list, {"a": [0.5]}),
    "booleans": [True, False],
    "nothing": None,
}


def raw(value):
    """The operations by which Python pickles a value."""
    return Raw(pickle.dumps(value, 2)[2:-1])


def opened(folder, content):
    (folder / "x.pt").write_bytes(content)
    return open_arrays(folder / "x.pt")


@pytest.mark.parametrize("value", [*FOREIGN.values(), *PLAIN.values()], ids=[*FOREIGN, *PLAIN])
def test_what_lies_beside_tensors_does_not_matter(tmp_path, value):
    """Before, behind and around them, and as a key."""
    state = {"before": raw(value), "x": tensor(), "list": [raw(value), tensor()], "behind": raw(value)}
    found = opened(tmp_path, torch_zip(state))
    assert np.array_equal(found["x"].read(), SIX.reshape(2, 3))
    assert np.array_equal(found["list.1"].read(), SIX.reshape(2, 3))


@pytest.mark.parametrize("key", [k for k in FOREIGN if "bytes" not in k and k != "bytearray"])
def test_foreign_things_are_listed_and_refused_alone(tmp_path, key):
    found = opened(tmp_path, torch_zip({"x": tensor(), "y": raw(FOREIGN[key])}))
    assert isinstance(found["y"], RefusedSource)
    with pytest.raises(UnreadableFileError, match=r"x\.pt:y is refused: it is"):
        found["y"].read()
    with pytest.raises(UnreadableFileError, match=r"x\.pt is refused: it is|no dense tensors"):
        opened(tmp_path, torch_zip(raw(FOREIGN[key])))


def test_nothing_is_called_for_a_foreign_object(tmp_path):
    """A trap that Python's unpickler would spring, in every way an object can be made."""
    trap = str(tmp_path / "sprung")
    ways = {
        "reduce": call(name("os", "mkdir"), trap),
        "new": Raw(name("os", "mkdir") + encode((trap,)) + b"\x81"),
        "object": Raw(b"(" + name("os", "mkdir") + encode(trap) + b"o"),
        "named": Raw(b"(" + encode(trap) + b"ios\nmkdir\n"),
        "state": Raw(call(name("os", "mkdir"), trap) + encode({"x": trap}) + b"b"),
        "twice": Raw(call(name("os", "mkdir"), trap) + encode((trap,)) + b"R"),
    }
    found = opened(tmp_path, torch_zip({"x": tensor(), **ways}))
    assert np.array_equal(found["x"].read(), SIX.reshape(2, 3))
    for way in ways:
        with pytest.raises(UnreadableFileError, match="nothing that a file names is ever called"):
            found[way].read()
    assert not (tmp_path / "sprung").exists()


def test_sparse_and_quantised_extras_do_not_matter(tmp_path):
    sparse = call(
        name("torch._utils", "_rebuild_sparse_tensor"), name("torch", "sparse_coo"), (tensor(), (2, 3))
    )
    quantised = call(
        name("torch._utils", "_rebuild_qtensor"), storage("QInt8Storage", key="1", numel=6), 0, (6,)
    )
    wrapped = call(
        name("torch._tensor", "_rebuild_from_type_v2"),
        name("torch._utils", "_rebuild_tensor_v2"),
        name("my.tensors", "Masked"),
        (storage(), 0, (6,), (1,), False, None),
        {},
    )
    state = {"x": tensor(), "s": sparse, "q": quantised, "w": wrapped}
    found = opened(tmp_path, torch_zip(state, {"0": SIX.tobytes(), "1": bytes(6)}))
    assert np.array_equal(found["x"].read(), SIX.reshape(2, 3))
    for key in "sqw":
        assert isinstance(found[key], RefusedSource)


def test_foreign_things_in_the_old_container(tmp_path):
    state = {"x": tensor(), "y": raw(FOREIGN["namespace"])}
    found = opened(tmp_path, torch_legacy(state))
    assert np.array_equal(found["x"].read(), SIX.reshape(2, 3))


def stored(parts):
    """A list of tensors of the given arrays, and their storages."""
    kinds = {
        "f4": "FloatStorage",
        "f2": "HalfStorage",
        "i8": "LongStorage",
        "i4": "IntStorage",
        "f8": "DoubleStorage",
    }
    made, data = [], {}
    for i, array in enumerate(parts):
        kind = kinds[array.dtype.str[1:]]
        strides = tuple(s // array.itemsize for s in np.array(array, order="C").strides)
        made.append(tensor(storage(kind, key=str(i), numel=array.size), 0, array.shape, strides))
        data[str(i)] = array.tobytes()
    return made, data


BATCHES = np.arange(40, dtype=np.float32).reshape(10, 4)
LABELS = np.arange(10)
LISTS = {
    "samples": (list(BATCHES), BATCHES),
    "batches": ([BATCHES[:4], BATCHES[4:8], BATCHES[8:]], BATCHES),
    "squeezed last batch": ([BATCHES[:5], BATCHES[5:9], BATCHES[9]], BATCHES),
    "squeezed first batch": ([BATCHES[0], BATCHES[1:]], BATCHES),
    "mixed floats": ([BATCHES[:4].astype(np.float16), BATCHES[4:]], BATCHES),
    "numbers": ([np.array(k) for k in LABELS], LABELS),
    "label batches": ([LABELS[:5], LABELS[5:]], LABELS),
    "ragged label batches": ([LABELS[:4], LABELS[4:8], LABELS[8:]], LABELS),
    "squeezed labels": ([LABELS[:5], LABELS[5:9], LABELS[9].reshape(())], LABELS),
    "mixed integers": ([LABELS[:4].astype(np.int32), LABELS[4:]], LABELS),
}


@pytest.mark.parametrize(("parts", "wanted"), LISTS.values(), ids=LISTS)
def test_lists_are_stacked(tmp_path, parts, wanted):
    made, data = stored(parts)
    found = opened(tmp_path, torch_zip({"x": made}, data))["x"]
    assert found.shape == wanted.shape
    assert np.array_equal(found.read(), wanted)
    assert np.array_equal(np.concatenate([b.copy() for b in found.blocks(3)]), wanted)


def test_rows_of_plain_numbers(tmp_path):
    rows, codes = BATCHES.tolist(), np.eye(3)[LABELS % 3].tolist()
    found = opened(
        tmp_path, torch_zip({"features": rows, "labels": codes, "betas": [(0.9, 0.99), (0.5, 0.6)]})
    )
    assert np.array_equal(found["features"].read(), BATCHES)
    assert np.array_equal(found["labels"].read(), codes)
    assert found["betas.0"].shape == (2,)
    pair = opened(tmp_path, torch_zip((rows, LABELS.tolist())))
    assert np.array_equal(pair["0"].read(), BATCHES)
    assert np.array_equal(pair["1"].read(), LABELS)
    ragged = opened(tmp_path, torch_zip({"features": [[1.0, 2.0], [1.0]], "labels": [0, 1]}))
    with pytest.raises(UnreadableFileError, match=r"unlike lengths \[1, 2\]; pad them"):
        ragged["features"].read()


def test_vectors_that_are_labels_by_name_are_batches(tmp_path):
    made, data = stored([BATCHES[0], BATCHES[1]])
    assert opened(tmp_path, torch_zip({"labels": made}, data))["labels"].shape == (8,)


def test_pairs_of_samples_and_labels(tmp_path):
    made, data = stored(list(BATCHES))
    found = opened(tmp_path, torch_zip([(t, int(k)) for t, k in zip(made, LABELS, strict=True)], data))
    assert np.array_equal(found["0"].read(), BATCHES)
    assert np.array_equal(found["1"].read(), LABELS)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([BATCHES[:3], BATCHES[3:, :2]], r"shapes do not fit together: \(3, 4\), \(7, 2\)"),
        ([BATCHES, LABELS.reshape(10, 1)], "unlike types: float32, int64"),
    ],
)
def test_lists_that_do_not_fit_say_why(tmp_path, parts, words):
    made, data = stored(parts)
    found = opened(tmp_path, torch_zip({"x": made, "labels": [0, 1]}, data))
    with pytest.raises(UnreadableFileError, match=words):
        found["x"].read()


def test_a_list_of_names_is_labels(tmp_path):
    made, data = stored([BATCHES])
    names = ["cat", "dog"] * 5
    opened(tmp_path, torch_zip({"features": made[0], "labels": names}, data))
    found = load_features(tmp_path / "x.pt")
    assert found.class_names == ("cat", "dog")
    assert np.array_equal(found.labels, np.arange(10) % 2)


@pytest.mark.parametrize("strides", [(4, 1), (1, 10)], ids=["rows", "columns"])
@pytest.mark.parametrize("offset", [0, 3])
def test_an_archive_that_was_packed_again(tmp_path, strides, offset):
    numbers = np.arange(43, dtype=np.float32)
    made = tensor(storage(numel=43), offset, (10, 4), strides)
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", pickled({"x": made}))
        archive.writestr("x/data/0", numbers.tobytes())
    wanted = np.lib.stride_tricks.as_strided(numbers[offset:], (10, 4), [4 * s for s in strides])
    found = open_array(tmp_path / "x.pt")
    assert np.array_equal(found.read(), wanted)
    assert np.array_equal(np.concatenate([b.copy() for b in found.blocks(3)]), wanted)


@pytest.mark.parametrize("save", ["npy", "npz", "deflated"])
def test_bfloat16_of_numpy(tmp_path, save):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.arange(12).reshape(3, 4).astype(ml_dtypes.bfloat16)
    path = tmp_path / "x"
    with open(path, "wb") as file:
        {"npy": np.save, "npz": np.savez, "deflated": np.savez_compressed}[save](file, array)
    found = open_array(path)
    assert found.dtype == np.float32
    assert np.array_equal(found.read(), array.astype(np.float32))
    assert "stored as bfloat16" in load_features(path, labels=[0, 1, 1]).chosen[0]


def test_arrow_streams_and_tensor_columns(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    maps = np.arange(48, dtype=np.float32).reshape(12, 2, 2)
    column = pyarrow.FixedShapeTensorArray.from_numpy_ndarray(maps)
    table = pyarrow.table(
        {"maps": column, "features": list(maps.reshape(12, 4)), "label": pyarrow.array(["b", "a", "c"] * 4)}
    )
    coded = table.append_column("coded", table["label"].dictionary_encode())
    with (
        pyarrow.OSFile(str(tmp_path / "x.arrow"), "wb") as sink,
        pyarrow.ipc.new_stream(sink, coded.schema) as writer,
    ):
        for batch in coded.to_batches(max_chunksize=5):
            writer.write_batch(batch)
    found = open_arrays(tmp_path / "x.arrow")
    assert np.array_equal(found["maps"].read(), maps)
    assert np.array_equal(
        np.concatenate([b.copy() for b in found["features"].blocks(7)]), maps.reshape(12, 4)
    )
    for key in ("label", "coded"):
        assert [found[key].categories[k] for k in found[key].read()] == ["b", "a", "c"] * 4
    loaded = load_features(f"{tmp_path}/x.arrow:features", labels="coded")
    assert loaded.class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    "name", ["part-0000{i}-{job}-c000.snappy", "part-0000{i}-tid-71{i}9-{job}-{i}-1-c000.gz"]
)
def test_parts_as_spark_names_them(tmp_path, name):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    job = "6f5b8c1e-11aa-4c1d-9d5e-0a1b2c3d4e5f"
    H, y = np.arange(24.0).reshape(6, 4), ["a", "b", "b", "c", "a", "c"]
    for i in range(3):
        table = pyarrow.table({"features": list(H[2 * i : 2 * i + 2]), "label": y[2 * i : 2 * i + 2]})
        parquet.write_table(table, tmp_path / f"{name.format(i=i, job=job)}.parquet")
    (tmp_path / "_SUCCESS").write_bytes(b"")
    found = load_features(tmp_path)
    assert np.array_equal(found.features.read(), H)
    assert found.class_names == ("a", "b", "c")
    assert np.array_equal(found.labels, [0, 1, 1, 2, 0, 2])


def test_links_inside_an_hdf5_file(tmp_path):
    h5py = pytest.importorskip("h5py")
    H = np.arange(24.0).reshape(6, 4)
    h5py.File(tmp_path / "other.h5", "w").close()
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["run/features"] = H
        file["run/labels"] = np.arange(6) % 3
        file["features"] = h5py.SoftLink("/run/features")
        file["run/near"] = h5py.SoftLink("labels")
        file["outside"] = h5py.ExternalLink("other.h5", "/x")
        file["nowhere"] = h5py.SoftLink("/none")
    found = open_arrays(tmp_path / "x.h5")
    assert np.array_equal(found["features"].read(), H)
    assert np.array_equal(found["run/near"].read(), np.arange(6) % 3)
    for key, words in (("outside", "external link"), ("nowhere", "leads nowhere")):
        with pytest.raises(UnreadableFileError, match=rf"{words}.*; (give|name) "):
            found[key].read()


def test_masked_entries_are_not_read_as_if_they_were_there():
    masked = np.ma.masked_equal(np.arange(8.0).reshape(4, 2), 3.0)
    with pytest.raises(ValueError, match="features has 1 masked entries"):
        feature_set_from_arrays(masked, [0, 1, 0, 1])
    whole = np.ma.masked_array(np.arange(8.0).reshape(4, 2))
    assert feature_set_from_arrays(whole, [0, 1, 0, 1]).features.shape == (4, 2)


def test_dictionaries_by_sample(tmp_path):
    """Features and labels by name of the sample, whatever the order of the second; other samples are no labels."""
    parts = [tensor(None, 2 * i, (2,), (1,)) for i in range(3)]
    features, keys = dict(zip("abc", parts, strict=True)), {"c": 1, "a": 0, "b": 1}
    found = opened(tmp_path, torch_zip({"features": features, "labels": keys}))
    assert found["features"].shape == (3, 2)
    assert found["labels"].read().tolist() == [0, 1, 1]
    other = {"features": features, "labels": {"c": 1, "a": 0, "d": 1}}
    found = opened(tmp_path, torch_zip(other))
    with pytest.raises(UnreadableFileError, match="not those of the dictionary before it"):
        found["labels"].read()


def test_one_long_key_in_many_names_is_refused_in_time(tmp_path):
    """Two megabytes that would be two gigabytes of names."""
    shared = "ab" * 10**6
    value = {str(number): {shared: [1, 2]} for number in range(1000)}
    with pytest.raises(UnreadableFileError, match="more than 2000000 values"):
        opened(tmp_path, torch_zip(raw(value)))


def test_the_end_of_a_long_key_tells_its_role():
    assert role_and_stem("a b " * 10**6 + "test_labels").role == "labels"


@pytest.mark.parametrize("twice", [{"a.b": [1, 2], "a": {"b": [3, 4]}}, {1: [1, 2], "1": [3, 4], "x": {}}])
def test_two_arrays_of_one_name_are_refused_alone(tmp_path, twice):
    found = opened(tmp_path, torch_zip(raw({"features": [[1.0, 2.0], [3.0, 4.0]], **twice})))
    assert found["features"].read().tolist() == [[1, 2], [3, 4]]
    with pytest.raises(UnreadableFileError, match="two of the file's arrays have this name"):
        found["a.b" if "a" in twice else "1"].read()
