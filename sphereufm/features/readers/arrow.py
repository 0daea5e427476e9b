"""Parquet and Feather files, through pyarrow.

A column of numbers is a vector; a column of equally long lists is a matrix, one list a row.  A table whose
features are spread over many floating-point columns is offered as one more matrix, ``"columns"``, in the
table's order.  Missing values are refused, never filled.

Parquet is decoded page by page; a Feather file one record batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sphereufm.errors import MissingExtraError, UnreadableFileError, check_integer
from sphereufm.features.readers.limits import (
    FREE_BYTES,
    MAX_ENTRIES,
    STREAM_EXPANSION,
    WHOLE_EXPANSION,
    check_expansion,
)
from sphereufm.features.readers.source import AnyArray, ArraySource, RefusedSource
from sphereufm.features.readers.stored import StoredFile

__all__ = ["ArrowColumns", "open_arrow"]

_MAX_METADATA = 2**24
_PEEK_ROWS = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrowColumns:
    """One column, or several taken together as a matrix, of a Parquet or Feather file."""

    name: str
    file: StoredFile
    kind: Literal["parquet", "feather"]
    columns: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def blocks(self, rows: int) -> Iterator[AnyArray]:
        """Row blocks; record batches are cut or gathered to ``rows`` rows."""
        step = check_integer("rows", rows, 1)
        buffer = np.empty((min(step, self.shape[0]), *self.shape[1:]), self.dtype)
        filled = seen = 0
        for batch in _batches(self.file, self.kind, self.columns, step):
            seen += batch.num_rows
            if seen > self.shape[0]:
                break
            taken = 0
            while taken < batch.num_rows:
                count = min(batch.num_rows - taken, step - filled)
                self._convert(batch.slice(taken, count), buffer[filled : filled + count])
                filled, taken = filled + count, taken + count
                if filled == step:
                    yield buffer
                    filled = 0
        if seen != self.shape[0]:
            raise UnreadableFileError(f"{self.name} has not the {self.shape[0]} rows it claims")
        if filled:
            yield buffer[:filled]

    def read(self) -> AnyArray:
        """Return the whole array, if it is in proportion to the file."""
        size = int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        check_expansion(self.name, size, self.file.size, WHOLE_EXPANSION)
        parts = [block.copy() for block in self.blocks(2**16)]
        return np.concatenate(parts) if parts else np.empty(self.shape, self.dtype)

    def _convert(self, batch: Any, target: AnyArray) -> None:
        """Write the columns of a record batch into rows of ``target``."""
        for i, column in enumerate(self.columns):
            with _translated(self.name):
                values = _numbers(self.name, batch.column(batch.schema.get_field_index(column)))
                if values.size != (target.size if len(self.columns) == 1 else len(target)):
                    raise UnreadableFileError(
                        f"{self.name} has lists that are not all {target.shape[1:]} long"
                    )
                if len(self.columns) == 1:
                    target[...] = values.reshape(target.shape)
                else:
                    target[:, i] = values


def open_arrow(file: StoredFile, name: str, kind: Literal["parquet", "feather"]) -> dict[str, ArraySource]:
    """Return the numeric columns of a table by name.

    Raises
    ------
    UnreadableFileError
        If the file is damaged, or claims more than it can hold.
    MissingExtraError
        If pyarrow is not installed.
    """
    schema, rows = _describe(file, kind)
    if len(schema) > MAX_ENTRIES or len(set(schema.names)) != len(schema.names):
        raise UnreadableFileError(f"{name} is refused: too many columns, or two of one name")
    found: dict[str, ArraySource] = {}
    spread = []
    for field in schema:
        dtype, width = _column_type(file, kind, field)
        if dtype is None:
            found[field.name] = RefusedSource(name=f"{name}:{field.name}", reason=f"it holds {field.type}")
            continue
        shape = (rows,) if width is None else (rows, width)
        found[field.name] = _source(file, name, kind, field.name, (field.name,), shape, dtype)
        if width is None and dtype.kind == "f":
            spread.append((field.name, dtype))
    if len(spread) > 1 and "columns" not in found:
        columns = tuple(column for column, _ in spread)
        dtype = np.result_type(*(d for _, d in spread))
        found["columns"] = _source(file, name, kind, "columns", columns, (rows, len(columns)), dtype)
    if not found:
        raise UnreadableFileError(f"{name} has no columns")
    return found


def _source(
    file: StoredFile,
    name: str,
    kind: Literal["parquet", "feather"],
    key: str,
    columns: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> ArrowColumns:
    """One array, in proportion to the bytes of the file."""
    title = f"{name}:{key}"
    check_expansion(title, int(np.prod(shape, dtype=object)) * dtype.itemsize, file.size, STREAM_EXPANSION)
    return ArrowColumns(name=title, file=file, kind=kind, columns=columns, shape=shape, dtype=dtype)


def _pyarrow() -> Any:
    """The library, or an error that names the extra."""
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            'Parquet and Feather files need pyarrow; install it with pip install "sphereufm[features]"'
        ) from error
    return pyarrow


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turn whatever the library raises on a damaged file into one error."""
    pyarrow = _pyarrow()
    failures = (OSError, ValueError, TypeError, KeyError, OverflowError, NotImplementedError, MemoryError)
    try:
        yield
    except (UnreadableFileError, MissingExtraError):
        raise
    except (*failures, pyarrow.ArrowException) as error:
        text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UnreadableFileError(f"{name} is a damaged table ({text}); save it again") from error


