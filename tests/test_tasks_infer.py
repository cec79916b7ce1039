"""Target, inputs and kind from the table alone: on toy columns, and on the real sets."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pandas as pd
import pytest

from fieldguide.errors import DataError, UserError
from fieldguide.tasks.build import read_task
from fieldguide.tasks.infer import infer
from fieldguide.tasks.tables import Table
from fieldguide.tasks.targets import check_targets

DATA = Path(os.environ.get("FIELDGUIDE_DATA", Path(__file__).parents[1].parent / "shared" / "data")) / "tasks"
WORDS = ["sea", "log", "lamp", "forest", "coffee", "window", "garden", "letter", "market", "bridge", "winter", "dancer", "copper", "signal", "moss"]


def prose(n: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=8)) for _ in range(n)]


def reading(columns: dict[str, list], **options):
    n = len(next(iter(columns.values())))
    return infer({"train": Table("a.csv", columns, range(2, n + 2))}, **options)


N = 60
TEXT, OTHER = prose(N), prose(N, 1)
LABEL = [["red", "green", "blue"][i % 3] for i in range(N)]

REAL = {
    "banking77": (("text",), "classification", 77),
    "trec6": (("text",), "classification", 6),
    "ag_news": (("text",), "classification", 4),
    "cr": (("text",), "classification", 2),
    "tweet_irony": (("text",), "classification", 2),
    "tnews_zh": (("text",), "classification", 15),
    "snli": (("premise", "hypothesis"), "pair-classification", 3),
    "mrpc": (("sentence1", "sentence2"), "pair-classification", 2),
}


@pytest.mark.parametrize("name", REAL)
def test_real_sets_are_read_right(name):
    if not (DATA / name).is_dir():
        pytest.skip(f"the data set {name} is not at {DATA}")
    inputs, kind, labels = REAL[name]
    for options in ({}, {"target": "label"}):
        spec = read_task(DATA / name, **options).spec
        assert (spec.inputs, spec.kind, len(spec.labels), spec.target) == (inputs, kind, labels, "label")


@pytest.mark.parametrize(
    ("columns", "target", "inputs", "kind"),
    [
        ({"text": TEXT, "intent": LABEL, "region": ["north", "south"] * 30}, "intent", ("text",), "classification"),
        ({"id": list(range(N)), "body": TEXT, "colour": LABEL}, "colour", ("body",), "classification"),
        ({"text": TEXT, "label": LABEL, "label_text": [v.upper() for v in LABEL]}, "label", ("text",), "classification"),
        ({"question1": TEXT, "question2": OTHER, "label": LABEL}, "label", ("question1", "question2"), "pair-classification"),
        ({"subject": TEXT, "body": OTHER, "label": LABEL}, "label", ("subject", "body"), "classification"),
        ({"title": TEXT, "all": [f"{a}  {b}" for a, b in zip(TEXT, OTHER, strict=True)], "label": LABEL}, "label", ("all",), "classification"),
        ({"text": TEXT, "score": [str(i / 3) for i in range(N)], "when": ["2024-05-01"] * N, "label": LABEL}, "label", ("text",), "classification"),
        ({"name": [f"{a}{b}" for a in WORDS for b in "abcd"], "label": LABEL}, "label", ("name",), "classification"),
        ({"": list(range(N)), "Text": TEXT, "Label": LABEL}, "Label", ("Text",), "classification"),
        ({"text": [f"猫喜欢{a}吗{i}" for i, a in enumerate(WORDS * 4)], "label": LABEL}, "label", ("text",), "classification"),
    ],
)
def test_columns_are_told_apart(columns, target, inputs, kind):
    found = reading(columns)
    assert (found.target, found.inputs, found.kind) == (target, inputs, kind)
    assert all(note.endswith(".") for note in found.notes)


def test_what_is_given_is_not_inferred():
    columns = {"text": TEXT, "label": LABEL, "colour": LABEL, "age": [str(i % 7) for i in range(N)]}
    found = reading(columns, target="colour", inputs="age, text", kind="classification", metric="macro_f1")
    assert (found.target, found.inputs, found.metric, found.notes) == ("colour", ("age", "text"), "macro_f1", ())
    assert reading(columns, inputs=["text"]).target == "label"


def test_the_left_out_are_named():
    notes = " ".join(reading({"text": TEXT, "fine": [v + str(i % 2) for i, v in enumerate(LABEL)], "label": LABEL}).notes)
    assert "'fine' determines the target under another name" in notes


def test_open_choices_are_refused():
    with pytest.raises(DataError, match="red_or_not, colour"):
        reading({"text": TEXT, "red_or_not": [v == "red" for v in LABEL], "colour": LABEL})
    with pytest.raises(UserError, match="no kind called 'clasification'"):
        reading({"text": TEXT, "label": LABEL}, kind="clasification")
    with pytest.raises(UserError, match="no metric called 'vibes'"):
        reading({"text": TEXT, "label": LABEL}, metric="vibes")


def targets(values: list) -> list[str]:
    return check_targets(Table("a.csv", {}, range(len(values))), "y", [str(v) for v in values])


@pytest.mark.parametrize(
    "values",
    [[i % 150 for i in range(900)], [1 + i % 5 for i in range(50)], [f"c{i % 150}" for i in range(600)], [-1, 1] * 20, [0.5, 1.0] * 9],
)
def test_class_codes_pass(values):
    assert targets(values) == []


@pytest.mark.parametrize("values", [[i * 0.37 for i in range(50)], [1000 + 13 * (i % 40) for i in range(400)], [i * i for i in range(30)]])
def test_quantities_are_refused(values):
    with pytest.raises(DataError, match="predict them as numbers with --kind regression"):
        targets(values)


def test_odd_labels_are_noted():
    single, case = targets(["yes"] * 10 + ["Yes"] * 9 + ["no"])
    assert "1 label has a single row ('no')" in single
    assert "'Yes' and 'yes' differ only in case" in case


def test_a_frame_with_only_the_target_given():
    task = read_task(pd.DataFrame({"review": TEXT, "stars": [1 + i % 5 for i in range(N)]}), target="stars", name="stars")
    assert task.spec.inputs == ("review",)
    assert task.spec.labels == ("1", "2", "3", "4", "5")
    assert task.spec.name == "stars"
