"""Parquet, Feather and Arrow streams, through pyarrow.

A column of numbers is a vector; a column of equally long lists, or of tensors of one shape, has one of them a row.  A
column of texts is numbered in alphabetical order, with the texts beside it.  Missing values are refused, never filled.

Parquet is decoded page by page; the others one record batch at a time.  The functions here run in the
child process of :mod:`sphereufm.features.readers.isolated.parent`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from sphereufm.errors import SphereUFMError, UnreadableFileError
from sphereufm.features.readers.isolated.parent import Listed
from sphereufm.features.readers.limits import (
    FREE_BYTES,
    MAX_ENTRIES,
    MAX_TEXT,
    NOT_LABELS,
    STREAM_EXPANSION,
    few_texts,
)
from sphereufm.features.readers.source import AnyArray, full_blocks
from sphereufm.features.readers.stored import StoredFile

_MAX_METADATA = 2**24
_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}  # integers have numpy's names
_TENSORS = "arrow.fixed_shape_tensor"
_TEXT_ROWS = 2**14
_FAILURES = (OSError, ValueError, TypeError, KeyError, OverflowError, NotImplementedError)


def load() -> Any:
    """Import the library, with all parts that it would import later by itself."""
    import pyarrow
    import pyarrow.compute
    import pyarrow.ipc
    import pyarrow.parquet

    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    return pyarrow


def describe(pyarrow: Any, file: StoredFile, form: str) -> list[Listed]:
    """The columns of a table."""
    with _opened(pyarrow, file, form) as (schema, rows, batches):
        names = list(schema.names)
        if len(names) > MAX_ENTRIES or len(set(names)) != len(names):
            raise UnreadableFileError(f"{file.name} is refused: too many columns, or two of one name")
        return [_column(pyarrow, file, field, rows, batches) for field in schema]


def blocks(pyarrow: Any, file: StoredFile, form: str, listed: Listed, rows: int) -> Iterator[AnyArray]:
    """Row blocks; record batches are cut or gathered to ``rows`` rows."""
    with _opened(pyarrow, file, form) as (_, _, batches):
        pieces = (
            _converted(pyarrow, file.name, listed, batch.slice(start, rows))
            for batch in batches(listed.columns, rows)
            for start in range(0, batch.num_rows, rows)
        )
        yield from full_blocks(pieces, listed, rows)


@contextmanager
def _opened(pyarrow: Any, file: StoredFile, form: str) -> Iterator[Any]:
    """Schema, number of rows, and a function to iterate record batches.

    Whatever the library raises on a damaged file becomes one error.
    """
    _check_footer(file, form)
    with file.open() as handle:
        try:
            source = pyarrow.PythonFile(handle, "r")
            if form == "parquet":
                yield _open_parquet(pyarrow, file, source)
            else:
                opened = pyarrow.ipc.open_stream if form == "stream" else pyarrow.ipc.open_file
                yield _open_ipc(pyarrow, file, source, opened)
        except SphereUFMError:
            raise
        except (*_FAILURES, pyarrow.ArrowException) as error:
            text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise UnreadableFileError(f"{file.name} is a damaged table ({text}); save it again") from error


def _open_parquet(pyarrow: Any, file: StoredFile, source: Any) -> Any:
    """Open Parquet with bounded metadata and without reading ahead."""
    table = pyarrow.parquet.ParquetFile(
        source,
        pre_buffer=False,
        buffer_size=2**20,
        thrift_string_size_limit=_MAX_METADATA,
        thrift_container_size_limit=MAX_ENTRIES,
    )
    _check_groups(file, table.metadata)

    def batches(columns: tuple[str, ...], rows: int) -> Iterator[Any]:
        return iter(table.iter_batches(batch_size=rows, columns=list(columns), use_threads=False))

    return table.schema_arrow, table.metadata.num_rows, batches


def _open_ipc(pyarrow: Any, file: StoredFile, source: Any, opened: Callable[..., Any]) -> Any:
    """Open an Arrow file or stream; every batch is checked by the library before it is used."""
    reader = opened(source)

    def batches(columns: tuple[str, ...], _rows: int) -> Iterator[Any]:
        wanted = [reader.schema.get_field_index(column) for column in columns]
        options = pyarrow.ipc.IpcReadOptions(use_threads=False, included_fields=wanted)
        source.seek(0)
        for batch in _record_batches(file, opened(source, options=options)):
            batch.validate(full=True)
            yield batch.select(list(columns))

    # a stream has no footer, and pyarrow before 23 does not count: then by going through it
    counts = (batch.num_rows for batch in _record_batches(file, reader))
    return reader.schema, reader.count_rows() if hasattr(reader, "count_rows") else sum(counts), batches


def _record_batches(file: StoredFile, reader: Any) -> Iterator[Any]:
    """Record batches of a file or a stream, not too many of them."""
    total = getattr(reader, "num_record_batches", None)
    for number, batch in enumerate(reader if total is None else map(reader.get_batch, range(total))):
        if number >= MAX_ENTRIES:
            raise UnreadableFileError(f"{file.name} is refused: it has too many record batches")
        yield batch


def _check_footer(file: StoredFile, form: str) -> None:
    """The footer's length must fit the file; it is read into memory."""
    if form == "stream":
        return
    tail = file.read_at(max(file.size - 10, 0), 10)
    magic, length = (b"PAR1", tail[2:6]) if form == "parquet" else (b"ARROW1", tail[:4])
    claimed = int.from_bytes(length, "little")
    if len(tail) < 10 or not tail.endswith(magic) or claimed > min(file.size, _MAX_METADATA):
        raise UnreadableFileError(f"{file.name} is truncated, or its footer is too long; save it again")


