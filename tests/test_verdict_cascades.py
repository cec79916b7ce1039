"""Cascades put together from a study's answers: chosen on calibrate rows, certified on certify rows, held to the best cheap approach."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from fieldguide.approaches.approach import Approach
from fieldguide.records import Unparsed, Usage, fingerprint
from fieldguide.registry import TABLE
from fieldguide.study.trial import TrialRecord
from fieldguide.verdict.candidates import MIXED, Bench
from fieldguide.verdict.cascades import concluded, earns_its_place, stage_trials, with_cascades
from fieldguide.verdict.cells import Entry, gather
from fieldguide.verdict.evidence import Evidence
from fieldguide.verdict.feasible import Running, objections, running
from fieldguide.verdict.measure import Ruler
from fieldguide.verdict.promises import Risk, certificate, learn_then_test
from fieldguide.verdict.verdict import Constraints

PRICE = 0.1


class World:
    """A study that never ran: rows with a latent difficulty, a small approach that knows what it knows, a large one that is better."""

    def __init__(self, certify: int = 1500, calibrate: int = 500, select: int = 200, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.rows = {role: [f"{role}:{i}" for i in range(n)] for role, n in (("select", select), ("calibrate", calibrate), ("certify", certify))}
        self.every = [row for rows in self.rows.values() for row in rows]
        self.target = {row: "yes" for row in self.every}
        self.records: list[TrialRecord] = []
        self.answers: dict[str, dict[str, object]] = {}
        self.confidences: dict[str, dict[str, float]] = {}

    def add(
        self, name: str, right: np.ndarray | float, sure: np.ndarray | None = None, *, seeds: int = 1, latency_s: float = 0.002, usd: float = 0.0,
        family: str = "embedding", n_labels: int = 256, local: bool = True, first_seed: int = 0, rows: list[str] | None = None,
    ) -> World:  # fmt: skip
        """An approach whose rows are right with these probabilities; `sure` is what it says of each."""
        chance = np.broadcast_to(right, len(self.every))
        for seed in range(first_seed, first_seed + seeds):
            key, hit = fingerprint(name, seed), self.rng.random(len(self.every)) < chance
            asked = set(rows if rows is not None else self.every)
            self.answers[key] = {row: "yes" if hit[i] else "no" for i, row in enumerate(self.every) if row in asked}
            if sure is not None:
                self.confidences[key] = {row: float(sure[i]) for i, row in enumerate(self.every) if row in asked}
            spent = Usage(calls=len(asked), cost_usd=usd * len(asked))
            self.records.append(TrialRecord(
                key, {"name": name, "params": {}}, name.replace("-", " ").capitalize(), family, n_labels, seed, "done", models=(f"{name}-model",),
                local=local, fit_s=1.0, predict_s=1.0, predict_usage=spent, latencies_s=(latency_s,) * 20, trainable_parameters=10,
            ))  # fmt: skip
        return self

    def evidence(self) -> Evidence:
        known = {role: {row: self.target[row] for row in rows} for role, rows in self.rows.items()}
        return Evidence(
            task={"kind": "classification", "labels": ["yes", "no"]}, metric="accuracy", rows={role: len(rows) for role, rows in self.rows.items()},
            targets=known["certify"], select_targets=known["select"], records=tuple(self.records), answers=self.answers,
            calibrate_targets=known["calibrate"], confidences=self.confidences,
        )  # fmt: skip

    def spread(self, low: float = 0.4, high: float = 1.0) -> np.ndarray:
        """Chances of being right, one a row, that a calibrated approach would state."""
        return self.rng.uniform(low, high, len(self.every))


def a_cascade_wins(seed: int = 0, **sizes: int) -> World:
    """A probe right on .75 of rows that knows which; a prompt at .92 and sixty times its price, strongest where the probe is not."""
    world = World(seed=seed, **sizes)
    sure = world.spread(0.5, 1.0)
    world.add("linear-probe", sure, sure)
    world.add("prompt-few-shot", 0.92, seeds=1, latency_s=0.5, family="prompting", usd=0.001, n_labels=16)
    return world


def found(evidence: Evidence) -> tuple[Ruler, dict[str, Entry], dict[str, Running]]:
    ruler, measured = Ruler(tuple(evidence.targets.values())), {entry.key: entry for entry in gather(evidence) if entry.cells}
    return ruler, measured, {key: running(entry.cell, PRICE) for key, entry in measured.items()}


def new_records(before: Evidence, after: Evidence) -> list[TrialRecord]:
    return [record for record in after.records if record not in before.records]


def test_a_cascade_is_found_where_one_wins() -> None:
    before = a_cascade_wins().evidence()
    after, tried = with_cascades(before, PRICE)
    assert 1 <= len(tried) <= 2
    ruler, measured, costs = found(after)
    probe, prompt = (next(k for k, e in measured.items() if e.first.approach["name"] == name) for name in ("linear-probe", "prompt-few-shot"))
    for each in tried:
        assert each.stages == (probe, prompt)
        assert each.key in measured
        assert 0 < each.deferred < 1
        assert 0 < each.thresholds[0] < 1
        assert ruler.value("accuracy", measured[each.key].cell) > ruler.value("accuracy", measured[probe].cell) + 0.05
        assert costs[probe].per_1k_usd < costs[each.key].per_1k_usd < costs[prompt].per_1k_usd
        assert earns_its_place(ruler, "accuracy", measured, costs, each.key)
    assert all(earns_its_place(ruler, "accuracy", measured, costs, key) for key in (probe, prompt)), "single approaches always may be recommended"
    thrifty = min(tried, key=lambda each: each.deferred)
    ended = concluded(tried, thrifty.key, ruler, "accuracy", measured, costs)
    assert [each.recommended for each in ended] == [each.key == thrifty.key for each in tried]
    assert all("shown to be better than every single approach" in each.reason for each in ended)
    assert all(each.reason.endswith(".") and each.risk.endswith(".") for each in ended)


def test_the_synthetic_record_says_what_the_cascade_would_have_done() -> None:
    before = a_cascade_wins().evidence()
    after, tried = with_cascades(before, PRICE)
    small, large = before.records
    for record, each in zip(new_records(before, after), tried, strict=True):
        threshold, sure = each.thresholds[0], before.confidences[small.key]
        for row, value in after.answers[record.key].items():
            stage = small.key if sure[row] >= threshold else large.key
            assert value == before.answers[stage][row]
            assert after.confidences[record.key].get(row) == before.confidences.get(stage, {}).get(row)
        assert each.deferred == pytest.approx(np.mean([sure[row] < threshold for row in before.targets]))
        assert record.family == "cascade"
        assert record.fit_s == 2.0
        assert record.models == ("linear-probe-model", "prompt-few-shot-model")
        assert record.title.startswith("Cascade: linear probe, then prompt few shot")
        rows = len(after.answers[record.key])
        assert record.predict_usage.cost_usd == pytest.approx(each.deferred * rows * 0.001)
        assert record.predict_usage.calls == pytest.approx(rows * (1 + each.deferred), abs=2)
        assert len(record.latencies_s) == MIXED
        assert set(np.round(record.latencies_s, 4)) == {0.002, 0.502}
        assert np.mean(np.array(record.latencies_s) > 0.1) == pytest.approx(each.deferred, abs=0.5 / MIXED)
        assert stage_trials(after, record) == (small.key, large.key)
        assert fingerprint(record.approach) == each.key


def test_its_record_is_an_approach_that_can_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLE["approach"], "cascade", "fieldguide.approaches.cascade:Cascade")
    before = a_cascade_wins().evidence()
    after, tried = with_cascades(before, PRICE)
    record = new_records(before, after)[0]
    approach = Approach.from_json(json.loads(json.dumps(record.approach)))
    assert approach.key == tried[0].key
    assert [stage.name for stage in approach.parts()] == ["linear-probe", "prompt-few-shot"]  # type: ignore[attr-defined]


def test_certify_targets_choose_nothing() -> None:
    world = a_cascade_wins()
    before = world.evidence()
    poisoned = dataclasses.replace(before, targets={row: "no" for row in before.targets})
    chosen, other = (with_cascades(evidence, PRICE)[1] for evidence in (before, poisoned))
    assert [(c.key, c.thresholds, c.deferred) for c in chosen] == [(c.key, c.thresholds, c.deferred) for c in other]
    assert [c.risk for c in chosen] != [c.risk for c in other], "certificates come from certify rows"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"usd": 0.0, "latency_s": 0.0025}, "the large one costs hardly more"),
        ({"right": 0.74}, "the large one is no better"),
    ],
)
def test_no_cascade_where_none_can_pay(change: dict[str, float], why: str) -> None:
    world = World()
    sure = world.spread(0.5, 1.0)
    world.add("linear-probe", sure, sure)
    settings = {"right": 0.92, "usd": 0.001, "latency_s": 0.5, **change}
    world.add("prompt-few-shot", settings.pop("right"), family="prompting", **settings)  # type: ignore[arg-type]
    before = world.evidence()
    assert with_cascades(before, PRICE) == (before, ()), why


def test_no_cascade_without_confidences_or_calibrate_rows_or_the_majority() -> None:
    world = a_cascade_wins()
    before = world.evidence()
    assert with_cascades(dataclasses.replace(before, confidences={}), PRICE)[1] == ()
    assert with_cascades(dataclasses.replace(before, calibrate_targets={}), PRICE)[1] == ()
    majority = World().add("majority", 0.6, np.full(2200, 0.6), family="baseline", latency_s=1e-6)
    majority.add("prompt-few-shot", 0.92, family="prompting", usd=0.001)
    assert with_cascades(majority.evidence(), PRICE)[1] == ()


def test_a_confidence_that_knows_nothing_makes_no_cascade_that_may_be_recommended() -> None:
    """Its cascades lie on the line between both stages, and another cheap approach is as good as the large one."""
    recommended = 0
    for seed in range(20):
        world = World(seed=seed, certify=400, calibrate=100)
        world.add("linear-probe", 0.85, world.spread(0.5, 1.0))
        world.add("nearest", 0.87, family="embedding", latency_s=0.003)
        world.add("prompt-few-shot", 0.87, family="prompting", usd=0.001)
        after, _ = with_cascades(world.evidence(), PRICE)
        ruler, measured, costs = found(after)
        recommended += any(earns_its_place(ruler, "accuracy", measured, costs, k) for k, e in measured.items() if e.first.family == "cascade")
    assert recommended <= 2


def test_a_cascade_must_beat_a_cheap_rival_that_is_no_stage_of_it() -> None:
    world = a_cascade_wins()
    after, tried = with_cascades(world.evidence(), PRICE)
    known = set(world.answers)
    world.add("fine-tune", 0.935, latency_s=0.004, family="tuning")  # dearer than the probe, far cheaper than any cascade with the prompt
    more = {key: answers for key, answers in world.answers.items() if key not in known}
    after = dataclasses.replace(after, records=(*after.records, world.records[-1]), answers={**after.answers, **more})
    ruler, measured, costs = found(after)
    rival = next(k for k, e in measured.items() if e.first.approach["name"] == "fine-tune")
    for each in tried:
        assert costs[rival].per_1k_usd < costs[each.key].per_1k_usd
        assert not earns_its_place(ruler, "accuracy", measured, costs, each.key)
        assert earns_its_place(ruler, "accuracy", measured, costs, each.key, [rival])
        (ended,) = concluded([each], None, ruler, "accuracy", measured, costs)
        assert "not shown to be better than fine tune on fine-tune-model, which costs no more" in ended.reason


def test_unreadable_answers_are_handed_on() -> None:
    world = a_cascade_wins()
    small = world.records[0].key
    lost = [row for i, row in enumerate(world.every) if i % 10 == 0]
    for row in lost:
        world.answers[small][row] = Unparsed("?", "names no label")
        del world.confidences[small][row]
    before = world.evidence()
    after, _ = with_cascades(before, PRICE)
    record = new_records(before, after)[0]
    assert all(after.answers[record.key][row] == before.answers[world.records[1].key][row] for row in lost)


def test_seeds_meet_their_own_or_the_only_one() -> None:
    world = World()
    sure = world.spread(0.5, 1.0)
    world.add("linear-probe", sure, sure, seeds=3)
    world.add("prompt-few-shot", 0.92, family="prompting", usd=0.001, first_seed=1)
    before = world.evidence()
    after, tried = with_cascades(before, PRICE)
    cell = next(e.cell for e in gather(after) if e.key == tried[0].key)
    assert [record.seed for record in cell.records] == [0, 1, 2]
    assert cell.n_labels == 256
    keys = {record.seed: record.key for record in before.records if record.approach["name"] == "linear-probe"}
    only = next(record.key for record in before.records if record.family == "prompting")
    assert [stage_trials(after, record) for record in cell.records] == [(keys[seed], only) for seed in (0, 1, 2)]
    assert len({record.approach["params"]["thresholds"][0] for record in cell.records}) == 1


def test_a_large_stage_that_answered_few_rows_is_compared_on_those() -> None:
    world = World()
    sure = world.spread(0.5, 1.0)
    world.add("linear-probe", sure, sure)
    few = [*world.rows["select"][:60], *world.rows["calibrate"][:120], *world.rows["certify"][:300]]
    world.add("prompt-few-shot", 0.92, family="prompting", usd=0.001, rows=few)
    before = world.evidence()
    after, tried = with_cascades(before, PRICE)
    (record, *_) = new_records(before, after)
    assert set(after.answers[record.key]) == set(few)
    assert tried[0].risk.count("300 certify rows") == 1


def test_a_certificate_does_not_depend_on_the_order_of_the_file() -> None:
    """Rows sorted by how much is lost on them would fool a bet that reads them in that order."""
    world = World()
    sure = world.spread(0.5, 1.0)
    world.add("linear-probe", sure, sure)
    world.add("prompt-few-shot", 0.92, family="prompting", usd=0.001, latency_s=0.5)
    before = world.evidence()
    right = {row: all(found[row] == target for found in before.answers.values()) for row, target in before.targets.items()}
    turned = dataclasses.replace(before, targets=dict(sorted(before.targets.items(), key=lambda item: not right[item[0]])))
    assert [(said.certified, said.risk) for said in with_cascades(before, PRICE)[1]] == [(said.certified, said.risk) for said in with_cascades(turned, PRICE)[1]]


def test_limits_leave_out_what_would_break_them() -> None:
    world = World()
    sure = world.spread(0.5, 1.0)
    world.add("linear-probe", sure, sure)
    world.add("prompt-few-shot", 0.92, family="prompting", usd=0.001, latency_s=0.5, local=False)
    before = world.evidence()
    free = with_cascades(before, PRICE)[1]
    assert free
    (said,) = with_cascades(before, PRICE, limits=Constraints(local_only=True))[1]
    assert said.key == ""
    for limits in (Constraints(max_latency_p95_s=0.1), Constraints(max_cost_per_1k_usd=0.01)):  # one that hands few rows on may pass
        grown, tried = with_cascades(before, PRICE, limits=limits)
        made = [entry for entry in gather(grown) if entry.first.family == "cascade"]
        assert {entry.key for entry in made} == {said.key for said in tried if said.key}
        assert not any(objections(entry.cell, entry.local, running(entry.cell, PRICE), limits) for entry in made)
        assert all(said.reason.endswith(".") and not said.recommended for said in tried)
    capped = with_cascades(before, PRICE, limits=Constraints(max_cost_per_1k_usd=0.8), tolerance=0.1)[1]
    assert capped
    assert capped[0].key
    assert capped[0].deferred < 0.8


def test_a_router_serves_where_answers_have_no_probability() -> None:
    world = World()
    easy = world.spread(0.4, 1.0)
    world.add("prompt-zero-shot", easy, family="prompting", usd=0.0001, latency_s=0.1, n_labels=0)
    world.add("prompt-few-shot", 0.92, family="prompting", usd=0.004, latency_s=0.3, n_labels=16)
    before = world.evidence()
    assert with_cascades(before, PRICE)[1] == ()
    routed = {world.records[0].key: dict(zip(world.every, easy.tolist(), strict=True))}
    after, tried = with_cascades(before, PRICE, routed=routed)
    record = new_records(before, after)[0]
    assert record.approach["params"]["router"] == "tfidf-logreg"
    deferred, rows = tried[0].deferred, len(after.answers[record.key])
    assert record.predict_usage.cost_usd == pytest.approx(rows * ((1 - deferred) * 0.0001 + deferred * 0.004))
    assert set(np.round(record.latencies_s, 4)) == {0.1, 0.3}, "a row that the router hands on is never asked of the small one"


def test_a_cascade_that_hands_nearly_everything_on_is_left_out() -> None:
    """Cheaper than its large stage by less than verdicts count as cheaper, and no better: not worth a line."""
    seen = []
    for seed in range(10):
        world = World(seed=seed, certify=100, calibrate=60)
        sure = world.spread(0.5, 1.0)
        world.add("linear-probe", sure, sure, usd=0.0001)
        world.add("prompt-few-shot", 1.0, family="prompting", usd=0.001)
        seen += [each.deferred for each in with_cascades(world.evidence(), PRICE, tolerance=0.3)[1] if each.key]
    assert len(seen) >= 10
    assert max(seen) < 0.75


def test_two_cascades_of_one_pair_have_different_titles() -> None:
    before = a_cascade_wins().evidence()
    after, tried = with_cascades(before, PRICE)
    titles = [record.title for record in new_records(before, after)]
    assert len(set(titles)) == len(tried)


def test_the_mixture_of_latencies_keeps_the_mean() -> None:
    world = a_cascade_wins()
    world.records = [dataclasses.replace(r, latencies_s=tuple(np.random.default_rng(i).gamma(2, 0.01, 20))) for i, r in enumerate(world.records)]
    bench = Bench(world.evidence(), PRICE, {})
    (pair,) = bench.pairs()
    small, large = (np.array(r.latencies_s) for r in world.records)
    mixed = np.array(bench.latencies(pair, 0, 0.5))
    assert mixed.mean() == pytest.approx(small.mean() + 0.5 * large.mean(), rel=0.01)
    assert bench.latencies(pair, 0, 0.0) == pytest.approx(tuple(np.repeat(np.sort(small), 10)))


# Promises.


def test_a_promise_that_so_few_rows_cannot_keep_is_recognised_first() -> None:
    certified, said = certificate(Risk("wrong", 0.05), np.zeros((1, 40)), "accuracy")
    assert not certified
    assert "about 59 could" in said
    assert certificate(Risk("wrong", 0.05), np.zeros((1, 59)), "accuracy")[0]
    certified, said = certificate(Risk("worse", 0.02), np.full((1, 75), 0.5), "accuracy")
    assert not certified
    assert "75 certify rows cannot certify that its accuracy is within 2 points of its last stage's" in said
    assert not certificate(Risk("wrong", 0.0), np.zeros((1, 10_000)), "accuracy")[0]


def test_every_seed_must_keep_the_promise() -> None:
    good, bad = np.zeros(200), np.r_[np.ones(30), np.zeros(170)]
    assert certificate(Risk("wrong", 0.05), np.stack([good, good]), "accuracy")[0]
    assert not certificate(Risk("wrong", 0.05), np.stack([good, bad]), "accuracy")[0]


def test_losses_of_both_promises() -> None:
    kept, small, large = np.array([1, 1, 1, 0]), np.array([0.0, 1, 0, 0]), np.array([1.0, 0, 0, 1])
    assert Risk("wrong", 0.1).losses(kept, small, large).tolist() == [1, 0, 1, 0]
    assert Risk("worse", 0.1).losses(kept, small, large).tolist() == [1, 0, 0.5, 0.5]
    assert Risk("worse", 0.1).alpha == pytest.approx(0.55)


@pytest.mark.parametrize("draw", [{1.0: 0.10, 0.0: 0.05, 0.5: 0.85}, {1.0: 0.05, 0.5: 0.95}])
def test_paired_certificates_err_in_at_most_one_study_in_twenty(draw: dict[float, float]) -> None:
    """Where a cascade loses exactly its limit to the large stage: 2,000 studies of 300 rows; 0.0597 is 0.05 and two standard errors."""
    rng, risk = np.random.default_rng(7), Risk("worse", 0.05)
    losses = rng.choice(list(draw), (2000, 300), p=list(draw.values()))
    assert np.mean([risk.p_value(row) <= risk.delta for row in losses]) <= 0.0597


def test_exact_certificates_err_in_at_most_one_study_in_twenty() -> None:
    """The same for 0/1 losses, counted: 20,000 studies of 200 rows with a true risk at the limit."""
    errors = np.random.default_rng(3).binomial(200, 0.08, 20_000)
    passes = {k: Risk("wrong", 0.08).p_value(np.r_[np.ones(k), np.zeros(200 - k)]) <= 0.05 for k in range(40)}
    assert np.mean([passes.get(int(k), False) for k in errors]) <= 0.0531


def test_thresholds_certified_together_err_in_at_most_one_study_in_twenty() -> None:
    """Learn then test over twenty thresholds: the riskiest that is certified has a true risk above the limit in at most 5 % of 2,000 studies."""
    rng, risk = np.random.default_rng(5), Risk("wrong", 0.1)
    steps = np.linspace(0.05, 1.0, 20)  # shares kept, the most careful first
    wrong_given = 0.02 + 0.25 * steps  # of the rows kept
    truth = steps * wrong_given
    errors = 0
    for _ in range(2000):
        place, hit = rng.random(300), rng.random(300)
        losses = ((place < steps[:, None]) & (hit < wrong_given[:, None])).astype(float)
        certified = learn_then_test(losses, risk)
        errors += certified > 0 and truth[certified - 1] > risk.limit
    assert errors / 2000 <= 0.0597