def _describe(file: StoredFile, kind: str) -> tuple[Any, int]:
    """Schema and number of rows."""
    pyarrow = _pyarrow()
    _check_footer(file, kind)
    with file.open() as handle, _translated(file.path.name):
        source = pyarrow.PythonFile(handle, "r")
        if kind == "parquet":
            table = _parquet(pyarrow, source)
            _check_groups(file, table.metadata)
            return table.schema_arrow, table.metadata.num_rows
        reader = pyarrow.ipc.open_file(source)
        if reader.num_record_batches > MAX_ENTRIES:
            raise UnreadableFileError(f"{file.path.name} is refused: it has too many record batches")
        return reader.schema, sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))


def _parquet(pyarrow: Any, source: Any) -> Any:
    """Open Parquet with bounded metadata and without reading ahead."""
    return pyarrow.parquet.ParquetFile(
        source,
        pre_buffer=False,
        buffer_size=2**20,
        thrift_string_size_limit=_MAX_METADATA,
        thrift_container_size_limit=MAX_ENTRIES,
    )


def _check_footer(file: StoredFile, kind: str) -> None:
    """The footer's length must fit the file; it is read into memory."""
    tail = file.read_at(max(file.size - 10, 0), 10)
    magic, length = (b"PAR1", tail[2:6]) if kind == "parquet" else (b"ARROW1", tail[:4])
    claimed = int.from_bytes(length, "little")
    if len(tail) < 10 or not tail.endswith(magic) or claimed > min(file.size, _MAX_METADATA):
        raise UnreadableFileError(f"{file.path.name} is truncated, or its footer is too long; save it again")


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
                raise UnreadableFileError(f"{file.path.name} is refused: a column claims {plain} bytes")
    if total > file.size:
        raise UnreadableFileError(
            f"{file.path.name} is refused: its columns claim more bytes than the file has"
        )


def _batches(file: StoredFile, kind: str, columns: tuple[str, ...], rows: int) -> Iterator[Any]:
    """Record batches of some columns, checked by the library."""
    pyarrow = _pyarrow()
    with file.open() as handle, _translated(file.path.name):
        source = pyarrow.PythonFile(handle, "r")
        if kind == "parquet":
            table = _parquet(pyarrow, source)
            yield from table.iter_batches(batch_size=rows, columns=list(columns), use_threads=False)
            return
        options = pyarrow.ipc.IpcReadOptions(use_threads=False)
        reader = pyarrow.ipc.open_file(source, options=options)
        for i in range(reader.num_record_batches):
            batch = reader.get_batch(i)
            batch.validate(full=True)
            yield batch


def _column_type(file: StoredFile, kind: str, field: Any) -> tuple[np.dtype[Any] | None, int | None]:
    """Number type and, for lists, their length; no type if the column holds something else."""
    types = _pyarrow().types
    inner, width = field.type, None
    if types.is_fixed_size_list(inner):
        inner, width = inner.value_type, inner.list_size
    elif types.is_list(inner) or types.is_large_list(inner):
        inner, width = inner.value_type, _first_length(file, kind, field.name)
    if not (types.is_integer(inner) or types.is_floating(inner)):
        return None, None
    return np.dtype(inner.to_pandas_dtype()), width


def _first_length(file: StoredFile, kind: str, column: str) -> int:
    """Length of the first list of a column; the others must have the same."""
    for batch in _batches(file, kind, (column,), _PEEK_ROWS):
        if batch.num_rows:
            with _translated(file.path.name):
                values = batch.column(batch.schema.get_field_index(column))
                return len(values[0].values) if values[0].is_valid else 0
    return 0


def _numbers(name: str, column: Any) -> AnyArray:
    """The numbers of a column of a record batch, in one vector."""
    types = _pyarrow().types
    if column.null_count:
        raise UnreadableFileError(f"{name} has missing values; fill or drop them first")
    kind = column.type
    if types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind):
        lengths = np.diff(np.asarray(column.offsets)) if not types.is_fixed_size_list(kind) else np.zeros(1)
        if lengths.size and (lengths != lengths[0]).any():
            raise UnreadableFileError(f"{name} has lists of different lengths; features need one length")
        column = column.flatten()
        if column.null_count:
            raise UnreadableFileError(f"{name} has missing values; fill or drop them first")
    numbers: AnyArray = np.asarray(column)
    return numbers
