"""The verdict on small synthetic studies, each a world in which one rule decides."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest

from fieldguide.errors import RunError
from fieldguide.records import Unparsed, Usage, fingerprint, plain
from fieldguide.study.trial import TrialRecord
from fieldguide.tasks.metrics import macro_f1
from fieldguide.verdict import io
from fieldguide.verdict.cells import gather
from fieldguide.verdict.compare import compare
from fieldguide.verdict.evidence import Evidence
from fieldguide.verdict.findings import Findings, find
from fieldguide.verdict.measure import Ruler
from fieldguide.verdict.recommend import reach
from fieldguide.verdict.verdict import Constraints, CurvePoint, Estimate, Standing, Verdict

DOCS = Path(__file__).resolve().parent.parent / "docs"
LABELS = ("billing", "login", "refund", "returns")


class World:
    """A study that never ran: rows of known difficulty, approaches of known quality."""

    def __init__(self, certify: int = 500, select: int = 100, train: int = 1024, metric: str = "accuracy", seed: int = 0) -> None:
        self.rng, self.metric, self.train = np.random.default_rng(seed), metric, train
        names = [f"t:{i}" for i in range(certify + select)]
        targets = dict(zip(names, self.rng.choice(LABELS, len(names), p=(0.5, 0.2, 0.2, 0.1)).tolist(), strict=True))
        self.targets = dict(list(targets.items())[:certify])
        self.select = dict(list(targets.items())[certify:])
        self.difficulty = dict(zip(names, self.rng.random(len(names)).tolist(), strict=True))
        self.records: list[TrialRecord] = []
        self.answers: dict[str, dict[str, object]] = {}

    def add(
        self, name: str, quality: float | dict[int, float] = 0.9, *, family: str = "embedding", seeds: int = 1, latency_s: float = 0.003,
        rows: int | None = None, noise: float = 0.02, status: str = "done", error: str = "", unparsed: float = 0.0, usd: float = 0.0,
        local: bool = True, models: tuple[str, ...] = (), first_seed: int = 0,
    ) -> World:  # fmt: skip
        """Trials of one approach. A row is right where its difficulty, plus noise of the trial's own, stays below the quality."""
        curve = quality if isinstance(quality, dict) else {self.train: quality}
        approach = {"name": name, "params": {}}
        for n, level in curve.items():
            for seed in range(first_seed, first_seed + seeds):
                key = fingerprint(name, n, seed)
                asked = {**dict(list(self.targets.items())[:rows]), **(self.select if rows is None else {})}
                answers = {row: self._answer(row, target, level, noise, unparsed) for row, target in asked.items()} if status == "done" else {}
                usage = Usage(calls=len(answers), cost_usd=usd * len(answers))
                times = tuple(latency_s * (1 + i / 20) for i in range(20)) if status == "done" else ()
                self.records.append(TrialRecord(
                    key, approach, name.replace("-", " ").capitalize(), family, n, seed, status, error, models, local,
                    fit_s=0.5, predict_s=1.0, predict_usage=usage, latencies_s=times,
                ))  # fmt: skip
                if answers:
                    self.answers[key] = answers
        return self

    def majority(self) -> World:
        key = fingerprint("majority")
        approach = {"name": "majority", "params": {}}
        self.records.append(TrialRecord(key, approach, "Majority answer", "baseline", 0, 0, "done", fit_s=0.0, predict_s=0.01, latencies_s=(1e-5,) * 20))
        self.answers[key] = dict.fromkeys([*self.targets, *self.select], "billing")
        return self

    def _answer(self, row: str, target: str, level: float, noise: float, unparsed: float) -> object:
        if self.rng.random() < unparsed:
            return Unparsed("???", "names no label")
        if self.difficulty[row] + self.rng.normal(0, noise) < level:
            return target
        return LABELS[(LABELS.index(target) + 1) % len(LABELS)]

    def evidence(self) -> Evidence:
        task = {
            "name": "support", "kind": "classification", "inputs": ["text"], "target": "intent", "labels": list(LABELS), "descriptions": {},
            "metric": self.metric, "fingerprint": "f" * 16, "source": "support.csv",
        }  # fmt: skip
        rows = {"train": self.train, "select": len(self.select), "calibrate": 0, "certify": len(self.targets)}
        return Evidence(task, self.metric, rows, self.targets, self.select, tuple(self.records), self.answers, (16, 64, self.train), "10m", ("A note.",), {"seeds": [0]})

    def verdict(self, tolerance: float = 0.02, price: float = 0.1, **limits: object) -> Verdict:
        return reach(self.evidence(), tolerance=tolerance, constraints=Constraints(**limits), machine_price_usd_per_hour=price)  # type: ignore[arg-type]


