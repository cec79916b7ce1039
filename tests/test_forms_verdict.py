"""A verdict and its report on every kind of task: what each form of answer lets be said, and that nothing breaks on lists and mappings."""

from __future__ import annotations

import dataclasses
import io as text_io
import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from test_report import read as outline

from fieldguide import api
from fieldguide.records import Unparsed, Usage, fingerprint
from fieldguide.registry import names, resolve
from fieldguide.report.html import page
from fieldguide.report.terminal import LINES, render
from fieldguide.report.words import lower_is_better, metric_heading, metric_title
from fieldguide.sandbox import allow_code
from fieldguide.stats import intervals
from fieldguide.study.trial import TrialRecord
from fieldguide.tasks.kinds.forms import NO_SPAN
from fieldguide.tasks.metrics import metric
from fieldguide.tasks.task import Role, Task
from fieldguide.testing.kind_values import gold_value
from fieldguide.testing.toy_forms import TOYS, toy_form_task
from fieldguide.verdict import io
from fieldguide.verdict.cells import gather
from fieldguide.verdict.doubts import _texts
from fieldguide.verdict.evidence import Evidence
from fieldguide.verdict.forms import SURE, UNREAD, form_of, row_scores, said
from fieldguide.verdict.key import walk
from fieldguide.verdict.key_facts import facts_of
from fieldguide.verdict.measure import Ruler
from fieldguide.verdict.recommend import reach
from fieldguide.verdict.verdict import Constraints, Verdict
from fieldguide.verdict.words import an

KINDS = [name for name in TOYS if name in names("kind")]


@pytest.fixture(autouse=True)
def _programs_may_run() -> Iterator[None]:
    """Toy tasks of code are scored by running their own programs."""
    with allow_code():
        yield


SCRIPT = "<script>alert(1)</script>"
HARMFUL = f'{SCRIPT}"><img src=x onerror=alert(2)> \u202e \x1b[31m {{{{7*7}}}}'


def spoilt(task: Task, target: Any, other: Any, rng: np.random.Generator) -> Any:
    """An answer that is wrong, or not wholly right."""
    form, gold = task.spec.reader.answer, gold_value(task.spec.reader, target)
    if form == "choice":
        return "B" if gold == "A" else "A"
    if form == "number":
        return float(gold + rng.normal(0, 2))
    if form == "tags":
        return [task.spec.labels[0]] * len(gold)
    if form == "parse":
        return [[0, relation] for _, relation in gold]
    if form == "span":
        return dict(NO_SPAN)
    if form == "ranking":
        return [-grade for grade in gold]
    return other if other != gold else "something else" if form == "text" else task.spec.labels[0] if form == "label" else []


