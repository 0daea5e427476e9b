"""Builds the hostile corpus: files that attack a reader.  ``python hostile_files.py FOLDER`` writes them all.

Each case is a name and bytes, or a function that writes to a path.  None may be read: each must end in one
clear error, quickly, in little memory, without touching anything else.
"""

import io
import os
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np

sys.path.insert(0, os.path.dirname(__file__))

from hostile_torch import (
    Raw,
    archive,
    call,
    encode,
    legacy_tensor,
    name,
    pickled,
    storage,
    tensor,
    torch_legacy,
    torch_zip,
)

CANARY = "canary"
"""A pipe beside the files: whoever opens it hangs, and is caught."""

CALLS = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("builtins", "open"),
    ("__builtin__", "eval"),
    ("functools", "partial"),
    ("functools", "reduce"),
    ("operator", "attrgetter"),
    ("operator", "methodcaller"),
    ("subprocess", "Popen"),
    ("importlib", "import_module"),
    ("runpy", "run_path"),
    ("shutil", "rmtree"),
    ("pathlib", "Path"),
    ("types", "CodeType"),
    ("ctypes", "CDLL"),
    ("webbrowser", "open"),
    ("pickle", "loads"),
    ("numpy", "load"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("torch", "load"),
    ("torch.hub", "load"),
    ("torch.jit", "load"),
    ("torch.storage", "_load_from_bytes"),
    ("torch._utils", "_rebuild_sparse_tensor"),
    ("torch._utils", "os.system"),
    ("torch._utils", "_rebuild_tensor_v2.__globals__"),
    ("collections", "OrderedDict.__class__"),
    ("collections", "defaultdict"),
    ("sphereufm", "load_features"),
    ("", ""),
    ("torch", ""),
]


def corpus():
    """All cases as a dictionary from name to bytes or to a function that writes a path."""
    cases = {}
    for part in (calls, operations, bombs, tensors, torch_archives, zips, npys, npzs, safetensors, others):
        for key, content in part().items():
            if key in cases:
                raise ValueError(f"two cases are called {key}")
            cases[key] = content
    return cases


def corpus_of_libraries():
    """Cases that h5py and pyarrow are needed to write."""
    return {**hdf5s(), **tables()}


def calls():
    """Pickles that name something to call, in both containers and both ways of naming."""
    made = {}
    for i, (module, attribute) in enumerate(CALLS):
        attack = call(name(module, attribute), "touch hacked")
        stacked = Raw(encode(module) + encode(attribute) + b"\x93" + encode(("touch hacked",)) + b"R")
        label = f"call-{i:02d}-{module}.{attribute}".replace("/", "_")
        made[f"{label}.zip.pt"] = torch_zip({"x": tensor(), "y": attack})
        made[f"{label}.legacy.pt"] = torch_legacy({"x": legacy_tensor(), "y": attack})
        made[f"{label}.stacked.pt"] = torch_zip(stacked)
    return made