def found(world: World) -> Findings:
    """The numbers alone, quicker than a whole verdict."""
    return find(world.evidence(), 0.02, Constraints(), 0.1)


def named(verdict: Verdict, name: str) -> Standing:
    return next(s for s in verdict.standings if s.name == name)


def recommended(verdict: Verdict) -> Standing:
    return next(s for s in verdict.standings if s.key == verdict.recommended)


def doubt(verdict: Verdict, words: str) -> bool:
    return any(words in text for text in verdict.doubts)


def test_clear_winner():
    verdict = World().majority().add("fine-tune", 0.92, family="tuning", models=("minilm-l6",)).add("linear-probe", 0.75).add("tfidf-logreg", 0.7, family="baseline").verdict()
    assert recommended(verdict).name == "fine-tune"
    assert verdict.sure
    assert verdict.best == verdict.recommended
    assert verdict.rows_to_settle is None
    assert [s.name for s in verdict.standings] == ["fine-tune", "linear-probe", "tfidf-logreg", "majority"]
    assert [s.status for s in verdict.standings] == ["recommended", "worse", "worse", "worse"]
    assert verdict.sentence.startswith("Tune a language model: fine tune on minilm-l6 with all 1,024 labels answers 0.9")
    assert recommended(verdict).loss == Estimate(0.0, 0.0, 0.0, recommended(verdict).loss.method, 500, 0.95)
    assert named(verdict, "majority").baseline
    assert not named(verdict, "tfidf-logreg").baseline
    assert not doubt(verdict, "trivial baseline")


def test_cheap_within_tolerance():
    world = World(certify=2000).add("fine-tune", 0.910, family="tuning", latency_s=0.12).add("linear-probe", 0.905, models=("minilm-l6",)).add("knn", 0.902, latency_s=0.03)
    verdict = world.add("weak", 0.7, latency_s=0.0001).verdict()
    assert recommended(verdict).name == "linear-probe"
    assert verdict.sure
    assert recommended(verdict).loss.high <= 0.02
    assert next(s for s in verdict.standings if s.key == verdict.best).status == "best estimate"
    assert named(verdict, "knn").status == "within tolerance"
    assert named(verdict, "weak").status == "worse"
    assert verdict.sentence.startswith("Train a small model: linear probe on minilm-l6 with all 1,024 labels answers 0.9")
    assert "within 2 points of the best measured, fine tune, at a fortieth of its cost." in verdict.sentence


def test_tie_with_few_rows_is_not_sure():
    verdict = World(certify=60).add("linear-probe", 0.8, noise=0.2).add("fine-tune", 0.8, family="tuning", noise=0.2).verdict()
    assert not verdict.sure
    assert verdict.recommended == verdict.best
    assert recommended(verdict).status == "best estimate"
    assert verdict.rows_to_settle is None or verdict.rows_to_settle > 60
    assert "not enough rows to be sure" in verdict.sentence
    assert "not enough rows to be sure" in recommended(verdict).reason
    assert {s.status for s in verdict.standings} == {"best estimate", "cannot tell"}
    assert doubt(verdict, "Only 60 certify rows")


def test_rows_to_settle_are_more_and_about_enough():
    verdict = World(certify=100, seed=3).add("a", 0.80, noise=0.1).add("b", 0.80, noise=0.1).verdict()
    assert not verdict.sure
    assert 100 < verdict.rows_to_settle < 2000
    sure = [found(World(certify=verdict.rows_to_settle, seed=s).add("a", 0.82, noise=0.1).add("b", 0.80, noise=0.1)).sure for s in range(20)]
    assert sum(sure) >= 12


def test_no_tolerance_and_a_tie_cannot_be_settled_by_rows():
    world = World(certify=50).add("a", 0.8, noise=0).add("b", 0.8, noise=0)
    verdict = world.verdict(tolerance=0.0)
    assert not verdict.sure
    assert verdict.rows_to_settle is None
    assert "more rows alone would not settle it" in verdict.sentence


