"""Demonstrations made wrong on purpose, to measure what demonstrations teach: their labels flipped or drawn, or their inputs of another domain.

If answers stay as good with random labels, the model takes from demonstrations which labels there are and how rows look, not which label belongs to
which row (Min et al. 2022, EMNLP 2022, arXiv:2202.12837, sections 4 and 5); a model that follows flipped labels reads the mapping from the prompt
against what it knew before (Wei et al. 2023, arXiv:2303.03846, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle

import numpy as np

from fieldguide.records import Row
from fieldguide.tasks.task import TaskSpec

SHOWN = ("right", "flipped", "random", "other")


def corrupted(rows: Sequence[Row], task: TaskSpec, show: str, flip_share: float, seed: int) -> list[Row]:
    """The rows as a prompt is to show them; ids and order stay, and the rows given are not changed.

    "right" changes nothing. "flipped" gives a share of the rows, rounded to whole ones and drawn by the seed, one of the other labels, each as
    likely. "random" draws each row's label from the label space, each as likely, so that one in as many as there are labels stays right. "other"
    keeps labels and puts sentences of another domain in the place of inputs, none twice before all were used.
    """
    rng = np.random.default_rng([seed, 3319])
    if show == "flipped":
        flipped = set(rng.permutation(len(rows))[: round(flip_share * len(rows))].tolist())
        others = [[label for label in task.labels if label != row.target] for row in rows]
        drawn = [own[rng.integers(len(own))] for own in others]
        return [replace(row, target=drawn[i]) if i in flipped else row for i, row in enumerate(rows)]
    if show == "random":
        return [replace(row, target=task.labels[i]) for row, i in zip(rows, rng.integers(len(task.labels), size=len(rows)), strict=True)]
    if show == "other":
        said = cycle([SENTENCES[i] for i in rng.permutation(len(SENTENCES))])
        return [replace(row, inputs={column: _in_place(cell, said) for column, cell in row.inputs.items()}) for row in rows]
    return list(rows)


def _in_place(cell: str | Sequence[str], said: Iterator[str]) -> str | list[str]:
    return next(said) if isinstance(cell, str) else [next(said) for _ in cell]


SENTENCES = (
    "A kettle switches itself off once the water boils.",
    "The upper shelf holds jars, the lower one plates.",
    "Paper is made from wood fibres pressed into sheets.",
    "A pencil leaves a trace of graphite on the page.",
    "The staircase turns twice before it reaches the attic.",
    "Bricks are laid in rows, each shifted by half a length.",
    "A zip joins two rows of small interlocking teeth.",
    "The drawer below the oven holds baking trays.",
    "Linoleum is often sold in rolls two metres wide.",
    "A spirit level shows by a bubble whether a shelf is straight.",
    "The cord of the blind hangs on the left of the window.",
    "Glue for wood takes about a day to harden.",
    "A hinge lets a door swing around one of its edges.",
    "The folding chair leans against the wall of the corridor.",
    "Candles are dipped several times until they are thick enough.",
    "A ruler is divided into centimetres and millimetres.",
    "The curtain rail is held by three brackets.",
    "Rope is twisted from many thin strands.",
    "A ladder with eight rungs stands behind the shed.",
    "The lid of the box slides along two grooves.",
    "Sandpaper is graded by the size of its grains.",
    "A funnel helps to fill bottles with a narrow neck.",
    "The lamp beside the desk has a paper shade.",
    "Nails are sorted by length into small compartments.",
    "A basket is woven from the bottom upwards.",
    "The tap in the yard is closed during winter.",
    "Envelopes come in sizes that match folded sheets.",
    "A wheelbarrow has one wheel and two handles.",
    "The coat hooks are screwed to a long board.",
    "Tiles are set with the same gap on every side.",
    "A thimble keeps the needle away from the finger.",
    "The bench beside the gate seats four.",
    "Wire is drawn through ever smaller holes to make it thin.",
    "A bucket of sand stands next to the stove.",
    "The label on the tin is printed in two colours.",
    "Wallpaper is hung from the top of the wall downwards.",
    "A clothes peg is held together by a small spring.",
    "The mat in front of the door is made of coconut fibre.",
    "Screws with a flat head lie level with the surface.",
    "A stapler bends the ends of each staple inwards.",
    "The attic window opens outwards and has a metal frame.",
    "Yarn is wound into balls of fifty grams.",
    "A doorstop is a wedge of rubber or wood.",
    "The gutter runs along the whole length of the roof.",
    "Chalk is pressed into sticks as long as a finger.",
    "A cork seals the bottle because it can be squeezed.",
    "The rug covers the middle of the floor.",
    "Planks are stacked with thin strips between them.",
)
"""What stands in the place of inputs: plain sentences about household things, of no mood, opinion, question or event."""