def evidence(kind: str, metric_name: str = "", certify: int = 80, spread: int = 1) -> Evidence:
    """A study that never ran: the trivial baseline, a good approach on three label counts, a poor one, and a prompt that cannot always be read."""
    task, rng = toy_form_task(kind, train=40, test=certify), np.random.default_rng(7)
    form, reader = task.spec.reader.answer, task.spec.reader
    rows = {row.id: row for role in (Role.CERTIFY, Role.SELECT, Role.CALIBRATE) for row in task[role]}
    targets = [row.target for row in rows.values()]
    records, answers, sure = [], {}, {}

    def add(name: str, family: str, n: int, seed: int, values: dict[str, Any], latency_s: float) -> None:
        key = fingerprint(name, n, seed)
        answers[key] = values
        sure[key] = dict.fromkeys(values, 0.8) if form in SURE and family != "baseline" else {}
        records.append(TrialRecord(
            key, {"name": name, "params": {}}, name.replace("-", " ").capitalize(), family, n, seed, "done", fit_s=0.1, predict_s=0.2,
            predict_usage=Usage(calls=len(values)), latencies_s=(latency_s,) * 20,
        ))  # fmt: skip

    def mixed(quality: float, unread: float = 0.0) -> dict[str, Any]:
        found = {}
        for i, (key, row) in enumerate(rows.items()):
            gold, wrong = gold_value(reader, row.target), spoilt(task, row.target, gold_value(reader, targets[i - 1]), rng)
            found[key] = Unparsed("???", "holds no answer") if rng.random() < unread else gold if rng.random() < quality else wrong
        return found

    usual = reader.usual(task.spec, [row.target for row in task[Role.TRAIN]])
    add("majority", "baseline", 40, 0, {key: reader.usually(task.spec, usual, row.inputs).value for key, row in rows.items()}, 1e-5)
    for n, quality in ((4, 0.5), (16, 0.7), (40, 0.9)):
        for seed in range(3):
            add("good-one", "embedding", n, seed, mixed(quality), 0.001)
    add("poor-one", "tuning", 40, 0, mixed(0.4), 0.01)
    add("prompt", "prompting", 0, 0, mixed(0.6, unread=0.2), 0.1)
    given = {**task.spec.to_json(), "metric": metric_name or task.spec.metric, "fingerprint": "f" * 16, "source": "toy"}
    held = {role: {row.id: row.target for row in task[role]} for role in Role}
    return Evidence(
        given, given["metric"], {role.value: len(task[role]) for role in Role}, held[Role.CERTIFY], held[Role.SELECT], tuple(records), answers,
        (4, 16, 40), calibrate_targets=held[Role.CALIBRATE], confidences=sure, inputs={row.id: row.inputs for row in task[Role.CERTIFY]},
    )  # fmt: skip


def verdict_of(found: Evidence) -> Verdict:
    return reach(found, tolerance=0.02, constraints=Constraints(), machine_price_usd_per_hour=0.1)


def shown(verdict: Verdict, width: int = 80) -> str:
    console = Console(file=text_io.StringIO(), width=width, force_terminal=False)
    render(verdict, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_a_verdict_of_every_kind_reads_right(kind: str, tmp_path: Path) -> None:
    found = evidence(kind)
    verdict, form, reader = verdict_of(found), form_of(found.task), resolve("kind", kind)
    assert io.read(io.write(verdict, tmp_path / "verdict.json")) == verdict
    best = next(s for s in verdict.standings if s.key == verdict.recommended)
    assert best.name == "good-one"
    title = metric(reader.metrics[0]).title
    assert ("of the questions right" if reader.metrics[0] == "accuracy" else an(title)) in verdict.sentence
    for standing in verdict.standings:
        assert set(standing.metrics) == set(reader.metrics), "every metric of the kind is told"
        assert all(e.low <= e.value <= e.high for e in standing.metrics.values())
        assert (standing.reliability is not None) == (form in SURE and not standing.baseline)
    assert bool(verdict.confusions) == (form == "label")
    if form in SURE:
        assert all(cascade.stages for cascade in verdict.cascades)
    else:
        assert [cascade.stages for cascade in verdict.cascades] == [()]
        assert "No cascade" in verdict.cascades[0].reason
    assert verdict.differences
    for each in verdict.differences:
        assert all(isinstance(text, str) and len(text) <= 280 for text in (each.target, *each.answers.values(), *each.inputs.values()))
        assert len(set(each.answers.values())) > 1
        assert each.scores is None if form in SURE else each.scores == {} if form == "number" else set(each.scores or ()) == set(each.answers)
    told = page(verdict)
    assert not outline(told).problems
    assert all(metric_title(name) in unescape(told) for name in reader.metrics)
    screen = shown(verdict)
    assert len(screen.splitlines()) <= LINES
    assert metric_title(reader.metrics[0]) in screen
    others = [name for name in reader.metrics if name != reader.metrics[0]]
    assert not others or ("Beside it" in screen and metric_title(others[0]) in screen)
    assert "lower is better" in shown(verdict, 160) or not any(map(lower_is_better, others))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_differ_come_first_where_another_does_better(kind: str) -> None:
    found = evidence(kind)
    verdict, form = verdict_of(found), form_of(found.task)
    scores = row_scores(kind, found.metric)
    assert scores is not None
    trials = {}
    for s in verdict.standings:
        own = [r for r in found.records if fingerprint(r.approach) == s.key and r.n_labels == s.n_labels]
        trials[s.key] = min(own, key=lambda r: r.seed)
    gaps = []
    for each in verdict.differences:
        given = {key: scores([found.targets[each.row]], [found.answers[trials[key].key][each.row]])[0] for key in each.answers}
        gaps.append(max(given.values()) - given[verdict.recommended or ""])
        if each.scores:
            assert each.scores == pytest.approx(given)
        assert each.target == said(found.targets[each.row], form, target=True)[:280] or each.target.endswith("…")
    assert gaps == sorted(gaps, reverse=True)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if resolve("kind", kind).answer not in SURE])