def test_perfect_agreement_on_40_rows_never_claims_two_points():
    verdict = World(certify=40).add("a", 0.9, noise=0).add("b", 0.9, noise=0, latency_s=1.0).verdict()
    assert not verdict.sure
    assert recommended(verdict).name == "a"
    for standing in verdict.standings:
        assert standing.loss.low <= 0
        assert standing.loss.high > 0.02
        assert standing.status in ("best estimate", "cannot tell")


@pytest.mark.parametrize("certify", [20, 40])
def test_forty_rows_never_claim_a_two_point_win_between_equals(certify):
    """Equal approaches on 40 rows: neither is ever called worse by more than two points beyond the 5 % that the level allows."""
    worse = 0
    for seed in range(60):
        verdict = World(certify=certify, select=0, seed=seed).add("a", 0.8, noise=0.15).add("b", 0.8, noise=0.15).add("c", 0.8, noise=0.15).verdict()
        worse += any(s.status == "worse" for s in verdict.standings)
    assert worse <= 6


def test_constraint_strikes_out_the_best():
    world = World().add("fine-tune", 0.95, family="tuning", latency_s=0.2).add("linear-probe", 0.8)
    verdict = world.verdict(max_latency_p95_s=0.05)
    assert recommended(verdict).name == "linear-probe"
    assert named(verdict, "fine-tune").status == "struck out"
    assert named(verdict, "fine-tune").reason == "Its p95 latency of 0.38 s is over the limit of 50 ms."
    assert named(verdict, "fine-tune").loss.value < 0
    nothing = world.verdict(max_latency_p95_s=1e-6)
    assert (nothing.recommended, nothing.best, nothing.sure, nothing.handed_over) == (None, None, False, {})
    assert nothing.sentence.startswith("Nothing can be recommended: no approach satisfies the constraints; the best that was measured is fine tune, but its p95")


def test_cost_and_local_constraints():
    world = World().add("remote-prompt", 0.95, family="prompting", usd=0.002, local=False).add("linear-probe", 0.8)
    verdict = world.verdict(max_cost_per_1k_usd=0.5)
    assert named(verdict, "remote-prompt").reason == "Its cost of $2.00 per 1,000 rows is over the limit of $0.50."
    assert named(world.verdict(local_only=True), "remote-prompt").reason == "It sends texts to another machine, and only local models are allowed."
    assert named(world.verdict(), "remote-prompt").status == "recommended"


def test_cost_is_api_dollars_and_machine_seconds():
    verdict = World().add("a", usd=0.002, latency_s=0.1).verdict(price=3.6)
    mean_s = 0.1 * (1 + 9.5 / 20)
    assert named(verdict, "a").cost_per_1k_usd == pytest.approx(2.0 + 3.6 * mean_s * 1000 / 3600)
    assert named(verdict, "a").latency_p50_s == pytest.approx(mean_s)


def test_majority_only():
    verdict = World().majority().verdict()
    assert verdict.recommended is None
    assert "only the trivial baseline" in verdict.sentence
    assert named(verdict, "majority").baseline
    assert named(verdict, "majority").quality.value == pytest.approx(0.5, abs=0.08)


def test_nothing_better_than_majority_is_said():
    verdict = World().majority().add("prompt", 0.5, family="prompting", noise=0.5).verdict()
    assert recommended(verdict).name == "prompt"
    assert verdict.doubts[0].startswith("No approach is shown to be better than the trivial baseline")


def test_all_failed():
    verdict = World().add("a", status="failed", error="OSError: no weights.").add("b", status="skipped", error="The budget ended before this trial.").verdict()
    assert (verdict.recommended, verdict.best, verdict.sure) == (None, None, False)
    assert named(verdict, "a").status == "failed"
    assert "OSError: no weights" in named(verdict, "a").reason
    assert named(verdict, "b").status == "not measured"
    assert verdict.sentence == "Nothing can be recommended, since no approach was measured: 1 of 2 failed."
    assert doubt(verdict, "The budget ended before 1 of the 2 planned trials, so nothing is known of b.")


