"""Pickles of untrusted files: Python's own interpreter, in which no name is looked up and nothing is made or called.

A name becomes a :class:`Global` mark if it is known, and an inert :class:`Foreign` one if not; ``REDUCE`` gives known
marks their meaning; whatever else makes or changes objects leaves a foreign mark.  Operations that saved tensors do not
need are not in the table.  Each operation costs, containers more, so that memory and time are bounded by the length of
the pickle, whatever it says.  A value may be shared many times (a pickle of 125 bytes can describe 2^60 nested pairs),
so a traversal must count.

A tensor is a view of a storage: element ``i`` lies at ``offset + sum_a i_a * strides_a`` elements from the storage's
first byte.  Every number of a view is checked against its storage here, before anything is read.

References
----------
``pickle`` in the standard library (the operations); ``torch._weights_only_unpickler``; ``torch/_utils.py``
(``_rebuild_tensor_v2``, ``_rebuild_tensor_v3``) and ``torch/serialization.py``, 2.13.
"""

from __future__ import annotations

import math
import pickle
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import FREE_BYTES, check_counts, check_shape, refused
from sphereufm.features.readers.stored import NARROW_FLOATS, StoredArray, StoredFile, stored_dtype

MAX_PICKLE = 2**24  #: bytes of a pickle; a state dict of ten thousand tensors has about two million
_MAX_NAME, _MAX_KEY, _MOST_ARGUMENTS = 256, 8, 10

_STORAGES = {
    **{"DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16"},
    **{"LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8"},
    **{"ByteStorage": "uint8", "BoolStorage": "bool", "BFloat16Storage": "bfloat16"},
    **{"ComplexDoubleStorage": "complex128", "ComplexFloatStorage": "complex64", "UntypedStorage": "uint8"},
    # quantised tensors are foreign, but the length of their storages is needed to find those of others
    **{"QInt8Storage": "int8", "QUInt8Storage": "uint8", "QInt32Storage": "int32"},
}
_DTYPES = {*_STORAGES.values(), "uint16", "uint32", "uint64", *NARROW_FLOATS}

