"""Raw cells as text, in one way for rows that train and rows that are answered."""

from __future__ import annotations

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


def whole(cell: Any) -> Any:
    """A string without lone surrogates (broken halves of a character, which no tokenizer takes)."""
    if not isinstance(cell, str):
        return cell
    try:
        cell.encode("utf-8")
        return cell
    except UnicodeEncodeError:
        return cell.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
