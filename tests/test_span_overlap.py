"""Word overlap + logistic regression over candidate spans: what it learns, what it leaves unanswered, and real rows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldguide.approaches.approach import Approach, Solver, make
from fieldguide.approaches.baselines.span_overlap import LONGEST, Reader, ReadRow, _nearness
from fieldguide.errors import ApproachError
from fieldguide.records import Inputs, Row
from fieldguide.tasks.build import read_task
from fieldguide.tasks.kinds.forms import NO_SPAN
from fieldguide.tasks.metrics import metric
from fieldguide.tasks.task import Role, TaskSpec, nested_subset
from fieldguide.testing import toy_spec
from fieldguide.testing.toy_forms import toy_form_task

SPEC = TaskSpec("t", "span-extraction", ("question", "context"), "answers", metric="squad_f1")
F1 = metric("squad_f1")


def row(question: str, context: str, *answers: str, name: str = "r") -> Row:
    return Row(name, {"question": question, "context": context}, [{"text": text, "start": context.index(text)} for text in answers])


def scored(solver: Solver, rows: tuple[Row, ...] | list[Row]) -> float:
    return F1.of([r.target for r in rows], [p.value for p in solver.predict([r.inputs for r in rows])])


def test_it_learns_who_and_where_and_when_to_stay_silent() -> None:
    task = toy_form_task("span-extraction", train=96, test=60)
    solver = make("span-overlap").fit(task.spec, task[Role.TRAIN])
    assert scored(solver, task[Role.CERTIFY]) > 0.9
    silent = [p.value == NO_SPAN for p in solver.predict([r.inputs for r in task[Role.CERTIFY]])]
    assert 0 < sum(silent) < len(silent) / 2


def test_it_serves_spans_only() -> None:
    assert "gives span answers" in (make("span-overlap").unsuited(toy_spec()) or "")
    with pytest.raises(ApproachError, match="given none"):
        make("span-overlap").fit(SPEC, [])


def test_training_rows_without_any_answer_or_without_any_silence() -> None:
    full = [row("Who came?", f"Yesterday {name} came to see us", name) for name in ("Ann", "Bob", "Eve", "Dan")]
    none = [Row(r.id, r.inputs, []) for r in full]
    asked: list[Inputs] = [{"question": "Who came?", "context": text} for text in ("Then Joe came along", "nothing here", "", " … ")]
    assert [p.value for p in make("span-overlap").fit(SPEC, none).predict(asked)] == [NO_SPAN] * 4
    found = [p.value for p in make("span-overlap").fit(SPEC, full).predict(asked)]
    assert found[0] == {"text": "Joe", "start": 5}
    assert (found[1]["text"] != "", found[2], found[3]) == (True, NO_SPAN, NO_SPAN)  # never silent in training, so only where there is no word
    assert make("span-overlap").fit(SPEC, [row("Who?", "Ann", "Ann")]).predict([{"question": "Who?", "context": "Bob"}])[0].value["text"] == "Bob"


def test_overlapping_and_several_gold_answers() -> None:
    rows = [row("time", f"a table at {hour} tonight", f"{hour} tonight") for hour in range(1, 9)]
    rows += [row("date", f"a table at {hour} tonight", "tonight") for hour in range(1, 9)]
    rows += [row("people", f"a table for {count} people", f"{count} people", str(count)) for count in range(1, 9)]
    solver = make("span-overlap").fit(SPEC, rows)
    found = solver.predict([{"question": q, "context": "a table at 11 tonight"} for q in ("time", "date")])
    assert [p.value["text"] for p in found] == ["11 tonight", "tonight"]
    assert scored(solver, rows) > 0.9


def test_candidates_and_places_of_a_row() -> None:
    reader = Reader({}, (), longest=2)
    held = ReadRow(reader, "who came", "Ann came. Bob slept")
    pairs = list(zip(held.first.tolist(), held.last.tolist(), strict=True))
    assert pairs == [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3), (3, 3)]
    assert held.sentence.tolist() == [0, 0, 1, 1]
    assert held.overlap.tolist() == [0.5, 0.0]  # "came", of two words
    assert held.place({"text": "Bob sl", "start": 10}) == (2, 3)  # the words that it touches
    plain, hashed = held.features(np.arange(len(pairs)))
    assert len(plain) == len(hashed) == 7
    assert np.isfinite(plain).all()
    assert 0 <= hashed.min() <= hashed.max() < 1 << 16
    assert _nearness(np.array([False, True, False, False, True])).tolist() == [0.0, 1.0, 0.5, 1 / 3, 1.0]


def test_long_answers_are_cut_at_twenty_words() -> None:
    rows = [row("What?", " ".join(f"word{i}" for i in range(60)), " ".join(f"word{i}" for i in range(50)))] * 3
    solver = make("span-overlap").fit(SPEC, rows)
    (found,) = solver.predict([rows[0].inputs])
    assert len(found.value["text"].split()) <= LONGEST


def test_it_survives_the_disk(tmp_path: Path) -> None:
    task = toy_form_task("span-extraction")
    solver = make("span-overlap").fit(task.spec, task[Role.TRAIN])
    inputs = [r.inputs for r in task[Role.CERTIFY]]
    assert Solver.load(solver.save(tmp_path / "solver")).predict(inputs) == solver.predict(inputs)
    assert solver.trainable_parameters == (1 << 16) + 22


@pytest.mark.parametrize(("name", "labels", "at_least"), [("squad_xquad_en", 400, 0.15), ("restaurant8k", 400, 0.6)])
def test_real_rows_are_answered_better_than_without_looking(name: str, labels: int, at_least: float, real_task: Any, tmp_path: Path) -> None:
    for split, size in (("train", 600), ("test", 250)):
        lines = (real_task(name) / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()[:size]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    task = read_task(tmp_path)
    train, test = nested_subset(task[Role.TRAIN], labels, 0), task[Role.CERTIFY][:150]

    def fitted(approach: Approach) -> float:
        return scored(approach.fit(task.spec, train), test)

    start = time.process_time()
    found = fitted(make("span-overlap"))
    assert time.process_time() - start < 30
    assert found > max(at_least, fitted(make("majority")) + 0.08)
