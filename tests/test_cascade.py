"""Cascades of solvers: who answers which row, what it costs, saving and loading, thresholds fitted on held-out labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldguide import registry
from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.approaches.cascade import CERTAIN, Cascade, CascadeSolver, compose
from fieldguide.approaches.routing import fit_router
from fieldguide.errors import ApproachError
from fieldguide.models.meter import metering, record
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row, Unparsed, Usage
from fieldguide.registry import TABLE
from fieldguide.tasks.task import Role, Task, TaskSpec
from fieldguide.testing import check_approach, larger_toy_task, toy_pair_task, toy_spec

PROBE = json.dumps({"name": "linear-probe", "params": {"model": "fake:"}})
SHOTS = json.dumps({"name": "prompt-few-shot", "params": {"model": "fake:", "shots": 3}})


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLE["approach"], "cascade", "fieldguide.approaches.cascade:Cascade")
    monkeypatch.setitem(TABLE["approach"], "scripted", f"{__name__}:Scripted")


class Scripted(Approach):
    """Says "animals" of every row, in free text, whatever its labels."""

    name, title, family = "scripted", "Scripted", "prompting"

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> Solver:
        return Script({"*": Prediction("animals", None, "animals")})

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return Script


class Script(Solver):
    """Says of every row what it was told to: a prediction by the row's text, "*" for any other."""

    def __init__(self, said: Mapping[str, Prediction]) -> None:
        self.said, self.asked = dict(said), list[str]()

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        record(Usage(calls=len(inputs), cost_usd=0.5 * len(inputs)))
        self.asked += [row["text"] for row in inputs]
        return [self.said.get(row["text"], self.said.get("*", Prediction("food"))) for row in inputs]

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {text: p.to_json() for text, p in self.said.items()}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Script:
        return cls({text: Prediction.from_json(p) for text, p in state.items()})


def script(**said: Prediction) -> Script:
    solver = Script({"*" if text == "other" else text: p for text, p in said.items()})
    solver._bind(Scripted(), toy_spec(), ModelPool())
    return solver


def sure(label: str, probability: float, text: str | None = None) -> Prediction:
    rest = {other: (1 - probability) / 2 for other in toy_spec().labels if other != label}
    return Prediction(label, {label: probability, **rest}, text)


def trained(*names: str, rows: int = 48) -> list[Solver]:
    task = larger_toy_task(rows)
    return [Approach.from_json(json.loads(name)).fit(task.spec, task[Role.TRAIN]) for name in names]


def test_unsure_rows_go_on_and_each_answer_says_which_stage_gave_it() -> None:
    first = script(a=sure("food", 0.9, "wrote a"), b=sure("food", 0.4), c=Prediction(Unparsed("?", "unread")), d=Prediction("food", None, "free"))
    second = script(a=sure("animals", 1.0), b=sure("weather", 0.9), c=sure("weather", 0.5), d=sure("weather", 0.95))
    third = script(other=Prediction("animals", None, "at last"))
    solver = compose([first, second, third], [0.8, 0.9])
    found = solver.answer(["a", "b", "c", "d"])
    assert [(p.value, stage) for p, stage in found] == [("food", 0), ("weather", 1), ("animals", 2), ("weather", 1)]
    assert (first.asked, second.asked, third.asked) == (["a", "b", "c", "d"], ["b", "c", "d"], ["c"])
    assert found[0][0].text == "wrote a"
    assert found[0][0].probabilities == first.said["a"].probabilities
    assert [p.value for p in solver.predict(["a", "b", "c", "d"])] == ["food", "weather", "animals", "weather"]


def test_a_row_costs_what_its_stages_cost() -> None:
    solver = compose([script(a=sure("food", 0.9), b=sure("food", 0.3)), script(other=sure("weather", 0.9))], [0.5])
    (a, _), (b, _) = solver.answer(["a", "b"])
    assert (a.usage.calls, a.usage.cost_usd, b.usage.calls, b.usage.cost_usd) == (1, 0.5, 2, 1.0)
    with metering() as meter:
        alone = [solver.predict([text])[0].usage for text in ("a", "b")]
    assert [usage.calls for usage in alone] == [1, 2]
    assert sum(p.usage.cost_usd for p in solver.predict(["a", "b"])) == pytest.approx(1.5) == meter.usage.cost_usd