def operations():
    """Pickle operations that no tensor needs, and the needed ones misused."""
    ordered, size = name("collections", "OrderedDict"), name("torch", "Size")
    raw = {
        "inst": b"(X\x01\x00\x00\x00xios\nsystem\n",
        "obj": b"(" + name("os", "system") + b"X\x01\x00\x00\x00xo",
        "obj-allowed": b"(" + ordered + b"o",
        "newobj": ordered + b")\x81",
        "newobj-ex": ordered + b")}\x92",
        "ext1": b"\x82\x01",
        "persid": b"Pstorage\n",
        "int": b"I1\n",
        "long4": b"\x8b" + struct.pack("<i", 2**30),
        "long1": b"\x8a\xff" + b"\xff" * 255,
        "dup": b"N2\x86",
        "pop": b"NN0",
        "build-global": size + b"}X\x05\x00\x00\x00itemsNsb",
        "build-slots": call(ordered) + b"N}X\x05\x00\x00\x00itemsNs\x86b",
        "build-items": call(ordered) + b"}X\x05\x00\x00\x00itemsNsb",
        "build-metadata-list": call(ordered) + b"]b",
        "build-tensor": tensor() + b"}b",
        "build-dict": b"}}b",
        "reduce-int": b"K\x01)R",
        "reduce-list": size + b"]R",
        "reduce-size-text": call(size, "abc"),
        "reduce-size-negative": call(size, (-1,)),
        "reduce-dtype": call(name("torch", "float32")),
        "reduce-storage-class": call(name("torch", "FloatStorage"), 10),
        "reduce-tensor-class": call(name("torch", "Tensor"), 3),
        "ordered-numbers": call(ordered, [1, 2]),
        "ordered-unhashable": call(ordered, [([], 1)]),
        "from-type-size": call(name("torch._tensor", "_rebuild_from_type_v2"), size, size, ((),), None),
        "from-type-global": call(
            name("torch._tensor", "_rebuild_from_type_v2"),
            name("torch._tensor", "_rebuild_from_type_v2"),
            name("torch", "Tensor"),
            (),
            None,
        ),
        "parameter-of-none": call(name("torch._utils", "_rebuild_parameter"), None, True, None),
        "append-to-global": size + b"Na",
        "append-to-tensor": tensor() + b"Na",
        "append-to-tuple": b")Na",
        "setitem-on-list": b"]NNs",
        "setitem-odd": b"}(Nu",
        "setitem-tuple-key": b"})Ns",
        "setitem-float-key": b"}G" + bytes(8) + b"Ns",
        "setitem-huge-key": b"}" + encode(2**61 - 1) + b"Ns",
        "get-unknown": b"h\x07",
        "underflow": b"\x87",
        "tuple-without-mark": b"t",
        "appends-without-mark": b"]e",
        "no-stop": b"N",
        "two-values": b"NN",
        "mark-left": b"(N",
        "nothing": b"",
        "set": b"\x8f",
        "frozenset": b"(\x91",
        "bytearray": b"\x96" + struct.pack("<Q", 2**40),
        "next-buffer": b"\x97",
        "text-not-utf8": b"X\x01\x00\x00\x00\xff",
        "endless-name": b"c" + b"a" * 10_000,
        "global-not-utf8": b"c\xff\xfe\nx\n",
        "protocol-9": b"\x80\x09N",
        "persistent-int": b"K\x01Q",
        "persistent-module": encode(("module", name("torch", "Size"), None, None, None)) + b"Q",
    }
    return {f"operation-{key}.pt": torch_zip(b"\x80\x02" + ops + b".") for key, ops in raw.items()}


def bombs():
    """Small pickles that describe, or claim, the enormous."""
    pairs = b"N" + b"q\x00h\x00\x86" * 60
    lists = b"]q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(60))
    tensor_lists = (
        encode(tensor())
        + b"q\x00"
        + b"]("
        + b"h\x00h\x00" * 30
        + b"eq\x01"
        + b"]("
        + b"h\x01" * 60_000
        + b"e"
    )
    raw = {
        "pairs": pairs,
        "pairs-as-key": b"}" + pairs + b"Ns",
        "lists": lists,
        "itself": b"]q\x00h\x00a",
        "itself-dict": b"}q\x00X\x01\x00\x00\x00xh\x00s",
        "deep-lists": b"]" * 200_000 + b"a" * 199_999,
        "deep-dicts": b"}X\x01\x00\x00\x00x" * 1000 + b"N" + b"s" * 1000,
        "marks": b"(" * 5_000_000,
        "empty-lists": b"(" + b"]" * 5_000_000 + b"l",
        "empty-dicts": b"](" + b"}" * 5_000_000 + b"e",
        "nones": b"](" + b"N" * 10_000_000 + b"e",
        "puts": b"N" + b"".join(b"r" + struct.pack("<L", 2**32 - i) for i in range(1, 900_000)),
        "bytes8": b"\x8e" + struct.pack("<Q", 2**40),
        "text8": b"\x8d" + struct.pack("<Q", 2**63),
        "text-negative": b"T\xff\xff\xff\xff",
        "tensors-again": tensor_lists,
        "tensors-expanded": b"]("
        + encode(tensor(None, 0, (2**22, 4), (0, 0)))
        + b"q\x00"
        + b"h\x00" * 100_000
        + b"e",
        "names": b"(" + (name("torch", "Size") * 100_000) + b"t",
        "pairs-again": encode([("a", 1)] * 50_000)
        + b"q\x00"
        + (name("collections", "OrderedDict") + b"h\x00\x85R0") * 20_000,
        "arguments-again": b"("
        + b"N" * 300_000
        + b"tq\x000"
        + (name("torch._utils", "_rebuild_parameter") + b"h\x00R0") * 20_000
        + b"N",
        "dictionary-again": b"}q\x00("
        + b"".join(b"J" + struct.pack("<i", i) + b"N" for i in range(50_000))
        + b"u0]("
        + b"h\x00" * 300_000
        + b"e",
        "long-name": b"](" + encode("x" * 15_000_000) + b"e",
    }
    made = {f"bomb-{key}.pt": torch_zip(b"\x80\x02" + ops + b".") for key, ops in raw.items()}
    made["bomb-too-long.pt"] = torch_zip(b"\x80\x02" + b"N0" * 2**23 + b"N.")
    made["bomb-legacy-itself.pt"] = torch_legacy(b"\x80\x02]q\x00h\x00a.", [])
    return made


