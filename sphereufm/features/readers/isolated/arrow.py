"""Parquet and Feather files, through pyarrow.

A column of numbers is a vector; a column of equally long lists is a matrix, one list a row.  A table whose
features are spread over many floating-point columns is offered as one more matrix, ``"columns"``, in the
table's order.  Missing values are refused, never filled.

Parquet is decoded page by page; a Feather file one record batch at a time.  The functions here run in the
child process of :mod:`sphereufm.features.readers.isolated.parent`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sphereufm.errors import SphereUFMError, UnreadableFileError
from sphereufm.features.readers.isolated.parent import Listed
from sphereufm.features.readers.limits import FREE_BYTES, MAX_ENTRIES, STREAM_EXPANSION
from sphereufm.features.readers.source import AnyArray
from sphereufm.features.readers.stored import StoredFile

__all__ = ["blocks", "describe", "load"]

_MAX_METADATA = 2**24
_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}  # integers have numpy's names
_FAILURES = (OSError, ValueError, TypeError, KeyError, OverflowError, NotImplementedError)


def load() -> Any:
    """Import the library, with all parts that it would import later by itself."""
    import pyarrow
    import pyarrow.compute
    import pyarrow.ipc
    import pyarrow.parquet

    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    return pyarrow


def describe(pyarrow: Any, file: StoredFile, name: str, form: str) -> list[Listed]:
    """The numeric columns of a table.

    Raises
    ------
    UnreadableFileError
        If the file is damaged, or claims more than it can hold.
    """
    with _opened(pyarrow, file, name, form) as (schema, rows, batches):
        names = list(schema.names)
        if len(names) > MAX_ENTRIES or len(set(names)) != len(names):
            raise UnreadableFileError(f"{name} is refused: too many columns, or two of one name")
        found = [_column(pyarrow, file, field, rows, batches) for field in schema]
        spread = [c for c in found if not c.refused and len(c.shape) == 1 and np.dtype(c.dtype).kind == "f"]
        if len(spread) > 1 and "columns" not in names:
            dtype = np.result_type(*(c.dtype for c in spread))
            columns = tuple(c.key for c in spread)
            shape = (rows, len(spread))
            found.append(
                Listed(key="columns", columns=columns, shape=shape, dtype=dtype.str, stored=file.size)
            )
        return found


def blocks(
    pyarrow: Any, file: StoredFile, name: str, form: str, listed: Listed, rows: int
) -> Iterator[AnyArray]:
    """Row blocks; record batches are cut or gathered to ``rows`` rows."""
    buffer = np.empty((min(rows, listed.shape[0]), *listed.shape[1:]), listed.dtype)
    filled = 0
    with _opened(pyarrow, file, name, form) as (_, _, batches):
        for batch in batches(listed.columns, rows):
            taken = 0
            while taken < batch.num_rows:
                count = min(batch.num_rows - taken, rows - filled)
                _convert(pyarrow, name, listed, batch.slice(taken, count), buffer[filled : filled + count])
                filled, taken = filled + count, taken + count
                if filled == rows:
                    yield buffer
                    filled = 0
    if filled:
        yield buffer[:filled]


@contextmanager
def _opened(pyarrow: Any, file: StoredFile, name: str, form: str) -> Iterator[Any]:
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
                yield _open_feather(pyarrow, file, source)
        except SphereUFMError:
            raise
        except (*_FAILURES, pyarrow.ArrowException) as error:
            text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise UnreadableFileError(f"{name} is a damaged table ({text}); save it again") from error


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


def _open_feather(pyarrow: Any, file: StoredFile, source: Any) -> Any:
    """Open an Arrow file; every batch is checked by the library before it is used."""
    reader = pyarrow.ipc.open_file(source)
    if reader.num_record_batches > MAX_ENTRIES:
        raise UnreadableFileError(f"{file.name} is refused: it has too many record batches")

    def batches(columns: tuple[str, ...], rows: int) -> Iterator[Any]:
        wanted = [reader.schema.get_field_index(column) for column in columns]
        options = pyarrow.ipc.IpcReadOptions(use_threads=False, included_fields=wanted)
        chosen = pyarrow.ipc.open_file(source, options=options)
        for i in range(chosen.num_record_batches):
            batch = chosen.get_batch(i)
            batch.validate(full=True)
            yield batch.select(list(columns))

    if hasattr(reader, "count_rows"):
        return reader.schema, reader.count_rows(), batches
    counts = (reader.get_batch(i).num_rows for i in range(reader.num_record_batches))
    return reader.schema, sum(counts), batches  # before pyarrow 23


def _check_footer(file: StoredFile, form: str) -> None:
    """The footer's length must fit the file; it is read into memory."""
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
    """Describe a column: number type, and for lists the length that all must have."""
    types, inner = pyarrow.types, field.type
    shape: tuple[int, ...] = (rows,)
    if types.is_fixed_size_list(inner):
        inner, shape = inner.value_type, (rows, inner.list_size)
    elif types.is_list(inner) or types.is_large_list(inner):
        inner, shape = inner.value_type, (rows, _first_length(field.name, batches))
    if not (types.is_integer(inner) or types.is_floating(inner)):
        return Listed(key=field.name, refused=f"it holds {field.type}"[:200])
    dtype = np.dtype(_FLOATS.get(str(inner), str(inner))).str
    return Listed(key=field.name, columns=(field.name,), shape=shape, dtype=dtype, stored=file.size)


def _first_length(column: str, batches: Any) -> int:
    """Length of the first list of a column."""
    for batch in batches((column,), 1):
        if batch.num_rows:
            first = batch.column(0)[0]
            return len(first.values) if first.is_valid else 0
    return 0


def _convert(pyarrow: Any, name: str, listed: Listed, batch: Any, target: AnyArray) -> None:
    """Write the columns of a record batch into rows of ``target``."""
    for i, column in enumerate(listed.columns):
        values = _numbers(pyarrow, f"{name}:{column}", batch.column(i), listed.shape[1:])
        if len(listed.columns) == 1:
            target[...] = values.reshape(target.shape)
        else:
            target[:, i] = values


def _numbers(pyarrow: Any, title: str, column: Any, row: tuple[int, ...]) -> AnyArray:
    """The numbers of a column of a record batch, in one vector."""
    types, kind = pyarrow.types, column.type
    if column.null_count:
        raise UnreadableFileError(f"{title} has missing values; fill or drop them first")
    if types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind):
        if not types.is_fixed_size_list(kind) and (np.diff(np.asarray(column.offsets)) != row[0]).any():
            raise UnreadableFileError(
                f"{title} has lists that are not all {row[0]} long; features need one length"
            )
        column = column.flatten()
        if column.null_count:
            raise UnreadableFileError(f"{title} has missing values; fill or drop them first")
    numbers: AnyArray = np.asarray(column)
    return numbers
