"""`fieldguide report`: show a run's verdict again and write its page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def report(
    run: Annotated[Path, Argument(help="A run folder.")],
    as_json: Annotated[bool, Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Show a run's verdict again and write its page, report.html."""
    from fieldguide import api

    verdict = api.verdict_of(run)
    api.report(run, verdict)
    if as_json:
        print(api.describe_json(verdict))
        return
    from rich.console import Console

    from fieldguide.report.terminal import render

    render(verdict, Console(), run=str(run), report=str(run / "report.html"))