def tensors():
    """Tensors and storages that lie."""
    lies = {
        "negative-offset": tensor(None, -1),
        "negative-stride": tensor(None, 5, (2, 3), (-3, -1)),
        "negative-size": tensor(None, 0, (-2, -3)),
        "offset-behind": tensor(None, 1),
        "stride-behind": tensor(None, 0, (2, 3), (4, 1)),
        "size-terabytes": tensor(None, 0, (2**40, 1), (1, 1)),
        "size-overflow": tensor(None, 0, (2**33, 2**33), (0, 0)),
        "stride-overflow": tensor(None, 0, (3, 3), (2**62, 2**63)),
        "expanded-terabytes": tensor(None, 0, (2**30, 2**10), (0, 0)),
        "axes": tensor(None, 0, (1,) * 40, (1,) * 40),
        "axes-differ": tensor(None, 0, (2, 3), (1,)),
        "size-text": tensor(None, 0, "ab", (1, 1)),
        "size-bool": tensor(None, 0, (True, True), (1, 1)),
        "size-float": tensor(None, 0, (2.0, 3.0), (3, 1)),
        "size-none": tensor(None, 0, None, None),
        "offset-text": tensor(None, "0"),
        "metadata": tensor(None, 0, (2, 3), (3, 1), {"conj": True, "exec": 1}),
        "metadata-list": tensor(None, 0, (2, 3), (3, 1), [1]),
        "no-storage": tensor(Raw(b"N")),
        "dtype-as-text": tensor(
            storage("UntypedStorage", numel=24), 0, (6,), (1,), "float32", function="_rebuild_tensor_v3"
        ),
        "dtype-not-one": tensor(
            storage("UntypedStorage", numel=24),
            0,
            (6,),
            (1,),
            name("torch", "Size"),
            function="_rebuild_tensor_v3",
        ),
        "wider-than-bytes": tensor(
            storage("UntypedStorage", numel=24),
            0,
            (6,),
            (1,),
            name("torch", "float64"),
            function="_rebuild_tensor_v3",
        ),
        "storage-terabytes": tensor(storage(numel=2**40)),
        "storage-negative": tensor(storage(numel=-6)),
        "storage-short": tensor(storage(numel=5), 0, (5,), (1,)),
        "storage-missing": tensor(storage(key="1")),
        "storage-outside": tensor(storage(key="../../../etc/passwd")),
        "storage-absolute": tensor(storage(key="/etc/passwd")),
        "storage-number-key": tensor(storage(key=0)),
        "storage-quantised": tensor(storage("QInt8Storage")),
        "storage-view": tensor(storage(tail=(("0", 0, 6),))),
        "storage-twice": [tensor(), tensor(storage("IntStorage"))],
        "storage-kind-dtype": tensor(storage("float32")),
        "escape": {"\x1b[2J\n": [2**70, 1]},
        "one-name-twice": {"a": {"b": tensor()}, "a.b": tensor()},
        "integer-too-wide": [2**70, 1],
    }
    made = {f"tensor-{key}.zip.pt": torch_zip(value) for key, value in lies.items()}
    good = struct.pack("<6f", *range(6))
    made["legacy-short.pt"] = torch_legacy(legacy_tensor(), [("0", 6, good[:-1])])
    made["legacy-tail.pt"] = torch_legacy(legacy_tensor(), tail=b"x")
    made["legacy-count.pt"] = torch_legacy(legacy_tensor(), [("0", 5, good)])
    made["legacy-count-terabytes.pt"] = torch_legacy(legacy_tensor(numel=2**40), [("0", 2**40, good)])
    made["legacy-count-negative.pt"] = torch_legacy(legacy_tensor(), [("0", -6, good)])
    made["legacy-keys-twice.pt"] = torch_legacy(legacy_tensor(), keys=["0", "0"])
    made["legacy-keys-missing.pt"] = torch_legacy(legacy_tensor(), keys=[])
    made["legacy-keys-number.pt"] = torch_legacy(legacy_tensor(), keys=7)
    made["legacy-keys-nested.pt"] = torch_legacy(legacy_tensor(), keys=[["0"]])
    made["legacy-magic-only.pt"] = pickled(0x1950A86A20F9469CFC6C)
    return made