def test_harmful_texts_in_lists_and_mappings_are_escaped(kind: str, tmp_path: Path) -> None:
    found = evidence(kind, certify=40)
    form = form_of(found.task)

    def harmed(value: Any) -> Any:
        if isinstance(value, Unparsed):
            return value
        if isinstance(value, str):
            return HARMFUL
        if isinstance(value, dict):
            return {k: harmed(v) for k, v in value.items()}
        return [harmed(v) for v in value] if isinstance(value, list) else value

    first = next(iter(found.targets))
    inputs = {row: {column: harmed(cell) if row == first else cell for column, cell in given.items()} for row, given in found.inputs.items()}
    checked = form in ("number", "ranking") or kind in ("instruction-following", "chat", "text-environment")  # targets that are no texts of their own
    targets = found.targets if checked else {**found.targets, first: harmed(found.targets[first])}
    verdict = verdict_of(dataclasses.replace(found, inputs=inputs, targets=targets))
    each = next((d for d in verdict.differences if d.row == first), None)
    told = page(verdict)
    assert SCRIPT not in told
    assert "\x1b" not in told + shown(verdict)
    assert not outline(told).problems
    if each is not None:
        assert "&lt;script&gt;" in told


def test_an_error_gets_an_interval_beyond_one_and_never_decides() -> None:
    found = evidence("regression", certify=120)
    verdict = verdict_of(found)
    error = next(s for s in verdict.standings if s.name == "poor-one").metrics["mae"]
    assert error.low < error.value < error.high
    assert "bootstrap" in error.method
    cell = next(e for e in gather(found) if e.first.approach["name"] == "poor-one").cell
    ruler = Ruler(tuple(100 * target for target in found.targets.values()))
    far = ruler.estimate("mae", cell)
    assert 1 < far.low < far.value < far.high
    errors = ruler.columns("mae", cell)[:, 0]
    half = intervals.quantile(0.975) * errors.std() / np.sqrt(len(errors))
    assert far.high - far.low == pytest.approx(2 * half, rel=0.1)


def test_a_correlation_below_zero_is_measured_with_its_interval() -> None:
    found = evidence("regression")
    turned = {key: {row: -v if isinstance(v, float) else v for row, v in given.items()} for key, given in found.answers.items()}
    verdict = verdict_of(dataclasses.replace(found, answers=turned))
    worst = min((s.quality for s in verdict.standings if s.quality), key=lambda e: e.value)
    assert -1 <= worst.low < worst.value < -0.5
    assert not outline(page(verdict)).problems


