"""`fieldguide predict`: run a study's winner on new rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def predict(
    run: Annotated[Path, Argument(help="A run folder, or a solver's folder.")],
    file: Annotated[str, Argument(help="New rows: CSV, TSV, JSON Lines or Parquet with the task's input columns; - reads lines of text.")],
    as_json: Annotated[bool, Option("--json", help="One JSON object a row, with probabilities, instead of one answer a line.")] = False,
) -> None:
    """Answer new rows with the winner of a study, in order, on standard output."""
    from fieldguide import api
    from fieldguide.records import Unparsed, plain
    from fieldguide.tasks.inputs import read_inputs

    solver = api.load(run)
    inputs = read_inputs(file, solver.task.inputs, solver.task.reader.lists(solver.task.inputs))
    for start in range(0, len(inputs), 64):
        for found in solver.predict(inputs[start : start + 64]):
            value = None if isinstance(found.value, Unparsed) else found.value
            if as_json:
                print(json.dumps({"value": value, "probabilities": plain(found.probabilities)}, ensure_ascii=False))
            else:
                print("" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