def test_no_records_at_all():
    verdict = World().verdict()
    assert verdict.standings == ()
    assert verdict.sentence == "Nothing can be recommended, since no approach was measured."


def test_unsuited_stands_last_with_its_reason():
    verdict = World().add("span-reader", status="unsuited", error="It gives span answers.").add("a").verdict()
    assert [s.name for s in verdict.standings] == ["a", "span-reader"]
    assert (named(verdict, "span-reader").status, named(verdict, "span-reader").reason) == ("unsuited", "It gives span answers.")
    assert verdict.sure
    assert "the only approach that could be recommended" in verdict.sentence


def test_crash_in_one_seed():
    world = World().add("a", 0.9, seeds=2).add("a", status="failed", error="RuntimeError: out of memory", first_seed=2).add("b", 0.7, seeds=3)
    verdict = world.verdict()
    assert recommended(verdict).name == "a"
    assert named(verdict, "a").curve[-1].seeds == 2
    assert named(verdict, "a").errors == ("RuntimeError: out of memory",)
    assert doubt(verdict, "A failed in 1 of 3 trials")


def test_prompted_rows_are_paired_on_what_both_answered():
    """A prompted approach that saw 75 rows is placed by paired differences, not by whether its rows were easy."""
    world = World(certify=500)
    world.difficulty.update(dict.fromkeys(list(world.targets)[:75], 0.1))  # the shared prefix is easy
    verdict = world.add("prompt", 0.8, family="prompting", rows=75).add("linear-probe", 0.85).add("fine-tune", 0.8, family="tuning").verdict()
    prompt = named(verdict, "prompt")
    assert prompt.rows == 75
    assert prompt.quality.value > named(verdict, "linear-probe").quality.value
    assert verdict.best == named(verdict, "linear-probe").key
    assert prompt.loss.rows == 75
    assert doubt(verdict, "by some only 75 of the 500")


def test_crossing_is_said_where_an_untrained_approach_leads_small_and_training_large():
    world = World().add("few-shot", {16: 0.7, 64: 0.72}, family="prompting", rows=75).add("linear-probe", {16: 0.4, 64: 0.85, 1024: 0.95})
    assert "Below about 33 labels prompt, above that train (n* between 27 and 47)." in world.verdict().sentence
    world.add("label-names", {0: 0.9})
    assert "Below about 200 labels use label names, above that train (n* between 60 and 410)." in world.verdict().sentence
    assert "led up to" not in World().add("few-shot", {16: 0.3}, family="prompting").add("probe", {16: 0.5, 1024: 0.9}).verdict().sentence


def test_macro_f1_as_the_metric():
    world = World(metric="macro_f1").majority().add("a", 0.9, seeds=2).add("b", 0.7, seeds=2)
    verdict = world.verdict()
    best = recommended(verdict)
    assert (best.name, verdict.sure) == ("a", True)
    assert best.quality.method == "jackknife over rows, the two seeds as run"
    assert best.quality.low < best.quality.value < best.quality.high
    assert best.metrics["macro_f1"] == best.quality
    assert set(best.metrics) == {"accuracy", "macro_f1"}
    expected = np.mean([macro_f1(list(world.targets.values()), [world.answers[r.key][i] for i in world.targets]) for r in world.records if r.title == "A"])
    assert best.quality.value == pytest.approx(expected)
    assert "reaches a macro-F1 of" in verdict.sentence
    assert named(verdict, "b").status == "worse"
    assert named(verdict, "majority").metrics["macro_f1"].value < 0.25


def test_macro_f1_without_a_differing_row_keeps_a_width():
    verdict = World(certify=40, metric="macro_f1").add("a", 1.5, noise=0).add("b", 1.5, noise=0).verdict()
    assert all(s.loss.high > 0.02 for s in verdict.standings)
    assert verdict.standings[0].quality.low < 1.0


def test_intervals_by_method():
    one, many = (World().add("a", 0.8, seeds=s).verdict().standings[0] for s in (1, 3))
    assert one.quality.method == "Wilson over rows, the seed as run"
    assert many.quality.method == "score interval over rows and new seeds"
    assert one.curve[-1].seed_spread is None
    assert many.curve[-1].seed_spread > 0
    perfect = World(certify=50).add("a", 2.0, seeds=3).verdict().standings[0].quality
    assert perfect.method == "score interval over rows and new seeds"
    assert perfect.low < 0.95


