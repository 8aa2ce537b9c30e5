"""Writing records as CSV, JSON lines or Parquet.

The text formats are UTF-8. CSV has a header line; names in lists are joined by "; ", and boxes are
JSON. CSV for spreadsheet programs begins with a byte order mark, without which Excel misreads UTF-8,
and has an apostrophe before cells that would be formulas. Parquet has list and timestamp columns.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, Protocol

from labelctl import paths
from labelctl.errors import UsageError
from labelctl.labels.export import Record

FORMATS = {"csv": (".csv",), "jsonl": (".jsonl", ".ndjson"), "parquet": (".parquet", ".pq")}
"""The formats and their file name suffixes."""

_FIELDS = Record._fields
_LISTS = ("categories", "parents", "aliases")
_TIMES = ("uploaded_at", "labelled_at")
_BOX = ("left", "top", "width", "height", "confidence")
_ROW_GROUP = 20_000  # records per Parquet row group, kept in memory until written: about 10 MB
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # and their full-width forms
"""The first characters of cells that spreadsheet programs evaluate. [OWASP, CSV Injection]"""
_encode = json.JSONEncoder(ensure_ascii=False).encode
_BREAKS = re.compile("[\x85\u2028\u2029]")  # some programs treat these as line ends


class Sink(Protocol):
    """The destination of a text format."""

    def write(self, data: bytes, /) -> object: ...


class Writer(Protocol):
    """Writes records in batches."""

    def write(self, records: Sequence[Record]) -> None: ...


def format_of(path: Path) -> str | None:
    """The format for a file name, by its suffix; None if unknown."""
    suffix = path.suffix.lower()
    return next((name for name, suffixes in FORMATS.items() if suffix in suffixes), None)


@contextmanager
def writer(name: str, sink: Any, *, excel: bool = False) -> Iterator[Writer]:
    """A writer for the named format: CSV and JSON lines to a `Sink`, Parquet to a binary file.

    With `excel`, CSV is for spreadsheet programs. Call `check` first: Parquet needs pyarrow.
    """
    opened: _Csv | _JsonLines | _Parquet
    opened = (
        _Csv(sink, excel)
        if name == "csv"
        else _JsonLines(sink)
        if name == "jsonl"
        else _Parquet(sink)
    )
    try:
        yield opened
    except BaseException:
        with suppress(Exception):  # otherwise pyarrow closes it later, and prints errors
            opened.close()
        raise
    opened.close()


def check(name: str, path: Path | None) -> None:
    """Raise UsageError if the format or the path cannot be written."""
    if path:
        paths.check(path)
    if path and path.is_absolute() and path.parts[1:2] == ("dev",) and path.is_symlink():
        raise UsageError(f'"{path}" would be replaced.', "Leave -o out to write to stdout.")
    if path and path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "not a regular file"
        raise UsageError(f'"{path}" is {kind}.', "Name a file, or leave -o out to write to stdout.")
    if path and not path.parent.exists():
        raise UsageError(
            f'There is no folder "{path.parent}".', "Create it first, or name another."
        )
    if name == "parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise UsageError(
                "Parquet needs pyarrow, which is not installed.",
                "Install it: pip install 'labelctl[parquet]'",
            ) from None


class _JsonLines:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, records: Sequence[Record]) -> None:
        text = "".join(f"{_encode(record._asdict())}\n" for record in records)
        text = _BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        self._sink.write(text.encode())

    def close(self) -> None:
        pass


class _Csv:
    def __init__(self, sink: Sink, excel: bool) -> None:
        self._sink = sink
        self._excel = excel
        self._write([_FIELDS], "\ufeff" if excel else "")

    def write(self, records: Sequence[Record]) -> None:
        rows = map(_cells, records)
        self._write([map(_without_formula, row) for row in rows] if self._excel else rows)

    def _write(self, rows: Iterable[Iterable[Any]], before: str = "") -> None:
        lines: list[str] = []
        # With this terminator, csv quotes names that contain \r or \n.
        end = "\r\n"
        csv.writer(SimpleNamespace(write=lines.append), lineterminator=end).writerows(rows)
        text = "".join(line.removesuffix(end) + "\n" for line in lines)
        self._sink.write((before + text).encode())

    def close(self) -> None:
        pass


def _without_formula(cell: Any) -> Any:
    is_formula = isinstance(cell, str) and cell.startswith(_FORMULA_STARTS)
    return f"'{cell}" if is_formula else cell


def _cells(record: Record) -> tuple[Any, ...]:
    image, label, confidence, categories, parents, aliases, boxes, *times_and_model = record
    lists = ("; ".join(categories), "; ".join(parents), "; ".join(aliases))
    return (image, label, confidence, *lists, _encode(boxes) if boxes else "[]", *times_and_model)


class _Parquet:
    def __init__(self, stream: BinaryIO) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names, number = pa.list_(pa.string()), pa.float64()
        box = pa.struct([(side, number) for side in _BOX])
        kinds = dict.fromkeys(_LISTS, names) | dict.fromkeys(_TIMES, pa.timestamp("ms", "UTC"))
        kinds |= {"confidence": number, "boxes": pa.list_(box)}
        self._arrow = pa
        self._schema = pa.schema([(name, kinds.get(name, pa.string())) for name in _FIELDS])
        self._file = pq.ParquetWriter(stream, self._schema)
        self._batches: list[Any] = []

    def write(self, records: Sequence[Record]) -> None:
        values = zip(*records, strict=True) if records else [()] * len(_FIELDS)
        columns = dict(zip(_FIELDS, values, strict=True))
        for name in _TIMES:
            columns[name] = tuple(map(_time, columns[name]))
        arrays = [self._arrow.array(columns[field.name], field.type) for field in self._schema]
        self._batches.append(self._arrow.RecordBatch.from_arrays(arrays, schema=self._schema))
        if sum(batch.num_rows for batch in self._batches) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._file.write_table(self._arrow.Table.from_batches(self._batches, self._schema))
        self._batches = []

    def close(self) -> None:
        if self._batches:
            self._flush()
        self._file.close()


@lru_cache(1000)  # all labels of a photo have the same times
def _time(text: str) -> datetime | None:
    """Parse an ISO 8601 time; None if it is malformed."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
