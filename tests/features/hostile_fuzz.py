"""Coverage-guided fuzzing of the readers, by hand.

    pip install atheris
    python tests/features/hostile_fuzz.py -max_total_time=600

Starts from a small good file of every format; a crash is any exception outside our errors, an input that
takes longer than 5 seconds, or more than 1 GB of memory.  The failing input is written to the working
directory by the fuzzer.  Formats that libraries read (HDF5, Parquet, Feather) are left out: the library has
a process of its own, and is fuzzed by its makers.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, os.path.dirname(__file__))
import hostile_torch

LIBRARY_MAGIC = (b"PAR1", b"ARROW1\0\0", b"\x89HDF\r\n\x1a\n")


def seeds():
    """Small good files, by name."""
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensor, legacy = hostile_torch.tensor(), hostile_torch.legacy_tensor()
    mapping = hostile_torch.call(hostile_torch.name("collections", "OrderedDict"), [["a", 1]])
    header = b'{"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
    made = {
        "zip.pt": hostile_torch.torch_zip({"x": tensor, "y": [0, 1], "z": mapping, "b": [tensor, tensor]}),
        "legacy.pt": hostile_torch.torch_legacy([(legacy, legacy), (legacy, legacy)]),
        "x.safetensors": len(header).to_bytes(8, "little") + header + x.tobytes(),
    }
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/x.npy", x)
        np.savez(f"{folder}/x.npz", x=x, y=x.T)
        np.savez_compressed(f"{folder}/y.npz", x=x, y=x.T)
        made.update({path.name: path.read_bytes() for path in Path(folder).iterdir()})
    return made


def fuzz(arguments):
    """Instrument the readers and run until the fuzzer's limits."""
    import atheris

    with atheris.instrument_imports(include=["sphereufm.features.readers"]):
        from sphereufm.errors import SphereUFMError
        from sphereufm.features.readers import open_arrays

    memory = os.memfd_create("input")

    def try_input(data):
        """Open and read everything; only our own errors are allowed."""
        if any(data[at : at + 8].startswith(LIBRARY_MAGIC) for at in (0, 512, 1024, 2048)):
            return
        os.ftruncate(memory, 0)
        os.pwrite(memory, data, 0)
        try:
            for array in open_arrays(f"/proc/self/fd/{memory}").values():
                for _ in array.blocks(7) if array.shape and array.shape[0] < 10**6 else ():
                    pass
                array.read()
        except SphereUFMError:
            pass

    with tempfile.TemporaryDirectory() as corpus:
        for name, content in seeds().items():
            Path(corpus, name).write_bytes(content)
        limits = ["-timeout=5", "-rss_limit_mb=1024", "-max_len=4096"]
        atheris.Setup([arguments[0], *limits, *arguments[1:], corpus], try_input)
        atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv)
