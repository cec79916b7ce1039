"""Files as tables: CSV, TSV, JSON Lines, JSON and Parquet, read whole or refused in one sentence that names the line.

A table is columns of raw cells and the line (or record) that each row came from. CSV and TSV cells are strings exactly as
written ("NA", "null" and "0" included); JSON and Parquet cells keep their types, and None stands for a missing value.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldguide.errors import DataError

MAX_BYTES = 2 << 30
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Table:
    """Columns of raw cells, all of one length, and where each row stands in its source."""

    name: str
    """The file's name, as row ids and messages give it."""
    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int]
    """The line, record or row number of each row."""
    unit: str = "line"
    """What `lines` counts: "line", "record" or "row"."""
    prefix: str = ""
    """What row ids start with, if not the name."""
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.lines)

    def id(self, row: int) -> str:
        return f"{self.prefix or self.name}:{self.lines[row]}"

    def where(self, row: int, column: str | None = None) -> str:
        """A row's place, as the start of a sentence."""
        place = f"{self.unit.capitalize()} {self.lines[row]} of {self.name}"
        return f"{place} (column {column!r})" if column else place


def read_table(path: Path) -> Table:
    """The file as a table, by its extension. Raises `DataError` with one sentence if it cannot be read."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        kinds = ", ".join(READERS)
        came = f"the extension {path.suffix!r}" if path.suffix else "no extension"
        raise DataError(f"The file {path.name} has {came}, but a table must be one of {kinds}; convert or rename it.")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"The file {path.name} holds {size / 2**30:.1f} GB, more than the 2 GB that are read into memory; give a sample of it.")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"The file {path} cannot be read ({error.strerror or error}); check its permissions.") from None
    if not data.strip():
        raise DataError(f"The file {path.name} is empty; give a file with a header and labelled rows.")
    table = reader(path, data)
    if not len(table):
        raise DataError(f"The file {path.name} has column names but no rows; add labelled rows.")
    return table


def encoding_of(name: str, data: bytes) -> tuple[str, str | None]:
    """(encoding, note): by byte-order mark, else UTF-8, else Windows-1252 with a note that says so."""
    for mark, encoding in BOMS:
        if data.startswith(mark):
            try:
                data.decode(encoding)
            except UnicodeDecodeError:
                kind = encoding.removesuffix("-sig").upper()
                raise DataError(f"The file {name} is marked as {kind} but does not hold it throughout; save it again as UTF-8.") from None
            return encoding, None
    if b"\0" in data[:8192] or data.startswith((b"PAR1", b"PK\x03\x04", b"\x1f\x8b", b"%PDF")):
        raise DataError(f"The file {name} holds binary data, not text; export it as UTF-8 CSV or JSON Lines, or correct its extension.")
    try:
        data.decode("utf-8")
        return "utf-8", None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        raise DataError(f"The file {name} is not UTF-8 (line {line} breaks it), nor Windows-1252; save it as UTF-8.") from None
    return "cp1252", f"The file {name} is not UTF-8 (line {line} breaks it), so it was read as Windows-1252; save it as UTF-8 if letters look wrong."


def check_columns(name: str, columns: Sequence[str]) -> None:
    """Refuse repeated column names."""
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise DataError(f"The file {name} has more than one column called {twice[0]!r}; rename one of them.")


def read_delimited(path: Path, data: bytes) -> Table:
    """CSV or TSV, every cell a string. A TSV whose quotes do not pair up is read with quotes as plain characters."""
    name, (encoding, note) = path.name, encoding_of(path.name, data)
    notes = [note] if note else []
    if path.suffix.lower() != ".csv":
        return _read_tabbed(name, data, encoding, notes)
    head = io.TextIOWrapper(io.BytesIO(data[:65536]), encoding, errors="ignore", newline="").readline()
    delimiter = ","
    if "," not in head and (";" in head or "\t" in head):
        delimiter = ";" if ";" in head else "\t"
        notes.append(f"The file {name} separates its cells by {'semicolons' if delimiter == ';' else 'tabs'}, and was read so.")
    return _parse(name, data, encoding, delimiter, csv.QUOTE_MINIMAL, notes)[0]


def _read_tabbed(name: str, data: bytes, encoding: str, notes: list[str]) -> Table:
    try:
        table, spans = _parse(name, data, encoding, "\t", csv.QUOTE_MINIMAL, notes)
        if not spans:
            return table
        failure = None
    except DataError as error:
        table, failure = None, error
    try:  # quotes may be plain characters: then every line has its full number of cells
        said = f"In {name} double quotes do not enclose cells, so they were read as plain characters."
        return _parse(name, data, encoding, "\t", csv.QUOTE_NONE, [*notes, said])[0]
    except DataError:
        if failure:
            raise failure from None
        assert table is not None
        return table


def _parse(name: str, data: bytes, encoding: str, delimiter: str, quoting: int, notes: list[str]) -> tuple[Table, bool]:
    """(table, whether any cell spans lines). Raises `DataError` at the first line that does not fit the header."""
    stream = io.TextIOWrapper(io.BytesIO(data), encoding, newline="")
    reader = csv.reader(stream, delimiter=delimiter, quoting=quoting, strict=True)  # type: ignore[arg-type]
    columns: list[list[str]] = []
    header: list[str] | None = None
    lines: list[int] = []
    start, spans = 1, False
    try:
        for cells in reader:
            line, start, spans = start, reader.line_num + 1, spans or reader.line_num > start
            if not cells:
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                columns = [[] for _ in header]
                continue
            if len(cells) != len(header):
                raise DataError(_ragged(name, line, len(cells), len(header), delimiter))
            for column, cell in zip(columns, cells, strict=True):
                column.append(cell)
            lines.append(line)
    except csv.Error as error:
        raise DataError(_broken(name, start, str(error))) from None
    if header is None:
        raise DataError(f"The file {name} holds no column names; give a file with a header and labelled rows.")
    header = [column or f"column {i}" for i, column in enumerate(header, 1)]
    check_columns(name, header)
    return Table(name, dict(zip(header, columns, strict=True)), lines, notes=tuple(notes)), spans


def _ragged(name: str, line: int, came: int, expected: int, delimiter: str) -> str:
    mark = {",": "a comma", ";": "a semicolon", "\t": "a tab"}[delimiter]
    cells = "1 cell" if came == 1 else f"{came} cells"
    return f"Line {line} of {name} has {cells} where the header has {expected}; quote cells that contain {mark}, or mend the line."


def _broken(name: str, line: int, error: str) -> str:
    if "field larger" in error:
        return (
            f"The row that starts at line {line} of {name} has a cell of more than {csv.field_size_limit():,} characters; "
            "close a quote that was left open there, or give longer texts as JSON Lines."
        )
    if "end of data" in error:
        return f"Line {line} of {name} opens a quoted cell that never closes; add the closing quote, and write a quote inside a quoted cell twice."
    if "expected after" in error:
        return f"The row that starts at line {line} of {name} has text after a closing quote; write a quote inside a quoted cell twice."
    return f"The row that starts at line {line} of {name} cannot be read ({error}); mend the line."


def read_json_lines(path: Path, data: bytes) -> Table:
    """One JSON object a line; blank lines are passed over; a key that a row lacks is a missing value."""
    name, (encoding, note) = path.name, encoding_of(path.name, data)
    columns: dict[str, list[Any]] = {}
    lines: list[int] = []
    for line, text in enumerate(io.TextIOWrapper(io.BytesIO(data), encoding, newline="\n"), 1):
        if not text.strip():
            continue
        _append(columns, len(lines), _decode(text, f"Line {line} of {name}"), f"Line {line} of {name}")
        lines.append(line)
    return Table(name, columns, lines, notes=(note,) if note else ())


def read_json(path: Path, data: bytes) -> Table:
    """A JSON list of objects; a file of one object a line is read as JSON Lines."""
    name, (encoding, note) = path.name, encoding_of(path.name, data)
    text = data.decode(encoding)
    if text.lstrip()[:1] == "{" and "\n" in text.strip() and text.strip().partition("\n")[0].rstrip().endswith("}"):
        return read_json_lines(path, data)
    rows = _decode(text, f"The file {name}")
    if not isinstance(rows, list):
        raise DataError(f"The file {name} holds a JSON {type(rows).__name__} where a list of objects is expected; give one object a row.")
    columns: dict[str, list[Any]] = {}
    for record, row in enumerate(rows):
        _append(columns, record, row, f"Record {record + 1} of {name}")
    return Table(name, columns, range(1, len(rows) + 1), "record", notes=(note,) if note else ())


def _decode(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if where.startswith("The") else f"column {error.colno}"
        raise DataError(f"{where} is not valid JSON ({error.msg} at {place}); mend it.") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} cannot be read as JSON ({type(error).__name__}: nested too deep or a number too long); mend it.") from None


def _append(columns: dict[str, list[Any]], n: int, row: Any, where: str) -> None:
    """Add one object to columns that hold `n` rows so far."""
    if not isinstance(row, dict):
        hint = "; a file that holds one JSON list needs the extension .json" if isinstance(row, list) else "; give one object a row"
        raise DataError(f"{where} holds a JSON {type(row).__name__} where an object with column names is expected{hint}.")
    for key, value in row.items():
        if key not in columns:
            columns[key] = [None] * n
        columns[key].append(value)
    if len(row) < len(columns):
        for column in columns.values():
            if len(column) == n:
                column.append(None)


def read_parquet(path: Path, data: bytes) -> Table:
    """A Parquet file; an index that pandas stored is left out."""
    import pyarrow.parquet as parquet

    try:
        arrow = parquet.read_table(io.BytesIO(data))
    except Exception as error:  # pyarrow raises many kinds; all mean that the file is not readable Parquet
        reason = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        raise DataError(f"The file {path.name} is not readable Parquet ({reason}); write it again or correct its extension.") from None
    return from_arrow(path.name, arrow)


def from_arrow(name: str, arrow: Any, **extra: Any) -> Table:
    """A `pyarrow.Table` as a table of plain Python values, nulls as None."""
    check_columns(name, arrow.column_names)
    keep = [column for column in arrow.column_names if not column.startswith("__index_level_")]
    return Table(name, {column: arrow[column].to_pylist() for column in keep}, range(1, arrow.num_rows + 1), "record", **extra)


READERS: dict[str, Callable[[Path, bytes], Table]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".tab": read_delimited,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".parquet": read_parquet,
}
