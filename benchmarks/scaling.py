"""How the engine's seconds grow with rows and with demonstrations, on trec6."""

from __future__ import annotations

from functools import partial
from typing import Any

from measure import Timed, in_turn, say, slope, target, timed
from works import TREC_SHOTS, Work, trec6

ROWS = (8, 16, 32, 64, 128)
SHOTS = (0, 2, 4, 8, 16, 32, 64)
SHOTS_AT_ROWS = 32
LINEAR, SUBLINEAR = 1.1, 0.9
"""Exponents that still count as linear and as sub-linear."""


def measured(model: Any, repeats: int, quick: bool) -> dict[str, Any]:
    """Medians of `repeats` against rows (from scratch, and with the demonstrations already computed) and against shots (from scratch).

    The exponents are slopes on logarithms: 1 is linear. That of rows is taken with the demonstrations computed, since these cost
    the same for any number of rows; that of shots leaves out the prompt without any.
    """
    rows, shots, at_rows = ((1, 2), (0, 1, 2), 1) if quick else (ROWS, SHOTS, SHOTS_AT_ROWS)
    by_rows = [against_rows(model, count, max(rows), 1 if quick else TREC_SHOTS, repeats) for count in rows]
    by_shots = [against_shots(model, count, at_rows, repeats) for count in shots]
    shown = [point for point in by_shots if point["shots"] > 0]
    return {
        "rows": by_rows,
        "rows_exponent": target(slope([p["rows"] for p in by_rows], [p["seconds_kept"] for p in by_rows]), at_most=LINEAR),
        "rows_shots": 1 if quick else TREC_SHOTS,
        "shots": by_shots,
        "shots_exponent": target(slope([p["shots"] for p in shown], [p["seconds"] for p in shown]), at_most=SUBLINEAR),
        "shots_rows": at_rows,
    }


def against_rows(model: Any, count: int, most: int, shots: int, repeats: int) -> dict[str, Any]:
    """Seconds for `count` rows. Before a kept call, two other rows with the same demonstrations are scored."""
    work = trec6(most + 2, shots=shots)
    own, others = first(work, count), (work.prompts[-2:], work.options[-2:])
    whole, kept = Timed(), Timed()
    model.score(*own)
    for _ in range(repeats):
        model._scorer.network.forget()
        timed(partial(model.score, *own), whole)
        model._scorer.network.forget()
        model.score(*others)
        timed(partial(model.score, *own), kept)
    say(f"  {count} rows: {whole.median:.3f} s, {kept.median:.3f} s with the demonstrations kept")
    return {"rows": count, "seconds": whole.median, "seconds_kept": kept.median}


def against_shots(model: Any, shots: int, rows: int, repeats: int) -> dict[str, Any]:
    """Seconds for `rows` rows that each follow `shots` demonstrations."""
    work = trec6(rows, shots=shots)

    def call() -> Any:
        model._scorer.network.forget()
        return model.score(work.prompts, work.options)

    found = in_turn({"ours": (call, repeats)})["ours"]
    longest = max(len(ids) for ids in model.tokenizer(work.prompts)["input_ids"])
    say(f"  {shots} shots: {found.median:.3f} s")
    return {"shots": shots, "prompt_tokens": longest, "seconds": found.median}


def first(work: Work, count: int) -> tuple[list[str], list[list[str]]]:
    return work.prompts[:count], work.options[:count]
