"""Peak memory of streaming does not grow with the file: measured in processes of their own."""

import subprocess
import sys
import tracemalloc

import hostile_torch
import numpy as np
import pytest

from sphereufm.features import open_arrays

if not sys.platform.startswith("linux"):
    pytest.skip("peak memory is read as Linux reports it", allow_module_level=True)

PROBE = """
import resource, sys
from sphereufm.features.readers import open_array
from sphereufm.features import finite_blocks
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(len(block) for block in finite_blocks(open_array(sys.argv[1]), 1000))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(rows, (after - before) * 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""
ROWS, DIM = 100_000, 200
SIZE = ROWS * DIM * 4


def growth(path):
    """Rows read, bytes by which this process grew, and peak bytes of its children."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(path)], capture_output=True, text=True, check=True
    )
    return [int(number) for number in done.stdout.split()]


@pytest.fixture(scope="module")
def numbers():
    """Eighty megabytes that deflate well, but not beyond the limits."""
    array = np.zeros((ROWS, DIM), np.float32)
    array[:, :10] = np.random.default_rng(5).standard_normal((ROWS, 10))
    return array


def write_torch(path, array):
    made = hostile_torch.tensor(hostile_torch.storage(numel=array.size), 0, array.shape, (DIM, 1))
    path.write_bytes(hostile_torch.torch_zip(made, {"0": array.tobytes()}))


def write_transposed(path, array):
    made = hostile_torch.tensor(hostile_torch.storage(numel=array.size), 0, array.shape, (1, ROWS))
    path.write_bytes(hostile_torch.torch_zip(made, {"0": array.T.tobytes()}))


def write_npy(path, array):
    with open(path, "wb") as file:
        np.save(file, array)


def write_deflated(path, array):
    with open(path, "wb") as file:
        np.savez_compressed(file, array)


@pytest.mark.parametrize("write", [write_npy, write_deflated, write_torch, write_transposed])
def test_blocks_cost_one_block(tmp_path, numbers, write):
    write(tmp_path / "x", numbers)
    rows, grown, _ = growth(tmp_path / "x")
    assert rows == ROWS
    assert grown < SIZE / 8


def write_hdf5(path, array):
    with pytest.importorskip("h5py").File(path, "w") as file:
        file.create_dataset("x", data=array, chunks=(1000, DIM), compression="gzip", compression_opts=1)


def write_parquet(path, array):
    pyarrow = pytest.importorskip("pyarrow")
    column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(array.ravel()), DIM)
    table = pyarrow.table({"x": column})
    pytest.importorskip("pyarrow.parquet").write_table(table, path, use_dictionary=False, row_group_size=ROWS)


def write_feather(path, array):
    pyarrow = pytest.importorskip("pyarrow")
    column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(array.ravel()), DIM)
    writer = pytest.importorskip("pyarrow.feather")
    writer.write_feather(pyarrow.table({"x": column}), path, chunksize=5000)


@pytest.mark.parametrize("write", [write_hdf5, write_parquet, write_feather])
def test_libraries_cost_one_block_and_themselves(tmp_path, numbers, write):
    write(tmp_path / "x", numbers)
    rows, grown, child = growth(tmp_path / "x")
    assert rows == ROWS
    assert grown < SIZE / 8
    assert child < 200_000_000


def test_a_text_takes_memory_in_proportion(tmp_path):
    """Rows of one short value, of which each was a list once, took a hundred times the file."""
    path = tmp_path / "y.csv"
    path.write_text("1\n0\n" * 2**16)
    tracemalloc.start()
    assert open_arrays(path)["array"].shape == (2**17,)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * path.stat().st_size