@pytest.mark.parametrize(
    ("form", "value", "target", "text"),
    [
        ("label", "refund", False, "refund"),
        ("choice", "B", False, "B"),
        ("labels", ["a", "b"], False, "a, b"),
        ("labels", [], False, "(none)"),
        ("number", 3.14159, False, "3.142"),
        ("tags", ["O", "B-x"], False, "O B-x"),
        ("parse", [[2, "nsubj"], [0, "root"]], False, "2:nsubj 0:root"),
        ("span", {"text": "Oslo", "start": 3}, False, "Oslo"),
        ("span", dict(NO_SPAN), False, "(no answer)"),
        ("span", [{"text": "the garden", "start": 1}, {"text": "garden", "start": 5}], True, "the garden / garden"),
        ("span", [], True, "(no answer)"),
        ("ranking", [0.1, 0.9, 0.5], False, "2, 3, 1"),
        ("ranking", [0, 2, 1], True, "2, 3"),
        ("ranking", [0, 0], True, "(none)"),
        ("ranking", list(range(12, 0, -1)), False, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …"),
        ("tags", Unparsed("x", "y"), False, UNREAD),
        ("tags", {"odd": 1}, False, "odd"),
        ("number", [1, None], False, "[1, null]"),
        ("a new form", {"x": [1, 2]}, False, '{"x": [1, 2]}'),
    ],
)
def test_answers_are_said_in_short(form: str, value: Any, target: bool, text: str) -> None:
    assert said(value, form, target=target) == text


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("macro-F1", "a macro-F1"), ("accuracy", "an accuracy"), ("nDCG@10", "an nDCG@10"), ("MRR", "an MRR"), ("UAS", "a UAS"), ("LAS", "an LAS"),
        ("F1", "an F1"), ("exact match", "an exact match"), ("Pearson's r", "a Pearson's r"), ("MCC", "an MCC"), ("recall@10", "a recall@10"),
        ("SQuAD F1", "a SQuAD F1"), ("A", "an A"),
    ],
)  # fmt: skip
def test_titles_have_their_article(title: str, text: str) -> None:
    assert an(title) == text


def test_headings_keep_the_spelling_of_metrics() -> None:
    assert [metric_heading(name) for name in ("accuracy", "macro_f1")] == ["Accuracy", "Macro-F1"]
    assert metric_heading("no_such_metric") == "No such metric"
    if "ranking" in KINDS:
        assert metric_heading("ndcg10") == "nDCG@10"


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_is_walked_on_every_kind(kind: str) -> None:
    facts = facts_of(toy_form_task(kind, train=120, test=40))
    path = walk(facts)
    assert len(path.steps) == 10
    assert path.advice in ("LLM", "fine-tuned")
    assert facts.answer == resolve("kind", kind).answer
    assert (facts.found is not None) == (facts.answer in ("number", "span", "text")), facts
    assert (facts.labels > 0) == (facts.answer in ("label", "labels"))
    if facts.answer in ("number", "ranking"):
        assert path.steps[3].answer == "yes"
    if facts.answer == "span":
        assert facts.found is not None
        assert facts.found > 0.5, "a span stands in its text, but where there is no answer"


def test_a_label_that_training_lacks_is_named_in_lists_too() -> None:
    found = evidence("multi-label", certify=40)
    first = next(iter(found.targets))
    verdict = verdict_of(dataclasses.replace(found, targets={**found.targets, first: [*found.targets[first], "volcanoes"]}))
    assert any("label that no training row has (volcanoes)" in doubt for doubt in verdict.doubts)
    assert _texts([["a", 1], {"b": "c"}, "d"]) == ["a", "d"]


def test_probabilities_that_do_not_sum_to_one_are_no_confidence(tmp_path: Path) -> None:
    """A real study on a kind whose probabilities are each label's own: its evidence holds no confidence, and its verdict is written."""
    task = toy_form_task("multi-label", train=60, test=60)
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps({**row.inputs, "topics": row.target}) + "\n" for _, row in task), encoding="utf-8")
    run = api.decide(data, kind="multi-label", target="topics", approaches=["majority", "tfidf-logreg"], seeds=1, out=tmp_path / "run", budget="1m")
    assert all(standing.reliability is None for standing in run.verdict.standings)
    assert (tmp_path / "run" / "report.html").is_file()
