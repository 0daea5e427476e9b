"""Random files: whatever the bytes, a reader gives arrays or one of our errors, and good files come back."""

import io
import os
import struct

import hostile_torch
import numpy as np
import pytest
from hostile_fuzz import LIBRARY_MAGIC, seeds
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers import open_array, open_arrays, split_spec
from sphereufm.features.readers.pickle.unpickler import TorchUnpickler

SEEDS = seeds()
CODES = bytes(range(256))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "x"


def read_or_refuse(path, content):
    """Read everything; only UnreadableFileError may come out."""
    if any(content[at : at + 8].startswith(LIBRARY_MAGIC) for at in (0, 512, 1024, 2048)):
        return
    path.write_bytes(content)
    try:
        arrays = open_arrays(path)
    except UnreadableFileError:
        return
    for array in arrays.values():
        try:
            whole = array.read()
            assert whole.shape == array.shape
            assert whole.dtype == array.dtype
            assert (
                sum(len(block) for block in (array.blocks(3) if array.shape else ()))
                == (array.shape or (0,))[0]
            )
        except UnreadableFileError:
            pass


@settings(max_examples=300)
@given(data=st.data())
def test_changed_files(path, data):
    """A good file with bytes changed, cut out, repeated or put in."""
    content = bytearray(SEEDS[data.draw(st.sampled_from(sorted(SEEDS)))])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(at, min(at + 16, len(content))))
        content[at:stop] = data.draw(
            st.one_of(
                st.binary(max_size=16),
                st.integers(0, 2**64 - 1).map(lambda n: struct.pack("<Q", n)),
                st.just(bytes(content[at:stop]) * 2),
            )
        )
    read_or_refuse(path, bytes(content))


@settings(max_examples=200)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x80\x02\x8a\x0a", b"{"]),
)
def test_random_bytes(path, content, magic):
    read_or_refuse(path, magic + content)


def operations():
    """Pickle operations in any order, often those that the interpreter knows."""
    known = [
        "(",
        "N",
        "]",
        "}",
        ")",
        "t",
        "a",
        "e",
        "s",
        "u",
        "R",
        "b",
        "Q",
        "K\x01",
        "q\x00",
        "h\x00",
        "\x85",
        "\x86",
    ]
    pieces = [code.encode("latin1") for code in known]
    pieces += [hostile_torch.encode(value) for value in ("storage", "0", "cpu", 6, (2, 3), {"a": 1}, [1.5])]
    pieces += [
        bytes(hostile_torch.name("torch._utils", f)) for f in ("_rebuild_tensor_v2", "_rebuild_parameter")
    ]
    pieces += [
        bytes(hostile_torch.name("collections", "OrderedDict")),
        bytes(hostile_torch.name("torch", "Size")),
    ]
    pieces += [
        bytes(hostile_torch.storage()),
        bytes(hostile_torch.tensor()),
        bytes(hostile_torch.name("torch", "int8")),
    ]
    return st.lists(st.one_of(st.sampled_from(pieces), st.binary(min_size=1, max_size=2)), max_size=25).map(
        b"".join
    )


@settings(max_examples=400)
@given(operations())
@example(b"})Ns")
@example(b"]q\x00h\x00a")
def test_random_pickles(path, ops):
    """The unpickler ends with a value or an error, and so does the walk over the value."""
    read_or_refuse(path, hostile_torch.torch_zip(b"\x80\x02" + ops + b"."))


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4) | st.integers(-99, 99), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain, st.integers(2, 5))
def test_plain_values_agree_with_pickle(value, protocol):
    """Plain values come back, and nothing behind them is read."""
    import pickle

    stream = io.BytesIO(pickle.dumps(value, protocol) + b"behind")
    assert TorchUnpickler(stream, "x", None).load() == value
    assert stream.read() == b"behind"


@settings(max_examples=60)
@given(data=st.data())
def test_arrays_come_back(path, data):
    """Whatever array numpy saves is read back bit for bit, in blocks of any size."""
    kinds = st.one_of(
        hnp.floating_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.boolean_dtypes()
    )
    array = data.draw(hnp.arrays(kinds, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6)))
    array = np.asfortranarray(array) if data.draw(st.booleans()) else array
    file = io.BytesIO()
    save = data.draw(st.sampled_from([np.save, np.savez, np.savez_compressed]))
    save(file, array)
    path.write_bytes(file.getvalue())
    source = open_array(path)
    expected = array.astype(array.dtype.newbyteorder("="))
    assert source.dtype == expected.dtype
    assert source.read().tobytes() == expected.tobytes()
    blocks = [block.tobytes() for block in source.blocks(data.draw(st.integers(1, 7)))]
    assert b"".join(blocks) == expected.tobytes()


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_text_is_a_path(text):
    """A specification never raises by itself."""
    place, key = split_spec(text)
    assert place + (f":{key}" if key is not None else "") == text
    if not os.path.lexists(place):
        with pytest.raises(UnreadableFileError):
            open_arrays(place)