_BUDGET, _CONTAINER = 2_000_000, 4
# codes of operations, those that make containers and marks apart
_CONTAINERS = b"(])}\x85\x86\x87tc\x93R\x81\x92oi\x8f\x91Q"
_NEEDED = _CONTAINERS + b"\x80\x95NJKMG\x88\x89\x8aTUX\x8c\x8dBC\x8e\x96aesu\x90qrhj\x94b012."
_FAILURES = (LookupError, TypeError, ValueError, AttributeError, OverflowError, EOFError, struct.error)
_KNOWN = {
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

Place: TypeAlias = Callable[[str, int], StoredFile]
"""Where a storage lies, by its key and the bytes that it claims."""

# in Python, where an operation can be replaced; its methods are not in the types
_OfPython: Any = pickle._Unpickler


@dataclass(frozen=True, kw_only=True, slots=True)
class Global:
    """A name that the file mentions and the caller knows; a mark, never the object itself."""

    module: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """Something that is no tensor, number, text or plain container: a mark with the name of its class.

    Whatever is put into it is dropped, and what is made of it is foreign too.
    """

    module: str
    name: str

    def _drop(self, *_: Any) -> None:
        """Take nothing."""

    append = extend = add = __setitem__ = _drop

    @property
    def reason(self) -> str:
        """Why it is not read, and what to save instead."""
        module, name, top = self.module, self.name, self.module.split(".")[0]
        if top == "numpy":
            return f"it is a numpy object ({module}.{name}); save a tensor, or use numpy.savez"
        if module == "torch._utils" or (top == "torch" and name.endswith("Storage")):
            return f"it is a sparse, quantised or other special tensor ({name}); save a dense one"
        if module.startswith("torch.nn") or top == "__torch__":
            return f"it is a whole module ({module}.{name}); save its state_dict()"
        what = f"it is an object of {module!r} {name!r}"
        return f"{what}, and nothing that a file names is ever called; save plain tensors"


@dataclass(frozen=True, eq=False, slots=True)
class OddKey:
    """Stands for a key that is neither a text nor a small integer; equal to nothing but itself.

    Tuples can take 2^60 steps to hash, and integers from 2^61 on can all have one hash: they are never compared.
    """

    text: str

    def __str__(self) -> str:
        return self.text


class Mapping(dict[Any, Any]):
    """Stands for dictionaries of every kind; keys that might not hash at once are replaced by stand-ins."""

    __slots__ = ()

    def __setitem__(self, key: Any, value: Any) -> None:
        if not (isinstance(key, str) or (isinstance(key, int) and abs(key) < 2**61 - 1)):
            parts = key if isinstance(key, tuple) else (key,)
            short = len(parts) <= _MAX_KEY and all(
                isinstance(p, (type(None), int, float)) or (isinstance(p, str) and len(p) <= _MAX_NAME)
                for p in parts
            )
            key = OddKey(repr(key) if short else f"key {len(self)}")
        super().__setitem__(key, value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """A run of bytes of the file, and the type it was saved as."""

    dtype: str
    file: StoredFile


class TorchUnpickler(_OfPython):  # type: ignore[misc]
    """Reads the pickles of one file, and gathers its storages; ``big``: of a big-endian machine."""

    def __init__(self, stream: BinaryIO, name: str, place: Place, big: bool = False) -> None:
        super().__init__(stream, encoding="utf-8")
        self.name, self.place, self.big = name, place, big
        self.budget = _BUDGET
        self.storages: dict[str, Storage] = {}

    def load(self) -> Any:
        """The value of the next pickle."""
        try:
            return super().load()
        except (*_FAILURES, pickle.UnpicklingError) as error:
            raise self.refused("is damaged") from error

    def refused(self, fact: str) -> UnreadableFileError:
        """Name the file and what its pickle does."""
        return refused(self.name, f"its pickle {fact}", "save plain tensors")

    def find_class(self, module: str, name: str) -> Any:
        """The mark of a name; nothing is imported."""
        kind: type[Global] | type[Foreign] = Global if name in _KNOWN.get(module, ()) else Foreign
        return kind(module=module[:_MAX_NAME], name=name[:_MAX_NAME])

    def load_reduce(self) -> None:
        """Give a call of a known mark its meaning; what is called on something foreign is foreign."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Foreign):
            if not (isinstance(function, Global) and isinstance(arguments, tuple)):
                raise self.refused("calls something that is no name")
            function = self._called(function, arguments)
        self.append(function)

    def _instantiate(self, kind: Any, _arguments: Any) -> None:
        """Make an instance: a mark, whatever the class."""
        if not isinstance(kind, (Global, Foreign)):
            raise self.refused("makes an instance of what is no class")
        self.append(Foreign(module=kind.module, name=kind.name))

    def load_newobj(self) -> None:
        """The same, with the arguments in a tuple."""
        self._instantiate(self.stack.pop(-2), self.stack.pop())

    def load_newobj_ex(self) -> None:
        """The same, with named arguments."""
        self.stack.pop()
        self.load_newobj()

    def load_build(self) -> None:
        """Drop the state of something foreign, and the version numbers that a state dict carries."""
        self.stack.pop()
        if not isinstance(self.stack[-1], (Foreign, Mapping)):
            raise self.refused("sets the state of an object")

    def load_empty_dictionary(self) -> None:
        """Push a dictionary."""
        self.append(Mapping())

    def load_empty_set(self) -> None:
        """Push a mark in the place of a set, since nothing of the file is ever hashed."""
        self.append(Foreign(module="builtins", name="set"))

    def load_frozenset(self) -> None:
        """The same in the place of the values since the last mark."""
        self.pop_mark()
        self.load_empty_set()

    # bytes, without making room for as many as are claimed
    load_bytearray8 = _OfPython.load_binbytes8

    def persistent_load(self, identity: Any) -> Storage | Foreign:
        """Return the storage that a persistent id names."""
        match identity:
            case ("module", *_):
                return Foreign(module="torch.nn", name="Module")
            case ("storage", Foreign() as kind, *_):
                return kind
            case ("storage", Global(name=kind), str(key), str(), count, *view) if (
                kind in _STORAGES and view in ([], [None])
            ):
                (length,) = check_shape(f"{self.name}: a storage", (count,))
                dtype = _STORAGES[kind]
                size = length * item_size(dtype)
                if key not in self.storages:
                    self.storages[key] = Storage(dtype=dtype, file=self.place(key, size))
                storage = self.storages[key]
                if (storage.dtype, storage.file.size) == (dtype, size):
                    return storage
                raise self.refused(f"describes storage {key[:80]!r} in two ways")
        raise self.refused("describes a storage in an unknown way; save it again with a recent torch")

    def _called(self, function: Global, arguments: tuple[Any, ...]) -> Any:
        """The value of a call of a known name; what has something foreign among its arguments is foreign."""
        name = function.name
        if len(arguments) > _MOST_ARGUMENTS:
            raise self.refused(f"calls {name} with too many arguments")
        # what makes missing values is a name, known or not, or nothing
        if name == "defaultdict" and all(isinstance(a, (Global, Foreign, type(None))) for a in arguments):
            return Mapping()
        strange = next((item for item in arguments if isinstance(item, Foreign)), None)
        if strange is not None:
            return strange
        try:
            return self._value(name, arguments)
        except (TypeError, ValueError) as error:
            raise self.refused(f"calls {name} in a way that no saved tensor needs") from error

    def _value(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """The value of a call of a known name, with arguments of which none is foreign."""
        match arguments:
            case _ if name == "device":
                return None
            case () if name == "OrderedDict":
                return Mapping()
            case ([*pairs],) if name == "OrderedDict":  # as Python 2 wrote it
                self.budget -= len(pairs)  # one long list can be handed on again and again
                made = Mapping()
                for key, value in pairs:
                    made[key] = value
                return made
            case (lengths,) if name == "Size":
                return check_shape(self.name, lengths)
            case (Global() as inner, Global(), tuple(more), _) if (
                name == "_rebuild_from_type_v2" != inner.name
            ):
                # a subclass that adds nothing to its numbers: Parameter, Buffer
                return self._called(inner, more)
            case (StoredArray() as tensor, *_) if name.startswith("_rebuild_parameter"):
                return tensor
            case (Storage() as storage, *view) if name.startswith("_rebuild_tensor"):
                return _tensor(self.name, storage, self.big, view)
        raise TypeError

    @property
    def dispatch(self) -> TorchUnpickler:
        """The table of operations, which the interpreter asks for each code."""
        return self

    def __getitem__(self, code: int) -> Callable[[TorchUnpickler], None]:
        if code not in _NEEDED:
            raise self.refused(f"uses operation {code:#04x}, which saved tensors do not need")
        self.budget -= _CONTAINER if code in _CONTAINERS else 1
        if self.budget < 0:
            raise self.refused("describes too many values")
        return getattr(type(self), _OfPython.dispatch[code].__name__)


def _tensor(name: str, storage: Storage, big: bool, view: Sequence[Any]) -> StoredArray:
    """A view of a storage, checked against it: offset, shape, strides, a flag, hooks, and what is not the usual.

    ``big``: the most significant byte is first.  Raises UnreadableFileError for a view beyond its storage, TypeError or
    ValueError for what is no view.
    """
    offset, lengths, steps, _, _, *more = view if len(view) > 4 else (*view, None, None)
    dtype = more.pop(0).name if more and isinstance(more[0], Global) else storage.dtype
    lazy = (more or [None])[0] or {}
    title = f"{name}: a tensor"
    shape, strides = check_shape(title, lengths), check_counts(title, steps)
    (first,) = check_counts(title, (offset,))
    signs = isinstance(lazy, dict) and len(lazy) <= 2 and set(lazy) <= {"conj", "neg"}
    if dtype not in _DTYPES or not signs or len(shape) != len(strides):
        raise TypeError
    count, size = math.prod(shape), item_size(dtype)
    span = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if count else 0
    behind = (first + span) * size - storage.file.size
    if count and behind > 0:
        raise refused(name, f"a tensor of shape {shape} ends {behind} bytes behind its storage")
    if count > span and count * size > FREE_BYTES:
        raise refused(name, f"a tensor of shape {shape} repeats {span} elements; save a contiguous copy")
    stored = stored_dtype(dtype)
    if big and stored.kind == "V":
        raise refused(name, f"it holds {dtype} of a big-endian machine")
    return StoredArray(
        name=name,
        file=storage.file,
        offset=first * size,
        stored=stored.newbyteorder(">") if big and size > 1 else stored,
        shape=shape,
        strides=strides,
        negate=lazy.get("neg") is True,
        conjugate=lazy.get("conj") is True,
    )


def item_size(dtype: str) -> int:
    """Bytes of one element, without ml_dtypes."""
    return NARROW_FLOATS.get(dtype) or np.dtype(dtype).itemsize