def test_hand_over_is_chosen_by_select_rows_and_scored_on_certify_rows():
    world = World().add("a", 0.7, seeds=1).add("a", 0.9, seeds=1, first_seed=1).add("a", 0.8, seeds=1, first_seed=2)
    given = world.verdict().handed_over
    assert (given["seed"], given["n_labels"], given["select_rows"]) == (1, 1024, 100)
    assert given["trial"] == fingerprint("a", 1024, 1)
    assert given["quality"]["value"] == pytest.approx(0.9, abs=0.04)
    assert given["quality"]["rows"] == 500
    unchosen = World(select=0).add("a", 0.8, seeds=3).verdict()
    assert unchosen.handed_over["seed"] == 0
    assert doubt(unchosen, "No rows were set aside to choose among seeds")


def test_select_rows_never_reach_the_figures():
    """Poisoned select answers change which seed is handed over, and nothing else."""
    world = World().add("a", 0.9, seeds=2).add("b", 0.7, seeds=2)
    before = world.verdict()
    for record in world.records:
        world.answers[record.key].update(dict.fromkeys(world.select, "nonsense"))
    after = world.verdict()
    assert plain(before.standings) == plain(after.standings)
    assert before.sentence == after.sentence


def test_confusions_and_unparsed_answers():
    verdict = World().add("a", 0.8, unparsed=0.1).verdict()
    pairs = {(c["target"], c["given"]) for c in verdict.confusions}
    assert ("billing", "login") in pairs
    assert ("billing", "(no readable answer)") in pairs
    assert [c["count"] for c in verdict.confusions] == sorted((c["count"] for c in verdict.confusions), reverse=True)
    assert verdict.standings[0].curve[-1].unparsed_share == pytest.approx(0.1, abs=0.04)
    assert doubt(verdict, "Many answers could not be read")


def test_doubts_of_the_recommended_approach():
    rising = World().add("a", {256: 0.7, 1024: 0.9}).add("a", {4096: 0.0}, status="skipped", error="The budget ended before this trial.")
    verdict = rising.verdict()
    assert doubt(verdict, "still improving: from 256 to 1,024 labels")
    assert doubt(verdict, "measured on 1,024 labels only; its trials on 4,096 failed or were not reached")
    assert doubt(verdict, "one seed")
    world = World().add("a")
    world.targets[next(iter(world.targets))] = "never seen"
    assert doubt(world.verdict(), "One certify row holds a label that no training row has (never seen), which")


def test_sure_claims_are_rarely_wrong():
    """Of two approaches truly three points apart, the cheap worse one is called within two points at most 5 % of the time."""
    wrong = 0
    for seed in range(150):
        findings = found(World(certify=300, select=0, seed=seed).add("good", 0.83, noise=0.1, latency_s=0.1).add("cheap", 0.80, noise=0.1))
        wrong += findings.sure and findings.measured[findings.recommended].first.title == "Cheap"
    assert wrong / 150 <= 0.05 + 0.04


def test_simultaneous_bounds_hold_for_every_approach_at_once():
    """Six approaches of known quality on the same rows: all loss bounds together cover in at least about 95 % of studies."""
    qualities, held, runs = (0.82, 0.81, 0.80, 0.78, 0.82, 0.70), 0, 250
    for seed in range(runs):
        world = World(certify=200, select=0, seed=seed)
        for i, quality in enumerate(qualities):
            world.add(f"a{i}", quality, noise=0.08)
        entries, evidence = gather(world.evidence()), world.evidence()
        keys = [entry.key for entry in entries]
        found = compare(Ruler(tuple(evidence.targets.values())), "accuracy", [e.cell for e in entries], keys)
        held += all(found.losses[k].high >= max(qualities) - q for k, q in zip(keys, qualities, strict=True))
    assert held / runs >= 0.93


def test_deterministic_and_order_free():
    world = World().majority().add("a", 0.9, seeds=3).add("b", 0.88, seeds=3)
    first, again = world.verdict(), world.verdict()
    assert plain(first) == plain(again)
    world.records.reverse()
    assert plain(world.verdict().standings) == plain(first.standings)


