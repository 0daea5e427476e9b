"""What the names in a saved torch file mean: storages, tensors, and the plain containers around them.

A tensor is a view of a storage: element ``i`` lies at ``offset + sum_a i_a * strides_a`` elements from the
storage's first byte.  Every number of a view is checked against its storage here, before anything is read.

References
----------
``torch/_utils.py`` (``_rebuild_tensor_v2``, ``_rebuild_tensor_v3``) and ``torch/serialization.py``, 2.13.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import FREE_BYTES, check_shape
from sphereufm.features.readers.pickle.unpickler import Foreign, Global, Mapping, Unpickler
from sphereufm.features.readers.plain.narrow import NARROW_FLOATS, narrow_dtype

_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
    "UntypedStorage": "uint8",
    # quantised tensors are foreign, but the length of their storages is needed to find those of others
    "QInt8Storage": "int8",
    "QUInt8Storage": "uint8",
    "QInt32Storage": "int32",
}
_DTYPES = {*_STORAGES.values(), "uint16", "uint32", "uint64", *NARROW_FLOATS}
_NAMES = {
    "collections": ("OrderedDict", "defaultdict"),
    "torch": ("Size", "device", "Tensor", *_STORAGES, *_DTYPES),
    "torch.cuda": tuple(_STORAGES),
    "torch._tensor": ("_rebuild_from_type_v2",),
    "torch.nn.parameter": ("Parameter", "Buffer"),
    "torch.storage": ("UntypedStorage",),
    "torch._utils": (
        *("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"),
        *("_rebuild_parameter", "_rebuild_parameter_with_state"),
    ),
}
_MOST_ARGUMENTS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageRef:
    """A run of bytes of the file: its key, the type it was saved as, and how many bytes it claims."""

    key: str
    dtype: str
    nbytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorRef:
    """A checked view of a storage; offset and strides in elements."""

    storage: StorageRef
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    negate: bool = False
    conjugate: bool = False


def tensor_dtype(name: str) -> np.dtype[Any]:
    """The numpy type of a torch type's name, in little-endian order."""
    return narrow_dtype(name) if name in NARROW_FLOATS else np.dtype(name).newbyteorder("<")


