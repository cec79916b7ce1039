"""Before a study starts: which approaches take part, which may not, and the folder that the run lives in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fieldguide.approaches.approach import Approach, make
from fieldguide.errors import RunError, UserError
from fieldguide.models.pool import ModelPool
from fieldguide.records import fingerprint
from fieldguide.registry import names
from fieldguide.study.plan import refusal
from fieldguide.study.settings import Settings
from fieldguide.study.trial import TrialRecord
from fieldguide.tasks.task import Task


def chosen_approaches(settings: Settings, pool: ModelPool) -> list[Approach]:
    """The approaches of a study: all, or those named, once with each model that can serve them."""
    chosen = settings.approaches or names("approach")
    found: list[Approach] = []
    for name in chosen:
        default = make(name)
        if not settings.models or not default.needs:
            found.append(default)
            continue
        for reference in settings.models:
            facts = pool.get(reference).facts
            if default.needs & facts.can and default.model_type in ("", facts.type):
                found.append(make(name, model=reference))
    if not found:
        raise UserError(f"None of the models {', '.join(settings.models)} can serve the approaches {', '.join(chosen)}; name others.")
    return found


def permitted(approaches: Sequence[Approach], settings: Settings, pool: ModelPool) -> tuple[list[Approach], list[TrialRecord]]:
    """With `local_only`, approaches whose model runs elsewhere are never called; they are struck out before anything is sent."""
    if not settings.local_only:
        return list(approaches), []
    remote = [a for a in approaches if not all(pool.get(reference).facts.local for reference in a.models())]
    return [a for a in approaches if a not in remote], [refusal(a, "It sends texts to another machine, and --local-only forbids that.") for a in remote]


def run_folder(task: Task, settings: Settings, out: str | Path | None) -> Path:
    """A folder of this study's own: the one asked for, else runs/<name>; a folder that holds another study is never reused."""
    mark = fingerprint(task.fingerprint)
    candidates = [Path(out)] if out else [Path("runs") / (task.spec.name + (f"-{i}" if i > 1 else "")) for i in range(1, 1000)]
    for folder in candidates:
        stamp = folder / "task.fingerprint"
        if stamp.is_file() and stamp.read_text().strip() == mark:
            return folder
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stamp.write_text(mark + "\n")
        except OSError as error:
            raise UserError(f"The run folder {folder} cannot be written ({error.strerror}); choose another with --out.") from error
        return folder
    raise RunError(f"The folder {candidates[-1]} already holds something else; choose another with --out.")