def test_json_round_trip(tmp_path):
    world = World().majority().add("a", {16: 0.6, 1024: 0.9}, seeds=3).add("p", 0.8, family="prompting", rows=75).add("c", status="failed", error="X")
    verdict = world.verdict(max_latency_p95_s=1.0)
    assert io.read(io.write(verdict, tmp_path / "verdict.json")) == verdict
    empty = World().verdict()
    assert io.read(io.write(empty, tmp_path / "empty.json")) == empty


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 99}', '{"schema": 1}', '{"schema": 1, "standings": [1], "constraints": {}, "spent": {}}', "\ufffe"])
def test_damaged_verdicts_are_refused_with_a_sentence(tmp_path, text):
    path = tmp_path / "verdict.json"
    path.write_text(text, encoding="utf-16")
    with pytest.raises(RunError, match="run the study again"):
        io.read(path)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match="run the study again"):
        io.read(path)
    with pytest.raises(RunError, match="There is no verdict"):
        io.read(tmp_path / "missing.json")


def test_sentences_are_whole():
    world = World(certify=120).majority().add("a", 0.8, seeds=2, noise=0.1).add("b", 0.79, family="prompting", rows=60, noise=0.1).add("c", status="failed", error="Oops.")
    verdict = world.add("d", 0.6).add("e", status="skipped").verdict(max_cost_per_1k_usd=1.0)
    for text in (verdict.sentence, *verdict.doubts, *(s.reason for s in verdict.standings)):
        assert text[0].isupper()
        assert text.endswith(".")
        assert "  " not in text
        assert ".." not in text


def test_schema_page_names_every_field():
    page = (DOCS / "verdict-schema.md").read_text(encoding="utf-8")
    for record in (Verdict, Standing, CurvePoint, Estimate, Constraints, Usage):
        for field in dataclasses.fields(record):
            assert f"`{field.name}`" in page, f"docs/verdict-schema.md does not document {record.__name__}.{field.name}"


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_large_study_is_judged_in_seconds(metric):
    world = World(certify=2000, metric=metric)
    for i in range(20):
        world.add(f"a{i:02}", 0.7 + i / 100, seeds=3, noise=0.1)
    evidence = world.evidence()
    began = time.process_time()
    reach(evidence, tolerance=0.02, constraints=Constraints(), machine_price_usd_per_hour=0.1)
    assert time.process_time() - began < 5


def test_an_approach_stopped_short_of_all_labels_is_not_called_worse():
    world = World().add("linear-probe", 0.9).add("fine-tune", {16: 0.4}, family="tuning")
    world.add("fine-tune", {1024: 0.0}, family="tuning", status="skipped", error="The budget ended before this trial.")
    verdict = world.verdict()
    assert named(verdict, "fine-tune").status == "cannot tell"
    assert "budget ended before its trial with 1,024" in named(verdict, "fine-tune").reason
    assert doubt(verdict, "all 1,024 labels")


def test_a_study_that_the_budget_cut_short_is_not_sure():
    world = World().majority().add("tfidf-logreg", 0.9, family="baseline").add("linear-probe", {16: 0.4})
    world.add("linear-probe", {1024: 0.0}, status="skipped", error="The budget ended before this trial.")
    verdict = world.verdict()
    assert recommended(verdict).name == "tfidf-logreg"
    assert not verdict.sure
    assert "This is not yet sure: the budget ended before linear probe" in verdict.sentence


def test_a_winner_that_does_not_beat_the_trivial_baseline_is_not_sure():
    verdict = World(certify=150).majority().add("tfidf-logreg", 0.48, family="baseline").add("linear-probe", 0.3).verdict()
    assert not verdict.sure
    assert "not shown to be better than always giving the most frequent label" in verdict.caveat


def test_a_failure_with_all_labels_is_not_passed_over():
    """An approach that ran out of memory on all labels might have been the best there."""
    world = World().add("probe", {16: 0.5, 1024: 0.95}).add("tune", {16: 0.4}, family="tuning")
    assert world.verdict().sure
    world.add("tune", {1024: 0.0}, status="failed", error="RuntimeError: out of memory", family="tuning")
    verdict = world.verdict()
    assert not verdict.sure
    assert verdict.caveat == "with all labels tune failed"
    assert "every trial of it failed with 1,024" in named(verdict, "tune").reason
