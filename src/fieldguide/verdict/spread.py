"""Where the uncertainty of a quality comes from: the rows it was measured on, or the seeds that were run, in numbers and in words."""

from __future__ import annotations

from math import sqrt

from fieldguide.stats.variance import Split, split
from fieldguide.verdict.cells import Cell
from fieldguide.verdict.measure import Ruler
from fieldguide.verdict.verdict import VarianceSplit
from fieldguide.verdict.words import points, share

AGAIN = {
    "label draw and training": "another label draw and training run",
    "training": "another training run",
    "demonstrations and their order": "other demonstrations, or another order of them",
}


def variance_split(ruler: Ruler, name: str, cell: Cell, n_available: int) -> VarianceSplit | None:
    """The variance of the metric called `name` at a cell, split into rows and seeds; None with one seed.

    `n_available` is the number of labels there are: at all of them, seeds draw no other labels.
    """
    seeds = len(cell.records)
    if seeds < 2:
        return None
    what = _what(cell, n_available)
    found = split(ruler.columns(name, cell))
    return VarianceSplit(found.rows, found.seeds, found.one_seed, what, _sentence(found, what, seeds))


def _what(cell: Cell, n_available: int) -> str:
    if cell.records[0].family == "prompting":
        return "demonstrations and their order"
    return "label draw and training" if cell.n_labels < n_available else "training"


def _sentence(found: Split, what: str, seeds: int) -> str:
    total, again = found.rows + found.seeds, AGAIN[what]
    if total <= 0:
        return "The seeds gave every row the same score, so nothing is left to split."
    if found.seeds <= 0:
        seen = f"its {'two' if seeds == 2 else seeds} seeds differ by no more than these rows explain"
        return f"All of the uncertainty that shows in this figure comes from the rows: {seen}, so nothing says that {again} would change it."
    of_rows = round(100 * found.rows / total) / 100
    rough = ", a rough figure from two seeds" if seeds == 2 else ""
    return (
        f"Of the uncertainty of this figure, {share(of_rows) if of_rows else '0 %'} comes from the rows it was measured on and "
        f"{share(1 - of_rows) if of_rows < 1 else 'less than 1 %'} from {what}; a single solver would vary by about "
        f"{points(sqrt(found.one_seed))} (standard deviation{rough}) with {again}."
    )
