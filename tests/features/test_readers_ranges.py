"""Ranges of rows against slices of the whole array."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphereufm.errors import InvalidInputError
from sphereufm.features import open_array, open_arrays
from sphereufm.features.readers.source import MemorySource
from sphereufm.features.readers.views import row_range

WHOLE = np.random.default_rng(6).standard_normal((23, 3))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """One array, stored in every way that a range treats differently."""
    folder = tmp_path_factory.mktemp("ranges")
    np.save(folder / "c.npy", WHOLE)
    np.save(folder / "f.npy", np.asfortranarray(WHOLE))
    np.savez_compressed(folder / "z.npz", x=WHOLE)
    (folder / "shards").mkdir()
    for i, part in enumerate(np.split(WHOLE, [1, 9, 9, 20])):
        np.save(folder / "shards" / f"x_{i}.npy", part)
    return [
        MemorySource(name="x", array=WHOLE),
        open_array(folder / "c.npy"),
        open_array(folder / "f.npy"),
        open_array(folder / "z.npz"),
        open_arrays(folder / "shards")["x"],
    ]


@given(st.data())
def test_ranges_equal_slices(sources, data):
    source = data.draw(st.sampled_from(sources))
    start = data.draw(st.integers(0, 23))
    stop = data.draw(st.integers(start, 23))
    rows = data.draw(st.integers(1, 30))
    part = pickle.loads(pickle.dumps(row_range(source, start, stop)))
    assert part.shape == (stop - start, 3)
    blocks = [block.copy() for block in part.blocks(rows)]
    assert all(len(block) == rows for block in blocks[:-1])
    assert np.array_equal(np.concatenate([np.empty((0, 3)), *blocks]), WHOLE[start:stop])
    assert np.array_equal(part.read(), WHOLE[start:stop])


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (4, 3), (0, 24)])
def test_ranges_must_lie_inside(sources, start, stop):
    for source in sources:
        with pytest.raises(InvalidInputError):
            row_range(source, start, stop)
