"""What the names in a saved torch file mean: storages, tensors, and the plain containers around them.

A tensor is a view of a storage: element ``i`` lies at ``offset + sum_a i_a * strides_a`` elements from the
storage's first byte.  Every number of a view is checked against its storage here, before anything is read.

References
----------
``torch/_utils.py`` (``_rebuild_tensor_v2``, ``_rebuild_tensor_v3``) and ``torch/serialization.py``, 2.13.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import FREE_BYTES, check_shape
from sphereufm.features.readers.pickle.load import Foreign, Global, OrderedMapping
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
_DTYPES = {
    *_STORAGES.values(),
    "uint16",
    "uint32",
    "uint64",
    *NARROW_FLOATS,
}
_REBUILDERS = (
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_tensor_v3",
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
)
_NAMES = [
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("torch", "Size"),
    ("torch", "device"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch", "Tensor"),
    ("torch.nn.parameter", "Parameter"),
    ("torch.nn.parameter", "Buffer"),
    ("torch.storage", "UntypedStorage"),
    *(("torch._utils", name) for name in _REBUILDERS),
    *((module, name) for module in ("torch", "torch.cuda") for name in _STORAGES),
    *(("torch", name) for name in _DTYPES),
]
_ALLOWED = {pair: Global(module=pair[0], name=pair[1]) for pair in _NAMES}
_REBUILDING = frozenset({*_REBUILDERS, "_rebuild_from_type_v2"})
_MOST_ARGUMENTS = 10
_WHOLE_CLASSES = ("Tensor", "Parameter", "Buffer")


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
    """The numpy type of a torch type's name, in little-endian order.

    Raises MissingExtraError if it is a narrow float and ml_dtypes is not installed.
    """
    return narrow_dtype(name) if name in NARROW_FLOATS else np.dtype(name).newbyteorder("<")


class TorchBuilder:
    """The allowed names and their meaning; one for each file, as it gathers the file's storages.

    ``name``: the file, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.allowed: Mapping[tuple[str, str], Global] = _ALLOWED
        self.storages: dict[str, StorageRef] = {}

    def reduce(self, function: Global, arguments: tuple[Any, ...]) -> Any:
        """Return the value of a call; what has something foreign among its arguments is foreign."""
        name = function.name
        strange = _first_foreign(name, arguments)
        if strange is not None:
            return strange
        try:
            if name == "OrderedDict":
                return self._ordered(*arguments)
            if name == "defaultdict":
                # what makes missing values is a name, allowed or not, or nothing
                if not all(
                    factory is None or isinstance(factory, (Global, Foreign)) for factory in arguments
                ):
                    raise TypeError
                return OrderedMapping()
            if name == "Size":
                (lengths,) = arguments
                return check_shape(self.name, lengths)
            if name == "device":
                return None
            if name == "_rebuild_from_type_v2":
                return self._from_type(*arguments)
            if name.startswith("_rebuild_parameter"):
                tensor, _requires_grad, _hooks, *state = arguments
                if not isinstance(tensor, TensorRef) or len(state) != name.endswith("_state"):
                    raise TypeError
                return tensor
            if name.startswith("_rebuild_tensor"):
                return self._tensor(name, *arguments)
        except (TypeError, ValueError, AttributeError) as error:
            raise self._refuse(f"it calls {name} with arguments that do not fit") from error
        raise self._refuse(f"it calls {name}, which is no function")

    def persistent(self, identity: Any) -> StorageRef | Foreign:
        """Return the storage that a persistent id names."""
        if isinstance(identity, tuple) and identity[:1] == ("module",):
            return Foreign(module="torch.nn", name="Module")
        fields = identity if isinstance(identity, tuple) and len(identity) in (5, 6) else (None,) * 5
        tag, kind, key, location, count = fields[:5]
        if tag == "storage" and isinstance(kind, Foreign):
            return kind
        fits = tag == "storage" and isinstance(kind, Global) and kind.name in _STORAGES
        if not fits or not isinstance(key, str) or not isinstance(location, str) or not _is_count(count):
            raise self._refuse("a storage is described in an unknown way")
        if len(identity) == 6 and identity[5] is not None:
            raise self._refuse("a storage is a part of another; save it again with a recent torch")
        dtype = _STORAGES[cast(Global, kind).name]
        storage = StorageRef(key=key, dtype=dtype, nbytes=count * _itemsize(dtype))
        if self.storages.setdefault(key, storage) != storage:
            raise self._refuse(f"storage {key[:80]!r} is described in two ways")
        return self.storages[key]

    def _ordered(self, items: Any = ()) -> OrderedMapping:
        """An OrderedDict, empty or from pairs, as Python 2 wrote it."""
        if not all(isinstance(item, (list, tuple)) and isinstance(item[0], str) for item in items):
            raise TypeError
        return OrderedMapping((key, value) for key, value in items)

    def _from_type(self, function: Any, kind: Any, arguments: Any, _state: Any) -> TensorRef:
        """A tensor of a subclass that adds nothing to its numbers (Parameter, Buffer)."""
        if not (isinstance(function, Global) and isinstance(kind, Global) and kind.name in _WHOLE_CLASSES):
            raise TypeError
        if function.name not in _REBUILDERS or not isinstance(arguments, tuple):
            raise TypeError
        return cast(TensorRef, self.reduce(function, arguments))

    def _tensor(
        self, name: str, storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any
    ) -> TensorRef:
        """A view of a storage, checked against it."""
        dtype, lazy = self._tail(name, storage, rest)
        lengths = check_shape(f"{self.name}: a tensor", shape)
        steps = check_shape(f"{self.name}: the strides of a tensor", strides)
        if len(lengths) != len(steps) or not _is_count(offset):
            raise TypeError
        count = math.prod(lengths)
        itemsize = _itemsize(dtype)
        span = 1 + sum((n - 1) * s for n, s in zip(lengths, steps, strict=True)) if count else 0
        if count and (offset + span) * itemsize > storage.nbytes:
            raise self._refuse(
                f"a tensor of shape {lengths} ends {(offset + span) * itemsize - storage.nbytes} bytes behind "
                "its storage; the file is damaged or hostile"
            )
        if count > span and count * itemsize > FREE_BYTES:
            raise self._refuse(f"a tensor of shape {lengths} repeats {span} elements; save a contiguous copy")
        return TensorRef(
            storage=storage,
            dtype=dtype,
            offset=offset,
            shape=lengths,
            strides=steps,
            negate=lazy.get("neg") is True,
            conjugate=lazy.get("conj") is True,
        )

    def _tail(self, name: str, storage: Any, rest: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
        """Type and lazy operations, from the arguments behind the strides."""
        if not isinstance(storage, StorageRef):
            raise TypeError
        dtype, metadata = storage.dtype, None
        if name == "_rebuild_tensor_v3":
            _requires_grad, _hooks, mark, *more = rest
            if not isinstance(mark, Global) or mark.name not in _DTYPES:
                raise TypeError
            dtype, metadata = mark.name, (more or [None])[0]
        elif name == "_rebuild_tensor_v2":
            _requires_grad, _hooks, *more = rest
            metadata = (more or [None])[0]
        elif rest:
            raise TypeError
        lazy = metadata or {}
        if not isinstance(lazy, dict) or not set(lazy) <= {"conj", "neg"}:
            raise self._refuse("a tensor carries unknown metadata")
        return dtype, lazy

    def _refuse(self, fact: str) -> UnreadableFileError:
        """Name the file and the reason."""
        return UnreadableFileError(f"{self.name} is refused: {fact}")


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


def _first_foreign(name: str, arguments: tuple[Any, ...]) -> Foreign | None:
    """The first argument that is foreign, also inside those that a subclass of tensors hands on.

    Only as many are looked at as these functions have: a file can hand on one long tuple again and again.
    """
    looked_at = list(arguments[:_MOST_ARGUMENTS])
    if name == "_rebuild_from_type_v2" and len(arguments) > 2 and isinstance(arguments[2], tuple):
        looked_at += arguments[2][:_MOST_ARGUMENTS]
    return (
        next((item for item in looked_at if isinstance(item, Foreign)), None) if name in _REBUILDING else None
    )


def _itemsize(dtype: str) -> int:
    """Bytes of one element, without ml_dtypes."""
    return {"bfloat16": 2}.get(dtype) or (1 if dtype in NARROW_FLOATS else np.dtype(dtype).itemsize)


def _is_count(value: Any) -> bool:
    """Whether a value is a nonnegative integer of sane size."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62
