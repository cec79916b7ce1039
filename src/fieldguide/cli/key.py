"""`fieldguide key`: the survey's ten questions, answered from the rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from fieldguide.errors import UserError
from fieldguide.registry import TABLE

if TYPE_CHECKING:
    from fieldguide.verdict.verdict import KeyPath


def key(
    data: Annotated[str, Argument(help="CSV, TSV, JSON Lines or Parquet file, a folder with train and test files, or hf:name.")],
    target: Annotated[str | None, Option(help="The column that holds the right answer.")] = None,
    inputs: Annotated[str | None, Option(help="The columns to read, separated by commas.")] = None,
    kind: Annotated[str | None, Option(help=f"The kind of task, inferred unless named: {', '.join(TABLE['kind'])}.")] = None,
    unlabelled: Annotated[str | None, Option(help="Rows as they come in use, to look for a shift: a file, or - for lines of text.")] = None,
    picture: Annotated[Path | None, Option(help="Draw the path into this SVG file.")] = None,
    as_json: Annotated[bool, Option("--json", help="Print the path as JSON.")] = False,
) -> None:
    """Walk the survey's ten questions: a large model, or a fine-tuned one?

    Answered from the rows alone, in seconds and without a model. What rows cannot show is not measured, and counts as no.
    """
    if picture is not None and picture.suffix.lower() != ".svg":
        raise UserError(f"The picture is an SVG file, but {str(picture)!r} is named otherwise; end the name in .svg.")
    from fieldguide import api
    from fieldguide.records import plain

    path = api.key(data, target=target, inputs=inputs, kind=kind, unlabelled=unlabelled, say=lambda text: print(text, file=sys.stderr))
    if picture is not None:
        _draw(path, picture)
    if as_json:
        print(json.dumps(plain(path), ensure_ascii=False, indent=1))
    else:
        _show(path)


def _draw(path: KeyPath, picture: Path) -> None:
    from fieldguide.report.key_picture import key_svg

    try:
        picture.write_text(key_svg(path) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"The picture cannot be written to {picture} ({error.strerror or error}); choose another place.") from None


def _show(path: KeyPath) -> None:
    """The sentence, then a line for each question with its evidence below; past the end of the path in grey."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from fieldguide.report import words

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right")
    table.add_column(ratio=1)
    table.add_column(no_wrap=True)
    for step in path.steps:
        past, ends = step.leads_to == "not reached", step.leads_to not in ("", "not reached")
        asked = Text(step.question, style="dim" if past else "bold" if ends else "")
        asked.append(f"\n{words.line(step.evidence)}", style="dim")
        said = f"({step.answer})" if past else f"{step.answer} → {step.leads_to}" if ends else step.answer
        table.add_row(str(step.number), asked, Text(said, style="dim" if past else "bold"))
    console = Console()
    console.print(Text(words.line(path.sentence), style="bold"), Text(), table, sep="\n")
    console.print(Text("\nAnswers in brackets lie past the end of the path.", style="dim"))
