"""Parquet (page by page), Feather and Arrow streams (by record batches), through pyarrow in the child process.

A column of numbers is a vector; a column of equally long lists, or of tensors of one shape, has one of them a row.  A
column of texts is numbered in alphabetical order, with the texts beside it.  Missing values are refused, never filled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sphereufm.features.readers import limits
from sphereufm.features.readers.isolated.parent import Described, IsolatedArray
from sphereufm.features.readers.source import AnyArray, full_blocks
from sphereufm.features.readers.stored import StoredFile

_MAX_METADATA = 2**24
_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}  # integers have numpy's names
_TENSORS = "arrow.fixed_shape_tensor"
_TEXT_ROWS = 2**14


class TableReader:
    """The columns of a table."""

    def __init__(self, file: StoredFile, form: str) -> None:
        # with all parts that the library would import later by itself
        import pyarrow
        import pyarrow.compute
        import pyarrow.ipc
        import pyarrow.parquet

        pyarrow.set_memory_pool(pyarrow.system_memory_pool())
        self.pyarrow: Any = pyarrow
        self.file, self.form = file, form

    def describe(self) -> dict[str, Described]:
        """What each column is."""
        with self._opened() as (schema, rows, batches):
            names = list(schema.names)
            if len(names) > limits.MAX_ENTRIES or len(set(names)) != len(names):
                raise limits.refused(self.file.name, "too many columns, or two of one name")
            return {field.name: self._described(field, rows, batches) for field in schema}

    def blocks(self, array: IsolatedArray, rows: int) -> Iterator[AnyArray]:
        """Row blocks; record batches are cut or gathered to ``rows`` rows."""
        with self._opened() as (_, _, batches):
            slices = (
                batch.slice(start, rows)
                for batch in batches(array.columns or (array.key,), rows)
                for start in range(0, batch.num_rows, rows)
            )
            yield from full_blocks((self._numbers(array, part) for part in slices), array, rows)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Schema, number of rows, and a function to iterate record batches."""
        self._check_footer()
        with self.file.open() as handle:
            source = self.pyarrow.PythonFile(handle, "r")
            yield self._parquet(source) if self.form == "parquet" else self._ipc(source)

    def _parquet(self, source: Any) -> Any:
        """Open Parquet with bounded metadata and without reading ahead."""
        table = self.pyarrow.parquet.ParquetFile(
            source,
            pre_buffer=False,
            buffer_size=2**20,
            thrift_string_size_limit=_MAX_METADATA,
            thrift_container_size_limit=limits.MAX_ENTRIES,
        )
        self._check_groups(table.metadata)

        def batches(columns: tuple[str, ...], rows: int) -> Iterator[Any]:
            found = table.iter_batches(batch_size=rows, columns=list(columns), use_threads=False)
            # without the fields of a structure that have the name of a column
            return (batch.select(list(columns)) for batch in found)

        return table.schema_arrow, table.metadata.num_rows, batches

    def _ipc(self, source: Any) -> Any:
        """Open an Arrow file or stream; every batch is checked by the library before it is used."""
        ipc = self.pyarrow.ipc
        opened = ipc.open_stream if self.form == "stream" else ipc.open_file
        reader = opened(source)

        def batches(columns: tuple[str, ...], _rows: int) -> Iterator[Any]:
            wanted = [reader.schema.get_field_index(column) for column in columns]
            source.seek(0)
            options = ipc.IpcReadOptions(use_threads=False, included_fields=wanted)
            for batch in self._record_batches(opened(source, options=options)):
                batch.validate(full=True)
                yield batch.select(list(columns))

        # a stream has no footer, and pyarrow before 23 does not count: then by going through it
        counts = (batch.num_rows for batch in self._record_batches(reader))
        return reader.schema, reader.count_rows() if hasattr(reader, "count_rows") else sum(counts), batches

    def _record_batches(self, reader: Any) -> Iterator[Any]:
        """Record batches of a file or a stream, not too many of them."""
        total = getattr(reader, "num_record_batches", None)
        for number, batch in enumerate(reader if total is None else map(reader.get_batch, range(total))):
            if number >= limits.MAX_ENTRIES:
                raise limits.refused(self.file.name, "it has too many record batches")
            yield batch

    def _check_footer(self) -> None:
        """The footer's length must fit the file; it is read into memory."""
        if self.form == "stream":
            return
        tail = self.file.read_at(max(self.file.size - 10, 0), 10)
        magic, length = (b"PAR1", tail[2:6]) if self.form == "parquet" else (b"ARROW1", tail[:4])
        claimed = int.from_bytes(length, "little")
        if len(tail) < 10 or not tail.endswith(magic) or claimed > min(self.file.size, _MAX_METADATA):
            raise limits.refused(self.file.name, "it is truncated, or its footer is too long")

    def _check_groups(self, metadata: Any) -> None:
        """No row group may claim more than its compressed bytes can give, or more bytes than the file has."""
        total = 0
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                packed, plain = column.total_compressed_size, column.total_uncompressed_size
                total += packed
                if min(packed, plain) < 0 or plain > max(limits.FREE_BYTES, limits.STREAM_EXPANSION * packed):
                    raise limits.refused(self.file.name, f"a column claims {plain} bytes")
        if total > self.file.size:
            raise limits.refused(self.file.name, "its columns claim more bytes than the file has")

    def _described(self, field: Any, rows: int, batches: Any) -> Described:
        """Describe a column: number type, and for lists the length that all must have, for tensors their shape."""
        types, kind, name = self.pyarrow.types, field.type, field.name
        # a column of tensors stores lists of their numbers
        inner: Any = kind.storage_type if getattr(kind, "extension_name", "") == _TENSORS else kind
        shape: tuple[int, ...] = (rows,)
        if types.is_fixed_size_list(inner):
            order = getattr(kind, "permutation", None)
            in_order = inner is not kind and (not order or list(order) == sorted(order))
            inner, shape = inner.value_type, (rows, *(kind.shape if in_order else (inner.list_size,)))
        elif types.is_list(inner) or types.is_large_list(inner):
            first = next((batch.column(0)[0] for batch in batches((name,), 1) if batch.num_rows), None)
            length = len(first.values) if first is not None and first.is_valid else 0
            inner, shape = inner.value_type, (rows, length)
        else:
            text = inner.value_type if types.is_dictionary(inner) else inner
            if types.is_string(text) or types.is_large_string(text):
                texts = limits.few_texts(
                    [
                        str(t)[: 2 * limits.MAX_TEXT]
                        for t in batch.column(0).unique().to_pylist()
                        if t is not None
                    ]
                    for batch in batches((name,), _TEXT_ROWS)
                )
                plain = {"shape": shape, "dtype": np.dtype(np.int32).str, "packed": self.file.size}
                return limits.NOT_LABELS if texts is None else {**plain, "categories": texts}
        if not (types.is_integer(inner) or types.is_floating(inner) or types.is_boolean(inner)):
            return f"it holds {kind}"[:200]
        number = "bool" if types.is_boolean(inner) else _FLOATS.get(str(inner), str(inner))
        return {"shape": shape, "dtype": np.dtype(number).str, "packed": self.file.size}

    def _numbers(self, array: IsolatedArray, batch: Any) -> AnyArray:
        """The columns of a record batch as rows."""
        vectors = [self._vector(array, column) for column in batch.columns]
        if array.columns:
            return np.stack(vectors, axis=1, dtype=array.dtype)
        return vectors[0].reshape(batch.num_rows, *array.shape[1:])

    def _vector(self, array: IsolatedArray, column: Any) -> AnyArray:
        """The numbers of a column of a record batch, in one vector."""
        types = self.pyarrow.types
        _check_whole(array.name, column)
        if array.categories:
            return limits.text_places(column.to_pylist(), array.categories)
        column = getattr(column, "storage", column)
        fixed = types.is_fixed_size_list(column.type)
        if fixed or types.is_list(column.type) or types.is_large_list(column.type):
            length = math.prod(array.shape[1:])
            if not fixed and (np.diff(np.asarray(column.offsets)) != length).any():
                raise limits.refused(array.name, f"its lists are not all {length} long; pad them to that")
            column = column.flatten()
            _check_whole(array.name, column)
        return np.asarray(column)


def _check_whole(name: str, column: Any) -> None:
    """Missing values are refused."""
    if column.null_count:
        raise limits.refused(name, "it has missing values; fill or drop them first")
