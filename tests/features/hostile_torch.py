"""Torch files written by hand, one pickle operation at a time: good ones without torch, and bad ones."""

import io
import struct
import zipfile

MAGIC = 0x1950A86A20F9469CFC6C


class Raw(bytes):
    """Operations to be put in as they are."""


def encode(value):
    """Pickle operations that push a plain value."""
    if isinstance(value, Raw):
        return bytes(value)
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        size = value.bit_length() // 8 + 1
        return (
            b"J" + struct.pack("<i", value)
            if size <= 4
            else b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
        )
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        raw = value.encode()
        return b"X" + struct.pack("<L", len(raw)) + raw
    if isinstance(value, tuple):
        return b"(" + b"".join(map(encode, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(encode, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(encode(k) + encode(v) for k, v in value.items()) + b"u"
    raise TypeError(value)


def name(module, attribute):
    """Push a global."""
    return Raw(f"c{module}\n{attribute}\n".encode())


def call(function, *arguments):
    """Push a global and its arguments, and call it."""
    return Raw(function + encode(tuple(arguments)) + b"R")


def storage(kind="FloatStorage", key="0", numel=6, location="cpu", tail=(), module="torch"):
    """Push a storage by its persistent id."""
    return Raw(encode(("storage", name(module, kind), key, location, numel, *tail)) + b"Q")


def tensor(store=None, offset=0, shape=(2, 3), strides=(3, 1), *more, function="_rebuild_tensor_v2"):
    """Push a tensor."""
    hooks = call(name("collections", "OrderedDict"))
    return call(
        name("torch._utils", function), store or storage(), offset, shape, strides, False, hooks, *more
    )


def pickled(value, protocol=2):
    """A whole pickle."""
    return bytes([0x80, protocol]) + encode(value) + b"."


def archive(entries, method=zipfile.ZIP_STORED):
    """A zip archive of names and bytes; a list of pairs may repeat names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as target:
        for entry, content in entries if isinstance(entries, list) else entries.items():
            target.writestr(entry, content)
    return file.getvalue()


def torch_zip(value, storages=None, **extra):
    """A file as torch.save writes it today."""
    stored = {"0": struct.pack("<6f", *range(6))} if storages is None else storages
    data = value if isinstance(value, bytes) and value[:1] == b"\x80" else pickled(value)
    entries = {"x/data.pkl": data, "x/byteorder": b"little"}
    entries.update({f"x/data/{key}": content for key, content in stored.items()})
    entries.update({f"x/{key}": content for key, content in extra.items()})
    return archive({**entries, "x/version": b"3\n"})


def torch_legacy(value, storages=None, keys=None, tail=b""):
    """A file as torch.save wrote it before 1.6; storages are (key, elements, bytes)."""
    stored = [("0", 6, struct.pack("<6f", *range(6)))] if storages is None else storages
    data = value if isinstance(value, bytes) and value[:1] == b"\x80" else pickled(value)
    machine = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    listed = [key for key, _, _ in stored] if keys is None else keys
    parts = [pickled(MAGIC), pickled(1001), pickled(machine), data, pickled(listed)]
    return b"".join(parts) + b"".join(struct.pack("<q", n) + raw for _, n, raw in stored) + tail


def legacy_tensor(**more):
    """A tensor as the legacy form names its storage: with a sixth field."""
    return tensor(storage(tail=(None,), **more))
