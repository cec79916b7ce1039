"""What a person sees on standard error while a study runs: what was understood of the data, then where the study stands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fieldguide.study.run import Step


@dataclass(frozen=True)
class Display:
    """`step` shows where the study stands, `say` a sentence that stays."""

    step: Callable[[Step], None]
    say: Callable[[str], None]


@contextmanager
def display() -> Iterator[Display]:
    """One live line on a terminal; elsewhere a plain line for each trial."""
    if not sys.stderr.isatty():
        yield Display(_print_step, lambda text: print(text, file=sys.stderr, flush=True))
        return
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("Reading the data", spinner="dots") as status:
        yield Display(lambda step: status.update(_line(step)), lambda text: console.print(text, markup=False, highlight=False))


def _print_step(step: Step) -> None:
    if not step.detail:
        print(_line(step), file=sys.stderr, flush=True)


def _line(step: Step) -> str:
    left = "" if step.left_s is None else f" · about {duration(step.left_s)} left"
    detail = f" · {step.detail}" if step.detail else ""
    return f"{step.done}/{step.total} {step.message}{detail}{left}"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
