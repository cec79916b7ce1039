"""`verdict.json`: the verdict written out and read back, field by field."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fieldguide.errors import RunError
from fieldguide.records import plain
from fieldguide.verdict.verdict import READABLE, SCHEMA, Verdict


def write(verdict: Verdict, path: str | Path) -> Path:
    """Write as JSON; the file appears whole or not at all."""
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(plain(verdict), ensure_ascii=False, indent=1, allow_nan=False), encoding="utf-8")
    partial.replace(path)
    return path


def read(path: str | Path) -> Verdict:
    """The verdict that `write` wrote. Raises `RunError` if the file is missing, damaged, or of another schema."""
    path = Path(path)
    if not path.is_file():
        raise RunError(f"There is no verdict at {path}; give the verdict.json of a finished run.")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as damage:
        raise RunError(f"The verdict {path} is damaged ({damage}); run the study again to write a new one.") from damage
    if not isinstance(data, dict) or data.get("schema") not in READABLE:
        found = data.get("schema") if isinstance(data, dict) else None
        raise RunError(f"The verdict {path} has schema {found}; this version reads schema {SCHEMA}: run the study again to write a new one.")
    try:
        return _record(Verdict, data)
    except (KeyError, TypeError, AttributeError) as damage:
        raise RunError(f"The verdict {path} is damaged ({damage}); run the study again to write a new one.") from damage


@cache
def _types(record: type) -> dict[str, Any]:
    return typing.get_type_hints(record)


def _record(record: type, data: Mapping[str, Any]) -> Any:
    """A record from its plain values: nested records, tuples and mappings as its annotations name them."""
    hints = _types(record)
    return record(**{name: _value(hints[name], value) for name, value in data.items()})


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _value(next(each for each in inner if each is not type(None)), value)
    if dataclasses.is_dataclass(hint):
        return _record(typing.cast(type, hint), value)
    if origin is tuple:
        each = (inner[0],) * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_value(kind, item) for kind, item in zip(each, value, strict=True))
    if origin is Mapping:
        return {key: _value(inner[1], item) for key, item in value.items()}
    return value
