"""New rows to answer: a table with the task's input columns, or plain lines of text."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fieldguide.errors import DataError
from fieldguide.records import Inputs
from fieldguide.tasks.cells import cell_of
from fieldguide.tasks.load import expanded
from fieldguide.tasks.tables import encoding_of, read_table


def read_inputs(source: str, columns: Sequence[str], lists: Sequence[str] = ()) -> list[Inputs]:
    """The rows of a file, in order, none left out: CSV, TSV, JSON Lines or Parquet with these columns; `-` reads lines of standard input.

    Columns among `lists` hold a list of texts a row.

    An empty cell is an empty text. Raises `DataError` with one sentence if a column is missing or holds no text.
    """
    if source == "-":
        if len(columns) != 1 or lists:
            raise DataError(f"Lines of text can only fill one column, and the task reads {', '.join(columns)}; give a file with these columns.")
        data = sys.stdin.buffer.read()
        encoding, _ = encoding_of("standard input", data) if data else ("utf-8", None)
        return [{columns[0]: line} for line in data.decode(encoding, "replace").splitlines()]
    path = expanded(source)
    if not path.is_file():
        raise DataError(f"There is no file {source!r}; give a table with the columns {', '.join(columns)}, or - for lines of text.")
    table = read_table(path)
    for column in columns:
        if column not in table.columns:
            raise DataError(f"The file {path.name} has no column {column!r}, which the task reads; its columns are {', '.join(table.columns)}.")
    return [{column: cell_of(table.columns[column][i], table, i, column, lists) for column in columns} for i in range(len(table))]