class TorchUnpickler(Unpickler):
    """Gives the known names their meaning, and gathers the file's storages."""

    known = frozenset((module, name) for module, names in _NAMES.items() for name in names)

    def __init__(self, stream: BinaryIO, name: str) -> None:
        super().__init__(stream, name)
        self.storages: dict[str, StorageRef] = {}

    def call(self, function: Global, arguments: tuple[Any, ...]) -> Any:
        """Return the value of a call; what has something foreign among its arguments is foreign."""
        name = function.name
        if len(arguments) > _MOST_ARGUMENTS:
            raise self.refused(f"calls {name} with too many arguments")
        # what makes missing values is a name, known or not, or nothing
        if name == "defaultdict" and all(
            factory is None or isinstance(factory, (Global, Foreign)) for factory in arguments
        ):
            return Mapping()
        strange = next((item for item in arguments if isinstance(item, Foreign)), None)
        if strange is not None:
            return strange
        try:
            return self._value(name, *arguments)
        except (TypeError, ValueError, AttributeError) as error:
            raise self.refused(f"calls {name} in a way that no saved tensor needs") from error

    def _value(self, name: str, first: Any = (), *rest: Any) -> Any:
        """The value of a call of a known name."""
        if name == "OrderedDict":
            self.budget -= len(first)  # one long list can be handed on again and again
            return _ordered(first, *rest)
        if name == "Size":
            return check_shape(self.name, first, *rest)
        if name == "device":
            return None
        if name == "_rebuild_from_type_v2":
            # a subclass that adds nothing to its numbers: Parameter, Buffer
            kind, arguments, _state = rest
            if first.name.startswith("_rebuild_tensor") and isinstance(kind, Global):
                return self.call(first, tuple(arguments))
        if name.startswith("_rebuild_parameter") and isinstance(first, TensorRef):
            return first
        if name.startswith("_rebuild_tensor") and isinstance(first, StorageRef):
            return self._tensor(first, *rest)
        raise TypeError

    def persistent_load(self, identity: Any) -> StorageRef | Foreign:
        """Return the storage that a persistent id names."""
        if isinstance(identity, tuple) and identity[:1] == ("module",):
            return Foreign(module="torch.nn", name="Module")
        if not isinstance(identity, tuple) or not 5 <= len(identity) <= 6:
            raise self.refused("describes a storage in an unknown way")
        tag, kind, key, location, count, *view = identity
        if tag == "storage" and isinstance(kind, Foreign):
            return kind
        fits = tag == "storage" and isinstance(kind, Global) and kind.name in _STORAGES
        if not fits or not isinstance(key, str) or not isinstance(location, str) or not _is_count(count):
            raise self.refused("describes a storage in an unknown way")
        if view not in ([], [None]):
            raise self.refused("takes a storage for a part of another; save it again with a recent torch")
        dtype = _STORAGES[kind.name]
        storage = StorageRef(key=key, dtype=dtype, nbytes=count * _itemsize(dtype))
        if self.storages.setdefault(key, storage) != storage:
            raise self.refused(f"describes storage {key[:80]!r} in two ways")
        return storage

    def _tensor(self, storage: StorageRef, offset: Any, shape: Any, strides: Any, *rest: Any) -> TensorRef:
        """A view of a storage, checked against it; ``rest`` are a flag, hooks, and what is not the usual."""
        dtype, more = storage.dtype, list(rest[2:])
        if more and isinstance(more[0], Global):
            dtype = more.pop(0).name
        lazy = (more or [None])[0] or {}
        signs = isinstance(lazy, dict) and len(lazy) <= 2 and set(lazy) <= {"conj", "neg"}
        if dtype not in _DTYPES or not signs:
            raise self.refused("describes a tensor of unknown type")
        lengths = check_shape(f"{self.name}: a tensor", shape)
        steps = check_shape(f"{self.name}: the strides of a tensor", strides)
        if len(lengths) != len(steps) or not _is_count(offset):
            raise TypeError
        count, itemsize = math.prod(lengths), _itemsize(dtype)
        span = 1 + sum((n - 1) * s for n, s in zip(lengths, steps, strict=True)) if count else 0
        behind = (offset + span) * itemsize - storage.nbytes
        if count and behind > 0:
            raise UnreadableFileError(
                f"{self.name} is refused: a tensor of shape {lengths} ends {behind} bytes behind its storage; "
                "the file is damaged or hostile"
            )
        if count > span and count * itemsize > FREE_BYTES:
            raise UnreadableFileError(
                f"{self.name} is refused: a tensor of shape {lengths} repeats {span} elements; save a contiguous copy"
            )
        return TensorRef(
            storage=storage,
            dtype=dtype,
            offset=offset,
            shape=lengths,
            strides=steps,
            negate=lazy.get("neg") is True,
            conjugate=lazy.get("conj") is True,
        )


def why_foreign(mark: Foreign) -> str:
    """Why something foreign is not read, and what to save instead."""
    module, name, top = mark.module, mark.name, mark.module.split(".")[0]
    if top == "numpy":
        return f"it is a numpy object ({module}.{name}); save a tensor, or use numpy.savez"
    if module == "torch._utils" or (top == "torch" and name.endswith("Storage")):
        return f"it is a sparse, quantised or other special tensor ({name}); save a dense one"
    if module.startswith("torch.nn") or top == "__torch__":
        return f"it is a whole module ({module}.{name}); save its state_dict()"
    return f"it is an object of {module!r} {name!r}, and nothing that a file names is ever called; save plain tensors"


def _ordered(items: Any) -> Mapping:
    """An OrderedDict, empty or from pairs, as Python 2 wrote it."""
    made = Mapping()
    for key, value in items:
        made[key] = value
    return made


def _itemsize(dtype: str) -> int:
    """Bytes of one element, without ml_dtypes."""
    return {"bfloat16": 2}.get(dtype) or (1 if dtype in NARROW_FLOATS else np.dtype(dtype).itemsize)


def _is_count(value: Any) -> bool:
    """Whether a value is a nonnegative integer of sane size."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62