def torch_archives():
    """Archives that look like torch's, but are something else."""
    good, data = {"0": struct.pack("<6f", *range(6))}, pickled(tensor())
    return {
        "script.pt": torch_zip(tensor(), **{"constants.pkl": b"x"}),
        "script-code.pt": torch_zip(tensor(), **{"code/__torch__.py": b"x"}),
        "byteorder.pt": torch_zip(tensor(), byteorder=b"middle"),
        "two-pickles.pt": archive({"x/data.pkl": data, "y/data.pkl": data, "x/data/0": good["0"]}),
        "pickle-tail.pt": torch_zip(data + b"N."),
        "deflated-bomb.pt": archive(
            {
                "x/data.pkl": pickled(tensor(storage(numel=2**25), 0, (2**25,), (1,))),
                "x/data/0": bytes(2**27),
            },
            zipfile.ZIP_DEFLATED,
        ),
        "deflated-size.pt": archive({"x/data.pkl": data, "x/data/0": good["0"][1:]}, zipfile.ZIP_DEFLATED),
        "pickle-bomb.pt": archive({"x/data.pkl": bytes(2**27)}, zipfile.ZIP_DEFLATED),
        "root-pickle.pt": archive({"data.pkl": data, "data/0": good["0"]}),
    }


def _npy(array=None, **fields):
    """A .npy file, with any header field replaced by text."""
    array = np.arange(6.0).reshape(2, 3) if array is None else array
    header = {"descr": repr(array.dtype.str), "fortran_order": "False", "shape": repr(array.shape), **fields}
    text = "{" + ", ".join(f"{key!r}: {value}" for key, value in header.items()) + "}\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1") + array.tobytes()


def npys():
    """Headers that lie, and types that would need unpickling."""
    return {
        "npy-object.npy": _npy(descr="'|O'"),
        "npy-object8.npy": _npy(descr="'O8'"),
        "npy-structure.npy": _npy(descr="[('a', '|O')]"),
        "npy-void.npy": _npy(descr="'|V8'"),
        "npy-long-text.npy": _npy(descr="'<U1000'"),
        "npy-empty-text.npy": _npy(descr="'<U0'"),
        "npy-void1.npy": _npy(descr="'|V1'"),
        "npy-date.npy": _npy(descr="'<M8[ns]'"),
        "npy-itemsize.npy": _npy(descr="'<f1000000000'"),
        "npy-f1.npy": _npy(descr="'<f1'"),
        "npy-negative.npy": _npy(shape="(-2, -3)"),
        "npy-terabytes.npy": _npy(shape="(2000000000000, 3)"),
        "npy-overflow.npy": _npy(shape="(4294967296, 4294967296)"),
        "npy-float-shape.npy": _npy(shape="(2.0, 3)"),
        "npy-list-shape.npy": _npy(shape="[2, 3]"),
        "npy-bool-shape.npy": _npy(shape="(True, 6)"),
        "npy-axes.npy": _npy(shape="(" + "1, " * 40 + ")"),
        "npy-call.npy": _npy(shape="__import__('os').system('touch hacked')"),
        "npy-parentheses.npy": _npy(shape="(" * 9000),
        "npy-minus.npy": _npy(shape="-" * 9000 + "1"),
        "npy-power.npy": _npy(shape="(9**9**9,)"),
        "npy-digits.npy": _npy(shape="(" + "9" * 9000 + ",)"),
        "npy-order.npy": _npy(fortran_order="1"),
        "npy-field.npy": _npy(extra="1"),
        "npy-nul.npy": _npy(shape="(2, \0 3)"),
        "npy-version.npy": b"\x93NUMPY\x09" + _npy()[7:],
        "npy-long-header.npy": b"\x93NUMPY\x02\x00" + struct.pack("<L", 2**31) + bytes(100),
        "npy-two.npy": _npy() * 2,
        "npy-utf8.npy": b"\x93NUMPY\x03\x00" + struct.pack("<L", 4) + b"\xff\xfe{}",
    }