def test_a_threshold_is_kept_where_it_is_met_exactly() -> None:
    first, last = script(a=sure("food", 0.7)), script(other=sure("weather", 1.0))
    assert compose([first, last], [0.7]).answer(["a"])[0][1] == 0
    assert compose([first, last], [0.700001]).answer(["a"])[0][1] == 1
    assert compose([first, last], [0.0]).answer(["a"])[0][1] == 0


def test_text_without_probabilities_is_always_handed_on_unless_a_router_answers_for_it(tmp_path: Path) -> None:
    task = larger_toy_task(48)
    rows = task[Role.TRAIN]
    router = fit_router(task.spec, rows, [row.target == "animals" for row in rows])
    first, last = script(other=Prediction("animals", None, "animals")), script(other=sure("food", 0.9))
    texts = [row.inputs["text"] for row in rows]
    assert {stage for _, stage in compose([first, last], [0.0]).answer(texts)} == {1}
    first.asked.clear()
    solver = compose([first, last], [0.5], routers=[router])
    stages = [stage for _, stage in solver.answer(texts)]
    assert np.mean([(stage == 0) == (row.target == "animals") for stage, row in zip(stages, rows, strict=True)]) > 0.9
    assert len(first.asked) == stages.count(0), "what the router hands on, the first stage is never asked"
    again = Solver.load(solver.save(tmp_path / "routed"))
    assert isinstance(again, CascadeSolver)
    assert [stage for _, stage in again.answer(texts)] == stages


def test_saves_its_stages_beside_each_other_and_loads_alike(tmp_path: Path) -> None:
    solvers = trained(PROBE, SHOTS)
    solver = compose(solvers, [0.6], "At most 5 % of all answers are wrong and kept by its first stage.")
    folder = solver.save(tmp_path / "cascade")
    assert {path.name for path in folder.iterdir()} == {"solver.json", "stage-1", "stage-2"}
    assert not [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".json", ".safetensors")]
    again = Solver.load(folder)
    assert isinstance(again, CascadeSolver)
    inputs = [row.inputs for row in larger_toy_task()[Role.CERTIFY]]
    alike = [[(p.value, p.probabilities, stage) for p, stage in each.answer(inputs)] for each in (again, solver)]
    assert alike[0] == alike[1]
    assert (again.risk, again.thresholds) == (solver.risk, (0.6,))
    assert (again.fit_s, again.fit_usage, again.trainable_parameters) == (solver.fit_s, solver.fit_usage, solver.trainable_parameters)
    assert solver.fit_s == sum(s.fit_s for s in solvers)
    assert again.approach.models() == ("fake:",)
    assert {stage for *_, stage in alike[0]} == {0, 1}


def test_a_cascade_can_hold_a_cascade(tmp_path: Path) -> None:
    inner = compose([script(a=sure("food", 0.9)), script(other=sure("weather", 0.6))], [0.5])
    outer = Solver.load(compose([inner, script(other=sure("animals", 1.0))], [0.7]).save(tmp_path / "outer"))
    assert isinstance(outer, CascadeSolver)
    assert [(p.value, stage) for p, stage in outer.answer(["a", "b"])] == [("food", 0), ("animals", 1)]


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"stages": ("majority",)}, "two stages"),
        ({"thresholds": (0.1, 0.2)}, "one threshold after each stage but the last"),
        ({"thresholds": (1.5,)}, "1.5"),
        ({"thresholds": (float("nan"),)}, "nan"),
    ],
)
def test_what_cannot_be_a_cascade_is_refused(params: dict[str, Any], names: str) -> None:
    task = larger_toy_task()
    settings: dict[str, Any] = {"stages": ("majority", "tfidf-logreg"), **params}
    with pytest.raises(ApproachError, match=names):
        Cascade(**settings).fit(task.spec, task[Role.TRAIN])