def _check_groups(file: StoredFile, metadata: Any) -> None:
    """No row group may claim more than its compressed bytes can give, or more bytes than the file has."""
    total = 0
    for g in range(metadata.num_row_groups):
        group = metadata.row_group(g)
        for c in range(group.num_columns):
            column = group.column(c)
            packed, plain = column.total_compressed_size, column.total_uncompressed_size
            total += packed
            if packed < 0 or plain < 0 or plain > max(FREE_BYTES, STREAM_EXPANSION * packed):
                raise UnreadableFileError(f"{file.name} is refused: a column claims {plain} bytes")
    if total > file.size:
        raise UnreadableFileError(f"{file.name} is refused: its columns claim more bytes than the file has")


def _column(pyarrow: Any, file: StoredFile, field: Any, rows: int, batches: Any) -> Listed:
    """Describe a column: number type, and for lists the length that all must have, for tensors their shape."""
    types, kind, name = pyarrow.types, field.type, field.name
    inner: Any = _storage(kind)
    shape: tuple[int, ...] = (rows,)
    key = Listed(key=name, columns=(name,), stored=file.size)
    if types.is_fixed_size_list(inner):
        order = getattr(kind, "permutation", None)
        in_order = inner is not kind and (not order or list(order) == sorted(order))
        inner, shape = inner.value_type, (rows, *(kind.shape if in_order else (inner.list_size,)))
    elif types.is_list(inner) or types.is_large_list(inner):
        inner, shape = inner.value_type, (rows, _first_length(name, batches))
    else:
        text = inner.value_type if types.is_dictionary(inner) else inner
        if types.is_string(text) or types.is_large_string(text):
            names = few_texts(
                [str(t)[: 2 * MAX_TEXT] for t in batch.column(0).unique().to_pylist() if t is not None]
                for batch in batches((name,), _TEXT_ROWS)
            )
            if names is None:
                return Listed(key=name, refused=NOT_LABELS)
            return replace(key, shape=shape, dtype="<i4", names=names)
    if not (types.is_integer(inner) or types.is_floating(inner) or types.is_boolean(inner)):
        return Listed(key=name, refused=f"it holds {kind}"[:200])
    plain = "bool" if types.is_boolean(inner) else _FLOATS.get(str(inner), str(inner))
    return replace(key, shape=shape, dtype=np.dtype(plain).str)


def _storage(kind: Any) -> Any:
    """The storage of a tensor column, which is a list of its numbers; any other type itself."""
    return kind.storage_type if getattr(kind, "extension_name", "") == _TENSORS else kind


def _first_length(column: str, batches: Any) -> int:
    """Length of the first list of a column."""
    for batch in batches((column,), 1):
        if batch.num_rows:
            first = batch.column(0)[0]
            return len(first.values) if first.is_valid else 0
    return 0


def _converted(pyarrow: Any, name: str, listed: Listed, batch: Any) -> AnyArray:
    """The columns of a record batch as rows."""
    values = [
        _numbers(pyarrow, f"{name}:{column}", batch.column(i), listed)
        for i, column in enumerate(listed.columns)
    ]
    if len(values) == 1:
        return values[0].reshape(batch.num_rows, *listed.shape[1:])
    return np.stack(values, axis=1, dtype=listed.dtype)


def _numbers(pyarrow: Any, title: str, column: Any, listed: Listed) -> AnyArray:
    """The numbers of a column of a record batch, in one vector."""
    types, places = pyarrow.types, {text: place for place, text in enumerate(listed.names)}
    if not column.null_count and not places:
        column = column.storage if _storage(column.type) is not column.type else column
        kind = column.type
        fixed = types.is_fixed_size_list(kind)
        if fixed or types.is_list(kind) or types.is_large_list(kind):
            length = math.prod(listed.shape[1:])
            if not fixed and (np.diff(np.asarray(column.offsets)) != length).any():
                raise UnreadableFileError(
                    f"{title} has lists that are not all {length} long; features need one length"
                )
            column = column.flatten()
    if column.null_count:
        raise UnreadableFileError(f"{title} has missing values; fill or drop them first")
    if places:
        return np.array([places[text] for text in column.to_pylist()], dtype=listed.dtype)
    return np.asarray(column)