def npzs():
    """Archives of arrays."""
    huge = io.BytesIO()
    with zipfile.ZipFile(huge, "w", zipfile.ZIP_DEFLATED) as target, target.open("x.npy", "w") as entry:
        entry.write(_npy(shape="(25600000,)")[:-48])
        for _ in range(200):
            entry.write(bytes(1024000))
    broken = bytearray(archive({"x.npy": _npy(np.arange(1000.0))}, zipfile.ZIP_DEFLATED))
    broken[200] ^= 0xFF
    return {
        "npz-object.npz": archive({"x.npy": _npy(descr="'|O'")}),
        "npz-object-deflated.npz": archive({"x.npy": _npy(descr="'|O'")}, zipfile.ZIP_DEFLATED),
        "npz-bomb.npz": huge.getvalue(),
        "npz-header.npz": archive({"x.npy": _npy(shape="(2000000000000, 3)")}),
        "npz-header-deflated.npz": archive({"x.npy": _npy(shape="(2000000000000, 3)")}, zipfile.ZIP_DEFLATED),
        "npz-broken-stream.npz": bytes(broken),
        "npz-short-stream.npz": _packed(_npy(np.arange(1000.0)), claimed=_npy(np.arange(1000.0)) + bytes(10)),
        "npz-long-stream.npz": _packed(
            _npy(np.arange(1000.0)) + bytes(2**24), claimed=_npy(np.arange(1000.0))
        ),
        "npz-escape.npz": archive({"\x1b[2J\nx" * 50 + ".npy": _npy(descr="'|O'")}),
        "npz-nothing.npz": archive({"readme.txt": b"x"}),
        "npz-empty.npz": archive({}),
        "npz-bzip2.npz": archive({"x.npy": _npy()}, zipfile.ZIP_BZIP2),
        "npz-lzma.npz": archive({"x.npy": _npy()}, zipfile.ZIP_LZMA),
    }


def _packed(content, claimed):
    """A deflated entry whose directory claims other contents than the stream has."""
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = machine.compress(content) + machine.flush()
    numbers = (zlib.crc32(claimed), len(packed), len(claimed))
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, *numbers, 5, 0) + b"x.npy"
    central = (
        struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, *numbers, 5, 0, 0, 0, 0, 0, 0)
        + b"x.npy"
    )
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    return local + packed + central + end