def test_solvers_of_different_tasks_cannot_be_composed() -> None:
    other = script(other=sure("food", 0.9))
    other._bind(Scripted(), replace(toy_spec(), name="another"), ModelPool())
    with pytest.raises(ApproachError, match="same task"):
        compose([script(other=sure("food", 0.9)), other], [0.5])


def test_thresholds_are_fitted_on_labels_that_no_stage_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    task = larger_toy_task(120)
    seen: list[list[str]] = []
    inner = Approach.fit

    def spy(approach: Approach, spec: TaskSpec, train: Any, *, context: FitContext | None = None) -> Solver:
        seen.append([row.id for row in train])
        return inner(approach, spec, train, context=context)

    monkeypatch.setattr(Approach, "fit", spy)
    solver = Cascade(stages=("tfidf-logreg", PROBE)).fit(task.spec, task[Role.TRAIN])
    assert isinstance(solver, CascadeSolver)
    whole, first, second = seen
    assert first == second
    assert (len(whole), len(first)) == (120, 90)
    assert 0 <= solver.thresholds[0] <= 1
    assert solver.approach.thresholds == ()  # type: ignore[attr-defined]


def test_with_few_labels_a_stage_keeps_what_it_is_certain_of() -> None:
    task = larger_toy_task(40)
    solver = Cascade(stages=("tfidf-logreg", PROBE)).fit(task.spec, task[Role.TRAIN])
    assert isinstance(solver, CascadeSolver)
    assert solver.thresholds == (CERTAIN,)


def test_a_stage_is_fitted_on_the_labels_that_its_text_names(monkeypatch: pytest.MonkeyPatch) -> None:
    task = larger_toy_task(48)
    sizes: dict[str, int] = {}
    inner = Approach.fit

    def spy(approach: Approach, spec: TaskSpec, train: Any, *, context: FitContext | None = None) -> Solver:
        sizes[approach.name] = len(train)
        return inner(approach, spec, train, context=context)

    monkeypatch.setattr(Approach, "fit", spy)
    few = json.dumps({**json.loads(PROBE), "n_labels": 16})
    Cascade(stages=("tfidf-logreg", few), thresholds=(0.8,)).fit(task.spec, task[Role.TRAIN])
    assert sizes == {"cascade": 48, "tfidf-logreg": 48, "linear-probe": 16}


def test_a_fitted_router_keeps_rows_where_a_stage_without_probabilities_is_right() -> None:
    task = larger_toy_task(240)
    without = Cascade(stages=("scripted", "tfidf-logreg")).fit(task.spec, task[Role.TRAIN])
    routed = Cascade(stages=("scripted", "tfidf-logreg"), router="tfidf-logreg").fit(task.spec, task[Role.TRAIN])
    assert isinstance(without, CascadeSolver)
    assert isinstance(routed, CascadeSolver)
    rows = task[Role.CERTIFY]
    found = routed.answer([row.inputs for row in rows])
    assert {stage for _, stage in without.answer([row.inputs for row in rows])} == {1}
    assert {stage for _, stage in found} == {0, 1}
    assert np.mean([row.target == "animals" for row, (_, stage) in zip(rows, found, strict=True) if stage == 0]) > 0.9


def test_counts_and_models_are_those_of_its_stages() -> None:
    cascade = Cascade(stages=("majority", PROBE, SHOTS))
    assert cascade.label_counts((16, 64, 256)) == (16, 64, 256)
    assert cascade.models() == ("fake:",)
    zero = json.dumps({"name": "prompt-zero-shot", "params": {"model": "fake:"}})
    assert Cascade(stages=(zero, zero), thresholds=(0.5,)).label_counts((16, 64)) == (0,)
    assert Cascade(stages=(zero, zero)).label_counts((16, 64)) == (16, 64)
    assert Cascade.composed


@pytest.mark.parametrize(
    ("cascade", "task"),
    [(Cascade(stages=("tfidf-logreg", PROBE)), larger_toy_task(96)), (Cascade(stages=(PROBE, SHOTS), thresholds=(0.7,)), toy_pair_task())],
)
def test_contract(cascade: Cascade, task: Task) -> None:
    if "cascade" not in Path(registry.__file__).read_text(encoding="utf-8"):
        pytest.skip("another process could not look the approach up")
    check_approach(cascade, task=task)
