"""Where rows come from: a file, a folder of `train`/`test` files, `hf:name`, or a DataFrame, as tables by split.

Nothing is guessed here beyond the format: which column means what is `infer`'s business, which row plays which role `split`'s.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldguide.errors import DataError, MissingExtra
from fieldguide.tasks.tables import READERS, Table, from_arrow, read_table

SPLITS: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "validation", "valid", "dev"),
    "test": ("test",),
}
"""Split → the names (without extension) that files and data-set splits may have."""


@dataclass(frozen=True)
class Loaded:
    """Tables by split: "train" always, "val" and "test" where there are any."""

    name: str
    source: str
    tables: Mapping[str, Table]
    notes: tuple[str, ...] = ()


def load(data: Any) -> Loaded:
    """Read `data`: a path (file or folder), `hf:name` or `hf:name#config`, or a pandas DataFrame.

    Raises `DataError` with one sentence that names file, line and column and says what to do.
    """
    if isinstance(data, str) and data.startswith("hf:"):
        return _load_hub(data)
    if isinstance(data, (str, Path)):
        return _load_path(expanded(data))
    if hasattr(data, "columns") and hasattr(data, "itertuples"):
        return _load_frame(data)
    raise DataError(f"Data must be a path, 'hf:name' or a pandas DataFrame, but a {type(data).__name__} came; give one of these.")


def expanded(path: str | Path) -> Path:
    """The path with `~` written out. Raises `DataError` for an empty one, or for a home folder that is not there."""
    try:
        if not str(path).strip():
            raise DataError("The path is empty; give a file of labelled rows.")
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(f"The path {str(path)!r} names no home folder ({str(error).rstrip('.')}); write the folder out.") from None


def _load_path(path: Path) -> Loaded:
    try:
        if path.is_dir():
            return _load_folder(path)
        if path.exists() and not path.is_file():
            raise DataError(f"The path {path} is neither a file nor a folder; give a file of labelled rows.")
        if not path.exists():
            raise DataError(_missing(path))
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"The path {str(path)!r} cannot be used ({getattr(error, 'strerror', None) or error}); check it.") from None
    table = read_table(path)
    return Loaded(path.stem, str(path), {"train": table}, table.notes)


def _missing(path: Path) -> str:
    there = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, there, n=1)
    hint = f"perhaps {close[0]!r} is meant." if close else "check the path, or write hf:name for a data set on the Hugging Face Hub."
    return f"There is no file or folder {str(path)!r}; {hint}"


def _load_folder(path: Path) -> Loaded:
    files = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
    found: dict[str, Path] = {}
    for split, stems in SPLITS.items():
        matches = [file for file in files if file.stem.lower() in stems and file.suffix.lower() in READERS]
        if len(matches) > 1:
            raise DataError(f"The folder {path.name} has two {split} files, {matches[0].name} and {matches[1].name}; keep one.")
        if matches:
            found[split] = matches[0]
    if "train" not in found:
        held = ", ".join(file.name for file in files[:5]) or "no files"
        raise DataError(
            f"The folder {path.name} has no train file (train.csv, train.tsv, train.jsonl, train.json or train.parquet), only {held}; "
            "add one, or name the file itself."
        )
    ignored = [file.name for file in files if file not in found.values() and file.suffix.lower() in READERS and file.suffix.lower() != ".json"]
    tables = {split: read_table(file) for split, file in found.items()}
    notes = [note for table in tables.values() for note in table.notes]
    if ignored:
        notes.append(f"Of the folder's data files, {', '.join(ignored)} {'was' if len(ignored) == 1 else 'were'} not read.")
    return Loaded(path.resolve().name, str(path), tables, tuple(notes))


def _load_frame(frame: Any) -> Loaded:
    """A DataFrame; row n (counted from 0, as `iloc` does) has the id "row:n"."""
    import pandas as pd

    names = [str(column) for column in frame.columns]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"The DataFrame has more than one column called {twice[0]!r}; rename one of them.")
    if not len(frame):
        raise DataError("The DataFrame has no rows; give one with labelled rows.")
    columns: dict[str, list[Any]] = {}
    for i, name in enumerate(names):
        series = frame.iloc[:, i]
        cells = zip(series.astype(object).tolist(), pd.isna(series).tolist(), strict=True)
        columns[name] = [None if gone else value.tolist() if hasattr(value, "tolist") else value for value, gone in cells]
    table = Table("the DataFrame", columns, range(len(frame)), "row", prefix="row")
    return Loaded("dataframe", "DataFrame", {"train": table})


def _load_hub(reference: str) -> Loaded:
    """`hf:name`, `hf:org/name` or `hf:org/name#config`, through the `datasets` library; class numbers become their names."""
    name, _, config = reference.removeprefix("hf:").partition("#")
    if not name:
        raise DataError("The reference 'hf:' names no data set; write hf:name or hf:org/name#config.")
    try:
        import datasets
    except ImportError:
        raise MissingExtra("datasets", f"Reading {reference}", "pip install datasets") from None
    try:
        loaded = datasets.load_dataset(name, config or None)
    except Exception as error:  # the library raises its own, the hub's and the network's; all mean that there are no rows
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0].partition(". ")[0].rstrip(".")
        raise DataError(
            f"The data set {name!r} could not be loaded ({type(error).__name__}: {reason[:200]}); check its name and the connection, "
            "download it once while online, or give a local file."
        ) from None
    splits = dict(loaded) if isinstance(loaded, Mapping) else {"train": loaded}
    found = {split: splits[stem] for split, stems in SPLITS.items() for stem in stems if stem in splits}
    if "train" not in found:
        raise DataError(f"The data set {name!r} has no train split, only {', '.join(splits)}; save the part you want as a file and give that.")
    tables = {split: _hub_table(name, split, part) for split, part in found.items()}
    left = [split for split in splits if not any(split in stems for stems in SPLITS.values())]
    notes = (f"Of the data set's splits, {', '.join(left)} {'was' if len(left) == 1 else 'were'} not read.",) if left else ()
    return Loaded(name.rstrip("/").rpartition("/")[2] + (f"-{config}" if config else ""), reference, tables, notes)


def _hub_table(name: str, split: str, part: Any) -> Table:
    if not len(part):
        raise DataError(f"The {split} split of {name!r} has no rows; choose another data set or configuration.")
    table = from_arrow(f"the {split} split of {name}", part.with_format("arrow")[:], prefix=split)
    columns = dict(table.columns)
    for column, feature in part.features.items():
        if hasattr(feature, "int2str"):  # a ClassLabel; -1 stands for no label
            columns[column] = [None if v is None or v < 0 else feature.int2str(v) for v in columns[column]]
    return Table(table.name, columns, table.lines, table.unit, table.prefix)
