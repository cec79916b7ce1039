"""Raw cells as text, in one way for rows that train and rows that are answered."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from fieldguide.errors import DataError
from fieldguide.tasks.tables import Table


def blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and cell != cell) or (isinstance(cell, str) and not cell.strip())


def text_of(cell: Any, table: Table, row: int, column: str) -> str:
    """An input cell as text: strings as they stand, numbers and dates as written, a missing value as ""."""
    if isinstance(cell, str):
        return cell if cell.isascii() else whole(cell)
    if cell is None:
        return ""
    if isinstance(cell, (list, tuple, dict, set, bytes)) or hasattr(cell, "__len__"):
        came = type(cell).__name__
        raise DataError(f"{table.where(row, column)} holds a {came} where text is expected; make it text or choose other columns with --inputs.")
    return "" if blank(cell) else str(cell)


def list_of(cell: Any, table: Table, row: int, column: str) -> list[str]:
    """An input cell as a list of texts: a list as it stands, or its JSON form, as CSV files hold it; a missing value as []."""
    if isinstance(cell, str) and cell.strip():
        try:
            cell = json.loads(cell)
        except ValueError:
            cell = None
        if not isinstance(cell, list):
            raise DataError(f'{table.where(row, column)} holds text where a list is expected; write it as JSON, as in ["one", "two"].')
    if cell is not None and not isinstance(cell, str) and hasattr(cell, "tolist"):  # an array of a Parquet file
        cell = cell.tolist()
    if cell is None or blank(cell):
        return []
    if not isinstance(cell, (list, tuple)):
        raise DataError(f"{table.where(row, column)} holds a {type(cell).__name__} where a list of texts is expected; correct it.")
    return [text_of(part, table, row, column) for part in cell]


def cell_of(cell: Any, table: Table, row: int, column: str, lists: Collection[str]) -> Any:
    """An input cell as text, or as a list of texts where its column is among `lists`."""
    return list_of(cell, table, row, column) if column in lists else text_of(cell, table, row, column)


def whole(cell: Any) -> Any:
    """A string without lone surrogates (broken halves of a character, which no tokenizer takes)."""
    if not isinstance(cell, str):
        return cell
    try:
        cell.encode("utf-8")
        return cell
    except UnicodeEncodeError:
        return cell.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
