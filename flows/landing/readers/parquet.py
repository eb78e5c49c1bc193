"""Parquet: typed columns as text, row group by row group.

Nested columns (lists, structs) become JSON text and are told: an answer does not belong there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from flows.landing.readers.columnwise import texts
from flows.landing.reading import (
    FileRefused,
    Reading,
    Sink,
    Source,
    header_problems,
    named_columns,
    refuse_empty,
    refuse_no_records,
)
from flows.landing.text import value_text
from flows.settings.site_models import FileSettings

_BATCH_ROWS = 20_000


class ParquetReader:
    """Format ``parquet``."""

    format = "parquet"

    def settings(self, file: FileSettings) -> dict[str, Any]:
        """Nothing: the file says everything of itself."""
        return {}

    def companions(self, file: FileSettings) -> tuple[str, ...]:
        """None."""
        return ()

    def read(self, source: Source, sink: Sink) -> Reading:
        """See the module."""
        if not source.path.stat().st_size:
            raise refuse_empty()
        n_rows = 0
        with _opened(source) as file:
            schema = file.schema_arrow
            columns = named_columns(source, schema.names)
            sink.begin(columns, source.free_text(columns))
            for batch in _batches(file):
                sink.add_columns(n_rows + 1, [_texts(column) for column in batch.columns])
                n_rows += batch.num_rows
        if not n_rows:
            raise refuse_no_records()
        problems = header_problems(source, columns)
        for column, field in zip(columns, schema, strict=True):
            if types.is_nested(field.type):
                problems.append(
                    source.problem(
                        "nested_column",
                        "The column holds lists or structures; they were kept as JSON text.",
                        "Write one plain column for each value.",
                        column_name=column.name,
                    )
                )
        return Reading(columns, n_rows, n_rows * len(columns), tuple(problems))


def _opened(source: Source) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(source.path)
    except (pa.ArrowException, OSError):
        raise _damaged() from None


def _batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    try:
        yield from file.iter_batches(batch_size=_BATCH_ROWS)
    except (pa.ArrowException, OSError):
        raise _damaged() from None


def _damaged() -> FileRefused:
    return FileRefused(
        "damaged_file",
        "It is not a whole Parquet file: cut off, damaged, encrypted, or of another kind.",
        "Write it again and compare the sizes.",
    )


def _texts(column: pa.Array) -> pa.Array:
    kind = column.type
    if types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind):
        return column.cast(pa.large_string())
    if types.is_nested(kind):
        return pa.array([value_text(value) for value in column.to_pylist()], pa.large_string())
    if types.is_float32(kind) or types.is_float16(kind):
        # Through numpy: a Python float would show the digits that double precision adds.
        return texts([None if value is None else column.type.to_pandas_dtype()(value) for value in column.to_pylist()])
    return texts(column.to_pylist())