def zips():
    """Archives whose structure lies."""
    good = archive({"a.npy": _npy(), "b.npy": _npy()})
    directory = good.index(b"PK\x01\x02")
    end = good.index(b"PK\x05\x06")
    second = good.index(b"PK\x03\x04", 10)

    def patched(at, form, *values):
        copy = bytearray(good)
        struct.pack_into(form, copy, at, *values)
        return bytes(copy)

    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twice = archive([("a.npy", _npy()), ("a.npy", _npy())])
    made = {
        "twice": twice,
        "parent": archive({"../a.npy": _npy()}),
        "inner-parent": archive({"x/../../a.npy": _npy()}),
        "absolute": archive({"/a.npy": _npy()}),
        "drive": archive({"C:/a.npy": _npy()}),
        "backslash": good.replace(b"a.npy", b"a\\npy"),
        "nul": good.replace(b"a.npy", b"a\0npy"),
        "overlap": patched(good.index(b"PK\x01\x02", directory + 4) + 42, "<L", 0).replace(
            b"b.npy", b"a.npy", 1
        ),
        "local-elsewhere": patched(directory + 42, "<L", 7),
        "local-behind": patched(directory + 42, "<L", 2**31),
        "other-name": patched(30, "<5s", b"c.npy"),
        "central-size": patched(directory + 20, "<2L", 2**31, 2**31),
        "central-plain-size": patched(directory + 24, "<L", 5),
        "local-size": patched(18, "<2L", 5, 5),
        "local-crc": patched(14, "<L", 5),
        "local-method": patched(8, "<H", 8),
        "central-method": patched(directory + 10, "<H", 8),
        "encrypted": patched(directory + 8, "<H", 1),
        "method-99": patched(directory + 10, "<H", 99),
        "swallows-next": patched(directory + 20, "<2L", second + 40, second + 40),
        "count-more": patched(end + 8, "<2H", 3, 3),
        "count-less": patched(end + 8, "<2H", 1, 1),
        "directory-size": patched(end + 12, "<L", 2**31),
        "directory-offset": patched(end + 16, "<L", 0),
        "disks": patched(end + 4, "<2H", 1, 1),
        "marks-without-zip64": patched(end + 8, "<2H2L", 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        "comment": patched(end + 20, "<H", 9),
        "tail": good + b"x",
        "second-end": good + good[end:],
        "prefix": b"PK\x03\x04" + good,
        "zip64-wild": _with_zip64(good, end, 2**60, 2**60),
        "zip64-count": _with_zip64(good, end, end - directory, directory, 2**60),
        "no-end": good[:end],
        "only-end": good[end:],
    }
    return {f"zip-{key}.npz": content for key, content in made.items()}


def _with_zip64(good, end, size, begin, count=2):
    """Put 64-bit end records into an archive."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, begin)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return good[:end] + record + locator + tail


def safetensors():
    """Headers that lie."""

    def made(text, data=bytes(24), length=None):
        raw = text.encode()
        return struct.pack("<Q", len(raw) if length is None else length) + raw + data

    def one(shape="[2,3]", span="[0,24]", kind='"F32"', more=""):
        return f'{{"x":{{"dtype":{kind},"shape":{shape},"data_offsets":{span}{more}}}}}'

    pair = '{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},"b":{"dtype":"F32","shape":[6],"data_offsets":%s}}'
    texts = {
        "huge-header": made(one(), length=2**39),
        "header-behind": made(one(), length=5000),
        "header-100mb": made(one(), length=100_000_000),
        "overlap": made(pair % "[0,24]"),
        "partial-overlap": made(pair % "[12,36]", bytes(36)),
        "hole": made(pair % "[28,52]", bytes(52)),
        "outside": made(one(shape="[2,6]", span="[0,48]")),
        "tail": made(one(), bytes(25)),
        "negative": made(one(span="[-24,0]")),
        "backwards": made(one(span="[24,0]")),
        "shape-terabytes": made(one(shape="[2000000000000,3]")),
        "shape-overflow": made(one(shape="[4294967296,4294967296]")),
        "shape-negative": made(one(shape="[-2,-3]")),
        "shape-float": made(one(shape="[2.0,3]")),
        "shape-bool": made(one(shape="[true,6]")),
        "shape-digits": made(one(shape="[" + "9" * 10_000 + "]")),
        "shape-text": made(one(shape='"23"')),
        "kind-unknown": made(one(kind='"O8"')),
        "kind-number": made(one(kind="7")),
        "kind-wide": made(one(kind='"F64"')),
        "extra-field": made(one(more=',"evil":1')),
        "twice": made('{"x":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},' + one()[1:]),
        "escape": made('{"\\u001b[2J\\n":{"dtype":"F64","shape":[6],"data_offsets":[0,24]}}'),
        "list": made("{]", bytes(24)),
        "nested": made('{"x":' + "[" * 100_000),
        "nested-objects": made('{"x":' * 100_000),
        "not-utf8": struct.pack("<Q", 4) + b'{"\xff"' + bytes(24),
        "no-tensors": made("{}", b""),
        "nan": made('{"x":NaN}'),
        "numbers": made('{"x":[' + "0," * 1_500_000 + "0]}"),
        "objects": made('{"x":[' + "{}," * 1_200_000 + "{}]}"),
    }
    return {f"safetensors-{key}.safetensors": content for key, content in texts.items()}


def others():
    """Things that are no array file."""
    return {
        "empty": b"",
        "text.txt": b"features\n",
        "text-long-cell.csv": b"label,name\n" + b"1,a\n" * 100_000 + b"1," + b"b" * 100_000 + b"\n",
        "plain.pkl": pickled({"x": [1.0]}),
        "elf": b"\x7fELF" + bytes(100),
        "feather-1.feather": b"FEA1" + bytes(100) + b"FEA1",
        "parquet-magic.parquet": b"PAR1PAR1",
        "parquet-footer.parquet": b"PAR1" + bytes(20) + struct.pack("<L", 2**31) + b"PAR1",
        "parquet-zeros.parquet": b"PAR1" + bytes(100) + struct.pack("<L", 90) + b"PAR1",
        "feather-footer.feather": b"ARROW1\0\0" + bytes(20) + struct.pack("<L", 2**31) + b"ARROW1",
        "feather-zeros.feather": b"ARROW1\0\0" + bytes(100) + struct.pack("<L", 90) + b"ARROW1",
        "hdf5-magic.h5": b"\x89HDF\r\n\x1a\n" + bytes(1000),
        "pipe": os.mkfifo,
        "folder-empty": os.mkdir,
        "folder-link": _folder_with_link,
        "folder-gap": lambda path: _folder(path, {"x_0.npy": _npy(), "x_2.npy": _npy()}),
        "folder-epochs": lambda path: _folder(path, {"epoch_0.npy": _npy(), "epoch_1.npy": _npy()}),
        "folder-total": lambda path: _folder(path, {"x-1-of-3.npy": _npy(), "x-2-of-3.npy": _npy()}),
        "folder-mixed": lambda path: _folder(
            path, {"a_0.npz": archive({"x.npy": _npy()}), "b_0.npz": archive({"x.npy": _npy()})}
        ),
        "folder-keys": lambda path: _folder(
            path, {"a_0.npz": archive({"x.npy": _npy()}), "a_1.npz": archive({"y.npy": _npy()})}
        ),
        "folder-rows": lambda path: _folder(path, {"a_0.npy": _npy(), "a_1.npy": _npy(np.ones((2, 4)))}),
        "folder-damaged": lambda path: _folder(path, {"a_0.npy": _npy(), "a_1.npy": _npy()[:-1]}),
        "folder-broken-link": lambda path: (os.mkdir(path), os.symlink("nowhere", f"{path}/a.npy"))[0],
        "link-to-nowhere.npy": lambda path: os.symlink("nowhere", path),
        "sparse.npy": _sparse,
    }


def _folder(path, files):
    """A directory of files."""
    os.mkdir(path)
    for file, content in files.items():
        Path(path, file).write_bytes(content)


def _folder_with_link(path):
    """A directory with a link to a good file outside."""
    _folder(path, {})
    Path(f"{path}-outside.npy").write_bytes(_npy())
    os.symlink(f"../{os.path.basename(path)}-outside.npy", f"{path}/a.npy")


def _sparse(path):
    """A terabyte of hole behind an honest header."""
    header = _npy(np.zeros((1, 1)), shape="(137438953472, 1)")[:-8]
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(len(header) + 2**40)


def hdf5s():
    """HDF5 files that point elsewhere or claim more than they hold."""

    def case(write, **options):
        def make(path):
            import h5py

            with h5py.File(path, "w", **options) as file:
                write(file, h5py)

        return make

    def deep(file, h5py):
        group = file
        for _ in range(50):
            group = group.create_group("g")

    def huge_chunk(file, h5py):
        file.create_dataset("x", (2**20, 2**10), "f4", chunks=(2**16, 2**10), compression="gzip")

    def virtual(file, h5py):
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource(CANARY, "x", (4,))
        file.create_virtual_dataset("x", layout)

    def plugin(file, h5py):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((4,))
        plist.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1, 2))
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, space, plist)

    def mapped(file, h5py):
        file.create_dataset("x", (4,), "f4", external=[(CANARY, 0, 16)])

    cases = {
        "external-link": case(lambda f, h: f.__setitem__("x", h.ExternalLink(CANARY, "/x"))),
        "soft-link": case(lambda f, h: f.__setitem__("x", h.SoftLink("/y"))),
        "soft-link-circle": case(
            lambda f, h: (f.__setitem__("x", h.SoftLink("/y")), f.__setitem__("y", h.SoftLink("x")))
        ),
        "soft-link-to-external": case(
            lambda f, h: (
                f.__setitem__("e", h.ExternalLink(CANARY, "/")),
                f.__setitem__("x", h.SoftLink("/e/x")),
            )
        ),
        "external-storage": case(mapped),
        "virtual": case(virtual),
        "claims-800mb": case(
            lambda f, h: f.create_dataset("x", (2**14, 2**13), "f8", chunks=(1, 2**10), fillvalue=1.0)
        ),
        "claims-terabytes": case(lambda f, h: f.create_dataset("x", (2**30, 2**10), "f4", chunks=(1, 2**10))),
        "claims-contiguous": case(lambda f, h: f.create_dataset("x", (2**30, 2**10), "f4")),
        "huge-chunk": case(huge_chunk),
        "texts-many": case(lambda f, h: f.create_dataset("x", data=[str(i) for i in range(20_000)])),
        "texts-long": case(lambda f, h: f.create_dataset("x", data=["a" * 10**6, "b"])),
        "texts-wide": case(lambda f, h: f.create_dataset("x", data=np.array([b"a" * 2000, b"b"]))),
        "texts-no-utf8": case(lambda f, h: f.create_dataset("x", data=np.array([b"\xff", b"b"]))),
        "texts-matrix": case(lambda f, h: f.create_dataset("x", data=[["a", "b"]], dtype=h.string_dtype())),
        "texts-terabytes": case(lambda f, h: f.create_dataset("x", (2**40,), h.string_dtype(), chunks=(9,))),
        "references": case(lambda f, h: f.create_dataset("x", data=[f.ref], dtype=h.ref_dtype)),
        "ragged": case(lambda f, h: f.create_dataset("x", (2,), h.vlen_dtype(np.float32))),
        "compound": case(lambda f, h: f.create_dataset("x", (2,), np.dtype([("a", "f4")]))),
        "plugin": case(plugin),
        "escape": case(lambda f, h: f.create_dataset("\x1b[2J\nx", (2,), np.dtype([("\x1b[2J\n", "f4")]))),
        "null": case(lambda f, h: f.create_dataset("x", dtype="f4")),
        "deep": case(deep),
        "cycle": case(lambda f, h: f.create_group("a").__setitem__("b", f["/"])),
        "empty": case(lambda f, h: None),
    }
    return {f"hdf5-{key}.h5": make for key, make in cases.items()}


def tables():
    """Parquet and Feather files that expand, or do not hold what a matrix needs."""

    def case(make, form):
        def write(path):
            import pyarrow as pa
            import pyarrow.feather
            import pyarrow.parquet

            table = make(pa)
            if form == "parquet":
                pyarrow.parquet.write_table(table, path)
            else:
                pyarrow.feather.write_feather(table, path, compression="zstd")

        return write

    def rows(pa):
        return pa.table({"x": pa.array(np.zeros(20_000_000, np.float64))})

    def twice(pa):
        return pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["x", "x"])

    contents = {
        "bomb": rows,
        "nulls": lambda pa: pa.table({"x": pa.array([1.0, None])}),
        "ragged": lambda pa: pa.table({"x": pa.array([[1.0], [1.0, 2.0]])}),
        "ragged-same-sum": lambda pa: pa.table({"x": pa.array([[1.0, 1.0], [1.0], [1.0, 1.0, 1.0]])}),
        "list-nulls": lambda pa: pa.table({"x": pa.array([[1.0], None, [1.0, 2.0]])}),
        "item-nulls": lambda pa: pa.table({"x": pa.array([[1.0], [None]])}),
        "texts": lambda pa: pa.table({"x": pa.array([str(i) for i in range(20_000)])}),
        "long-text": lambda pa: pa.table({"x": pa.array(["a" * 10**6, "b"])}),
        "text-nulls": lambda pa: pa.table({"x": pa.array(["a", None])}),
        "nested": lambda pa: pa.table({"x": pa.array([[[1.0]], [[2.0]]])}),
        "dates": lambda pa: pa.table({"x": pa.array([1, 2], pa.timestamp("ns"))}),
        "twice": twice,
        "escape": lambda pa: pa.table({"\x1b[2J\nx": pa.array([1, 2], pa.timestamp("ns"))}),
        "no-columns": lambda pa: pa.table({}),
    }
    return {
        f"table-{key}.{form}": case(make, form)
        for key, make in contents.items()
        for form in ("parquet", "feather")
    }


def write(folder, cases):
    """Write cases to a folder, with the pipe that none may open."""
    before = os.getcwd()
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    try:
        if not os.path.exists(CANARY):
            os.mkfifo(CANARY)
        for key, content in cases.items():
            if callable(content):
                content(key)
            else:
                Path(key).write_bytes(content)
    finally:
        os.chdir(before)
    return [os.path.join(folder, key) for key in cases]


if __name__ == "__main__":
    print(len(write(sys.argv[1], {**corpus(), **corpus_of_libraries()})), "files")
