"""A progress line on standard error: what runs now, how far the study is, how long it may still take."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fieldguide.study.run import Step


@contextmanager
def progress() -> Iterator[Callable[[Step], None]]:
    """Yields the callback that a study reports to: one live line on a terminal, one plain line a trial elsewhere."""
    if not sys.stderr.isatty():
        yield lambda step: print(_line(step), file=sys.stderr, flush=True)
        return
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("Reading the data", spinner="dots") as status:
        yield lambda step: status.update(_line(step))


def _line(step: Step) -> str:
    left = "" if step.left_s is None else f" · about {duration(step.left_s)} left"
    return f"{step.done}/{step.total} {step.message}{left}"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
