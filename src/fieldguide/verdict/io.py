"""`verdict.json`: the verdict written out and read back, field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fieldguide.errors import RunError
from fieldguide.records import Usage, plain
from fieldguide.verdict.verdict import SCHEMA, Constraints, CurvePoint, Estimate, Standing, Verdict


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
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else None
        raise RunError(f"The verdict {path} has schema {found}; this version reads schema {SCHEMA}: run the study again to write a new one.")
    try:
        return _verdict(data)
    except (KeyError, TypeError, AttributeError) as damage:
        raise RunError(f"The verdict {path} is damaged ({damage}); run the study again to write a new one.") from damage


def _verdict(data: Mapping[str, Any]) -> Verdict:
    return Verdict(**{
        **data,
        "standings": tuple(_standing(s) for s in data["standings"]),
        "constraints": Constraints(**data["constraints"]),
        "spent": Usage(**data["spent"]),
        **{name: tuple(data[name]) for name in ("doubts", "notes", "confusions")},
    })  # fmt: skip


def _standing(data: Mapping[str, Any]) -> Standing:
    return Standing(**{
        **data,
        "quality": _estimate(data["quality"]),
        "loss": _estimate(data["loss"]),
        "metrics": _estimates(data["metrics"]),
        "usage": Usage(**data["usage"]),
        "curve": tuple(_point(p) for p in data["curve"]),
        **{name: tuple(data[name]) for name in ("models", "errors")},
    })  # fmt: skip


def _point(data: Mapping[str, Any]) -> CurvePoint:
    return CurvePoint(**{**data, "quality": _estimate(data["quality"]), "metrics": _estimates(data["metrics"])})


def _estimate(data: Mapping[str, Any] | None) -> Estimate | None:
    return Estimate(**data) if data is not None else None


def _estimates(data: Mapping[str, Any]) -> dict[str, Estimate]:
    return {name: Estimate(**each) for name, each in data.items()}
