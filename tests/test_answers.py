"""Answers kept for a study: keyed by everything that decides them, equal to the fresh ones, safe against kills, threads and damage."""

from __future__ import annotations

import contextvars
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldguide.approaches.approach import make
from fieldguide.errors import BudgetSpent, Incomplete, ModelError, RunError
from fieldguide.models import meter
from fieldguide.models.answers import AnswerStore, answer_key, remembering
from fieldguide.models.fake import FakeModel
from fieldguide.models.model import Generation, Model, ModelFacts, Scores
from fieldguide.models.pool import ModelPool
from fieldguide.records import Usage
from fieldguide.study.budget import UNLIMITED
from fieldguide.study.plan import make_plan
from fieldguide.study.run import Study
from fieldguide.testing.toys import toy_task

PROMPTS = ["red green\nAnswer: colour\n\nblue\nAnswer:", "one\nAnswer: number\n\ntwo\nAnswer:", "", "\ud83d half"]
OPTIONS = [[" colour", " number"]] * 4
ABILITIES: dict[str, Callable[[Model], Any]] = {
    "score": lambda m: m.score(PROMPTS, OPTIONS),
    "generate": lambda m: m.generate(PROMPTS, max_tokens=5, n=2, temperature=1.0, seed=3),
    "choose": lambda m: m.choose(PROMPTS, OPTIONS, n=2, temperature=2.0, seed=3),
    "embed": lambda m: m.embed(PROMPTS).tobytes(),
}


class Asked(FakeModel):
    """Notes what reaches the backend, and has a price: $1 a million tokens read, $5 a million written."""

    def __init__(self, seed: int = 0, **facts: Any) -> None:
        super().__init__(f"fake:{seed}", seed)
        self.facts = replace(self.facts, usd_per_million_prompt=1.0, usd_per_million_completion=5.0, **facts)
        self.seen: list[str] = []

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        self.seen += prompts
        return self._priced(super()._score(prompts, options))

    def _generate(self, prompts: Sequence[str], **how: Any) -> Any:
        self.seen += prompts
        return self._priced(super()._generate(prompts, **how))

    def _embed(self, texts: Sequence[str]) -> tuple[np.ndarray, Usage]:
        self.seen += texts
        return self._priced(super()._embed(texts))

    def _priced(self, found: tuple[Any, Usage]) -> Any:
        answer, usage = found
        return answer, replace(usage, cost_usd=(usage.prompt_tokens + 5 * usage.completion_tokens) / 1e6)


def used(act: Callable[[], Any]) -> tuple[Any, Usage]:
    with meter.metering() as total:
        answer = act()
    return answer, total.usage


# Keys.


@pytest.mark.parametrize("ability", ABILITIES)
def test_two_models_never_share_an_entry(ability: str) -> None:
    ask, store = ABILITIES[ability], AnswerStore()
    models = [Asked(1), Asked(2), Asked(1, numerics="bfloat16")]
    alone = [ask(model) for model in models]
    with remembering(store):
        for i, model in enumerate(models, start=1):
            model.seen.clear()
            ask(model)
            assert model.seen == PROMPTS, "a model answered from another's entries"
            assert len(store) == i * len(PROMPTS)
        assert [ask(model) for model in models] == alone
        assert all(model.seen == PROMPTS for model in models), "a model was asked twice"


def test_every_parameter_that_decides_a_continuation_is_in_its_key() -> None:
    """Over random pairs: a second call is answered from the store if, and only if, nothing that decides its answer differs."""
    choices: dict[str, list[Any]] = {
        "prompt": ["a b c", "a b c ", "a b", ""],
        "max_tokens": [1, 3, 64],
        "stop": [(), ("b",), ("c",), ("b", "c"), ("c", "b"), ["b"]],
        "n": [1, 2],
        "temperature": [0, 0.0, 0.5, 1.0, 1],
        "seed": [0, 1],
    }
    draw = random.Random(0)
    for _ in range(400):
        one = {name: draw.choice(values) for name, values in choices.items()}
        two = {name: draw.choice(values) if draw.random() < 0.2 else one[name] for name, values in choices.items()}
        model = Asked()
        with remembering(AnswerStore()):
            for how in (one, two):
                model.generate([how["prompt"]], **{name: value for name, value in how.items() if name != "prompt"})
        assert (len(model.seen) == 1) is (deciding(one) == deciding(two)), f"{one} and {two}"


def deciding(how: dict[str, Any]) -> tuple[Any, ...]:
    """Greedy answers have no seed, and the order of stop strings does not matter: the first in the text cuts."""
    seed = how["seed"] if how["temperature"] > 0 else None
    return how["prompt"], how["max_tokens"], frozenset(how["stop"]), how["n"], how["temperature"], seed


def test_options_and_their_order_are_in_the_key() -> None:
    """Order counts: totals come back in it, and a backend may show the options to the model."""
    calls = [("ab", ["c"]), ("a", ["bc"]), ("ab", ["c", "d"]), ("ab", ["d", "c"]), ("ab", ["cd"])]
    model = Asked()
    with remembering(AnswerStore()) as store:
        for ask in (model.score, model.choose):
            for prompt, options in calls:
                ask([prompt], [options])
        assert len(store) == len(model.seen) == 2 * len(calls)
        model.choose(["ab"], [["c"]], seed=7)
        assert len(store) == 2 * len(calls), "a greedy choice has no seed"
        for how in ({"temperature": 1.0}, {"temperature": 1.0, "seed": 7}, {"temperature": 2.0, "seed": 7}, {"n": 2}):
            model.choose(["ab"], [["c"]], **how)
        assert len(store) == 2 * len(calls) + 4
        assert model.score([calls[2][0]], [calls[2][1]]).totals[0] == model.score([calls[3][0]], [calls[3][1]]).totals[0][::-1]


def test_keys_tell_abilities_questions_and_models_apart() -> None:
    facts = ModelFacts("m", "id", frozenset({"score"}))
    near = [replace(facts, identity="id2"), replace(facts, numerics="bfloat16"), replace(facts, identity='id","float32')]
    keys = [answer_key(f, ability, q) for f in [facts, *near] for ability in ("score", "embed") for q in ("a", ["a"], ["a", None], "a\x00", "\ud83d", "?")]
    assert len(set(keys)) == len(keys)
    assert answer_key(replace(facts, reference="hf:other name of the same"), "score", "a") == answer_key(facts, "score", "a")


# Answers.


@pytest.mark.parametrize("ability", ABILITIES)
def test_a_remembered_answer_is_the_fresh_one_bit_for_bit(ability: str, tmp_path: Path) -> None:
    model, ask = Asked(), ABILITIES[ability]
    plain = ask(model)
    for _ in range(2):
        store = AnswerStore(tmp_path / "answers.sqlite")
        with remembering(store):
            assert ask(model) == plain
            assert ask(model) == plain
        store.close()
    assert model.seen == PROMPTS * 2, "it was asked without a store and once with one"


def test_a_generation_keeps_everything_it_says() -> None:
    said = [Generation("a\x00b \ud83d é", 3, "length", logprob=-0.1 - 0.2), Generation("", 0, "refused", None, "content_filter")]

    class Says(FakeModel):
        def _generate(self, prompts: Sequence[str], **how: Any) -> Any:
            return [said for _ in prompts], Usage(prompt_tokens=1)

    with remembering(AnswerStore()):
        assert Says().generate(["a"], n=2) == Says().generate(["a"], n=2) == [said]


def test_vectors_from_the_store_can_be_written_to() -> None:
    with remembering(AnswerStore()):
        for _ in range(2):
            vectors = FakeModel().embed(["a"])
            vectors += 1
            assert vectors.dtype == np.float32


def test_a_question_that_comes_twice_is_asked_once() -> None:
    model = Asked()
    with remembering(AnswerStore()):
        found, usage = used(lambda: model.embed(["b", "a", "b", "b", "a"]))
    assert model.seen == ["b", "a"]
    assert np.array_equal(found, Asked().embed(["b", "a", "b", "b", "a"]))
    assert (usage.calls, usage.prompt_tokens, usage.cached_tokens) == (5, 5, 3)


def test_an_answer_too_few_is_the_backends_fault() -> None:
    class Short(FakeModel):
        def _generate(self, prompts: Sequence[str], **how: Any) -> Any:
            found, usage = super()._generate(prompts, **how)
            return found[1:], usage

    with pytest.raises(ModelError, match="gave 1 answers to 2 questions"):
        Short().generate(["a", "b"])
    with remembering(AnswerStore()) as store, pytest.raises(ModelError, match="gave 1 answers to 2 questions"):
        Short().generate(["a", "b"])
    assert len(store) == 0


# Usage.


@pytest.mark.parametrize("ability", ABILITIES)
def test_remembered_answers_cost_what_fresh_ones_did_and_compute_nothing(ability: str) -> None:
    model = Asked()
    with remembering(AnswerStore()):
        fresh, again = (used(lambda: ABILITIES[ability](model))[1] for _ in range(2))
    assert fresh.forward_flops > 0 == again.forward_flops
    assert fresh.cached_tokens == 0 < again.cached_tokens == again.prompt_tokens
    for name in ("calls", "prompt_tokens", "completion_tokens"):
        assert getattr(again, name) == getattr(fresh, name), name
    assert again.cost_usd == pytest.approx(fresh.cost_usd)
    assert fresh.cost_usd > 0


def test_a_long_question_takes_the_larger_share() -> None:
    """What one answer of a call took is estimated from lengths: close, and the parts sum to the whole."""
    model, long, short = Asked(), "some longer words " * 100, "some short words"
    with remembering(AnswerStore()):
        whole = used(lambda: model.generate([long, short], max_tokens=4))[1]
        parts = [used(lambda p=p: model.generate([p], max_tokens=4))[1] for p in (long, short)]
    assert model.seen == [long, short]
    assert sum(p.prompt_tokens for p in parts) == whole.prompt_tokens == 303
    assert sum(p.completion_tokens for p in parts) == whole.completion_tokens == 8
    assert sum(p.cost_usd for p in parts) == pytest.approx(whole.cost_usd)
    assert abs(parts[0].prompt_tokens - 300) < 10
    assert abs(parts[0].completion_tokens - 4) <= 1


def test_uncached_asks_again_and_does_not_write() -> None:
    model = Asked()
    with remembering(AnswerStore()) as store:
        model.embed(["a"])
        with meter.uncached():
            usage = used(lambda: model.embed(["a", "b"]))[1]
        assert (len(store), model.seen, usage.cached_tokens) == (1, ["a", "a", "b"], 0)
        assert used(lambda: model.embed(["a"]))[1].cached_tokens == 1


def test_without_a_store_everything_is_asked() -> None:
    model = Asked()
    for _ in range(2):
        model.score(["a"], [["b"]])
    assert model.seen == ["a", "a"]


# Calls that fail part of the way.


class Faulty(Asked):
    """Pays for each prompt, and fails at those that say so after the others are answered."""

    def _generate(self, prompts: Sequence[str], **how: Any) -> Any:
        answers = {}
        for i, prompt in enumerate(prompts):
            hold = meter.hold(prompt_tokens=10, completion_tokens=10, cost_usd=0.01)
            if "bad" in prompt:
                hold.settle(Usage(calls=1, prompt_tokens=10, completion_tokens=10, cost_usd=0.01))
            else:
                self.seen.append(prompt)
                answers[i] = FakeModel._generate(self, [prompt], **how)[0][0]
                hold.settle(Usage(calls=1, prompt_tokens=4, completion_tokens=1, cost_usd=0.004))
        if len(answers) < len(prompts):
            raise Incomplete("The server answered some prompts only.", answers)
        return [answers[i] for i in range(len(prompts))], Usage(prompt_tokens=4 * len(prompts), completion_tokens=len(prompts), cost_usd=0.004 * len(prompts))


def test_what_an_incomplete_call_answered_is_kept_and_paid_for() -> None:
    model = Faulty()
    with remembering(AnswerStore()) as store:
        model.generate(["known"])
        with meter.metering() as total, pytest.raises(Incomplete) as failed:
            model.generate(["bad", "known", "one", "bad too", "two"])
        assert total.usage.cost_usd == pytest.approx(2 * 0.01 + 2 * 0.004)
        assert (total.usage.calls, total.usage.prompt_tokens, total.usage.completion_tokens) == (4, 28, 22)
        assert total.held == Usage()
        expected = FakeModel().generate(["known", "one", "two"])
        assert failed.value.answers == dict(zip((1, 2, 4), expected, strict=True)), "places are those of the call"
        assert len(store) == 3
        assert model.generate(["one", "two", "three", "known"]) == FakeModel().generate(["one", "two", "three", "known"])
    assert model.seen == ["known", "one", "two", "three"]


def test_what_was_answered_before_the_budget_ended_is_kept() -> None:
    class Saving(Faulty):
        def _generate(self, prompts: Sequence[str], **how: Any) -> Any:
            answers = {}
            for i, prompt in enumerate(prompts):
                try:
                    [answers[i]] = super()._generate([prompt], **how)[0]
                except BudgetSpent as spent:
                    raise BudgetSpent(str(spent), answers) from None
            return [answers[i] for i in range(len(prompts))], Usage()

    model = Saving()
    with remembering(AnswerStore()) as store:
        with meter.metering(usd_limit=0.015) as total, pytest.raises(BudgetSpent) as stopped:
            model.generate(["a", "b", "c"])
        assert (set(stopped.value.answers), len(store), model.seen) == ({0, 1}, 2, ["a", "b"])
        assert total.usage.cost_usd == pytest.approx(0.008)
        model.generate(["b", "c"])
    assert model.seen == ["a", "b", "c"]


def test_an_incomplete_call_without_answers_stores_nothing() -> None:
    with remembering(AnswerStore()) as store, pytest.raises(Incomplete) as failed:
        Faulty().generate(["bad"])
    assert (len(store), failed.value.answers) == (0, {})


# The file.


def damage(path: Path, how: str) -> None:
    if how == "garbage":
        path.write_bytes(b"this is no database " * 500)
    elif how == "header":
        path.write_bytes(b"\x00" * 100 + path.read_bytes()[100:])
    elif how == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "pages":
        path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
    else:
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE answers (name TEXT)")
        other.close()


def key_of(number: int) -> bytes:
    return number.to_bytes(16, "big")


@pytest.mark.parametrize("how", ["garbage", "header", "half", "pages", "other tables"])
def test_a_damaged_file_is_moved_aside_and_begun_afresh(how: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    store = AnswerStore(path)
    store.put({key_of(i): (b"x" * 200, Usage()) for i in range(500)})
    store.close()
    damage(path, how)
    store = AnswerStore(path)
    keys = [key_of(i) for i in range(500)]
    assert all(answer == b"x" * 200 for answer, _ in store.get(keys).values())
    store.put({key: (b"x" * 200, Usage()) for key in keys})
    assert len(store.get(keys)) == 500
    store.close()
    assert path.with_name("answers.sqlite.damaged").is_file()
    assert len(AnswerStore(path)) == 500


def test_damage_under_an_open_store_does_not_stop_the_study(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    store = AnswerStore(path)
    store.put({key_of(i): (b"x" * 200, Usage()) for i in range(500)})
    store._file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store._file.execute("PRAGMA cache_size=1")
    damage(path, "pages")
    model = Asked()
    with remembering(store):
        assert np.array_equal(model.embed(["a"]), FakeModel().embed(["a"]))
        model.embed(["a"])
    assert model.seen == ["a"]


def test_a_file_that_is_in_use_or_out_of_reach_is_not_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "answers.sqlite"
    store = AnswerStore(path)
    store.put({key_of(1): (b"paid for", Usage())})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    store._file.execute("PRAGMA busy_timeout=50")
    with pytest.raises(RunError, match="locked"):
        store.put({key_of(2): (b"paid for", Usage())})
    other.execute("ROLLBACK")
    other.close()
    assert store.get([key_of(1)])[key_of(1)][0] == b"paid for"
    store.close()
    with pytest.raises(RunError, match="cannot be used"):
        AnswerStore(tmp_path)
    with pytest.raises(RunError, match="cannot be used"):
        AnswerStore(tmp_path / "nowhere" / "answers.sqlite")
    with pytest.raises(RunError, match="closed"):
        store.get([key_of(1)])


def test_many_keys_are_found(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "answers.sqlite")
    keys = [key_of(i) for i in range(2345)]
    store.put({key: (key, Usage(prompt_tokens=i)) for i, key in enumerate(keys)})
    store.put({keys[0]: (b"later", Usage())})
    found = store.get([*keys, *keys, key_of(10**9)])
    assert found == {key: (key, Usage(prompt_tokens=i)) for i, key in enumerate(keys)}, "the first answer stays"


def test_threads_share_a_store(tmp_path: Path) -> None:
    texts = [f"text number {i}" for i in range(60)]
    expected, model, store, wrong = FakeModel().embed(texts), Asked(), AnswerStore(tmp_path / "answers.sqlite"), []

    def work(seed: int) -> None:
        order = random.Random(seed).sample(range(60), 60)
        for part in (order[i : i + 7] for i in range(0, 60, 7)):
            if not np.array_equal(model.embed([texts[i] for i in part]), expected[part]):
                wrong.append(seed)

    with remembering(store), meter.metering() as total:
        threads = [threading.Thread(target=contextvars.copy_context().run, args=(work, seed)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert (len(store), total.usage.calls, total.held) == (60, 360, Usage())
    assert len(model.seen) < 360


WRITER = """
import sys
from fieldguide.models.answers import AnswerStore
from fieldguide.records import Usage
store = AnswerStore(sys.argv[1])
start = len(store) // 2
print("ready", flush=True)
for i in range(start, start + 100_000):
    store.put({(2 * i + k).to_bytes(16, "big"): (str(2 * i + k).encode() * 50, Usage(prompt_tokens=i)) for k in (0, 1)})
    if i == start + 20:
        print("writing", flush=True)
"""


def test_a_killed_process_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:
    path, held = tmp_path / "answers.sqlite", 0
    for pause in (0.0, 0.03, 0.11):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        assert [process.stdout.readline().strip() for _ in range(2)] == ["ready", "writing"]
        threading.Event().wait(pause)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        store = AnswerStore(path)
        assert store._file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert len(store) >= held + 40, "what was written before the kill is there"
        assert len(store) % 2 == 0, "each write is whole"
        held = len(store)
        found = store.get([key_of(i) for i in range(held)])
        assert found == {key_of(i): (str(i).encode() * 50, Usage(prompt_tokens=i // 2)) for i in range(held)}
        store.close()
    assert not path.with_name("answers.sqlite.damaged").exists()


def test_no_text_of_a_row_is_in_the_file(tmp_path: Path) -> None:
    secret = "Jane Doe of 7 Acacia Avenue"
    store = AnswerStore(tmp_path / "answers.sqlite")
    with remembering(store):
        model = FakeModel()
        model.embed([secret])
        model.score([secret], [[" yes", " no"]])
        model.choose([secret], [[" yes", " no"]])
        model.generate([f"{secret}\nAnswer: yes\n\nsomebody\nAnswer:"])
    assert len(store) == 4
    for when in ("open", "closed"):
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert len(kept) > 4096, when
        assert not any(word.encode() in kept for word in secret.split() if len(word) > 2), when
        store.close()


# A study.


def run_study(folder: Path, names: Sequence[str]) -> Any:
    approaches, pool = [make(name, model="fake:") for name in names], ModelPool()
    plan = make_plan(toy_task(), approaches, pool, seeds=2, seed=0, prompt_rows=10)
    return Study(toy_task(), plan, UNLIMITED, folder, pool, 0.0).run()


def test_a_study_embeds_no_text_twice_not_even_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    embed, score = FakeModel._embed, FakeModel._score

    def noting_embed(self: FakeModel, texts: Sequence[str]) -> Any:
        if meter.may_use_cache():  # single rows are timed as a new row would be: asked again, on purpose
            embedded.update(texts)
        return embed(self, texts)

    def noting_score(self: FakeModel, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> Any:
        if meter.may_use_cache():
            asked.update(prompts)
        return score(self, prompts, options)

    monkeypatch.setattr(FakeModel, "_embed", noting_embed)
    monkeypatch.setattr(FakeModel, "_score", noting_score)
    first = run_study(tmp_path, ["embedding-knn", "prompt-zero-shot"])
    assert {record.status for record in first} == {"done"}
    assert len(embedded) >= 20
    assert max(embedded.values()) == 1
    assert asked
    assert max(asked.values()) == 1
    before = len(embedded)

    more = run_study(tmp_path, ["embedding-knn", "linear-probe", "prompt-zero-shot"])
    assert {record.status for record in more} == {"done"}
    assert (max(embedded.values()), len(embedded)) == (1, before), "a later approach embedded texts that an earlier one had"

    (tmp_path / "journal.sqlite").unlink()
    for left in (tmp_path / "trials").glob("*/solver.json"):
        left.unlink()
    again = run_study(tmp_path, ["embedding-knn", "linear-probe", "prompt-zero-shot"])
    assert (max(embedded.values()), max(asked.values())) == (1, 1), "what a restarted study asks again is answered from the store"
    usage = [(record.predict_usage.calls, record.predict_usage.prompt_tokens) for record in more]
    assert [(record.predict_usage.calls, record.predict_usage.prompt_tokens) for record in again] == usage
    assert all(r.predict_usage.cached_tokens == r.predict_usage.prompt_tokens > 0 == r.predict_usage.forward_flops for r in again)


# Meters.


def test_the_calls_limit_stops_the_call_that_would_pass_it() -> None:
    model = Asked()
    with meter.metering(calls_limit=3) as total:
        model.embed(["a", "b"])
        with pytest.raises(BudgetSpent, match="4 calls, which would pass the spend limit of 3"):
            model.embed(["c", "d"])
        with pytest.raises(BudgetSpent):
            model.generate(["c"], n=2)
        model.embed(["c"])
        with remembering(AnswerStore()), pytest.raises(BudgetSpent):
            model.embed(["a"])
    assert (total.usage.calls, total.held, model.seen) == (3, Usage(), ["a", "b", "c"])


class Paying(FakeModel):
    """Holds $1 and 30 tokens a prompt from as many threads, and settles what `act` says."""

    def __init__(self, act: Callable[[meter.Hold, str], None], threads: bool = False) -> None:
        super().__init__()
        self.act, self.threads = act, threads
        self.sent: list[str] = []

    def _generate(self, prompts: Sequence[str], **how: Any) -> Any:
        refused: list[Exception] = []

        def one(prompt: str) -> None:
            try:
                hold = meter.hold(prompt_tokens=10, completion_tokens=20, cost_usd=1.0)
            except BudgetSpent as error:
                refused.append(error)
                return
            self.sent.append(prompt)
            self.act(hold, prompt)

        if self.threads:
            threads = [threading.Thread(target=contextvars.copy_context().run, args=(one, prompt)) for prompt in prompts]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        else:
            for prompt in prompts:
                one(prompt)
        if refused:
            raise refused[0]
        return [[Generation("x", 1, "stop")] for _ in prompts], Usage(prompt_tokens=5 * len(prompts), cost_usd=0.5 * len(prompts))


PAID = Usage(calls=1, prompt_tokens=5, completion_tokens=5, cost_usd=0.5)


@pytest.mark.parametrize("limits", [{"usd_limit": 5.5}, {"tokens_limit": 170}])
def test_threads_together_keep_within_a_limit(limits: dict[str, float]) -> None:
    """Nothing is settled before the end, so that only as many attempts go out as could all cost the most."""
    held: list[meter.Hold] = []
    model = Paying(lambda hold, prompt: held.append(hold), threads=True)
    with meter.metering(**limits) as total, pytest.raises(BudgetSpent, match="spend limit"):
        model.generate([str(i) for i in range(20)])
    assert len(model.sent) == 5
    assert (total.usage.cost_usd, total.usage.calls) == (5.0, 5), "what was sent and never settled may be billed in full"
    for hold in held:
        hold.settle(PAID)
    assert (total.usage.cost_usd, total.held) == (5.0, Usage()), "an attempt that ends after its call is not counted twice"


def test_a_settled_attempt_makes_room_for_the_next() -> None:
    model = Paying(lambda hold, prompt: hold.settle(PAID))
    with meter.metering(usd_limit=3.0) as total, pytest.raises(BudgetSpent):
        model.generate([str(i) for i in range(20)])
    assert len(model.sent) == 5, "5 × $0.50 are spent, and a sixth could bring it to $3.50"
    assert total.usage.cost_usd == 2.5
    with meter.metering(usd_limit=3.0) as total:
        model.generate([str(i) for i in range(5)])
    assert (total.usage.cost_usd, total.usage.calls, total.usage.prompt_tokens, total.held) == (2.5, 5, 25, Usage())


def test_settling_twice_counts_once() -> None:
    def twice(hold: meter.Hold, prompt: str) -> None:
        hold.settle(PAID)
        hold.settle(PAID)
        raise RuntimeError("the server is gone")

    with meter.metering() as total, pytest.raises(RuntimeError):
        Paying(twice).generate(["a"])
    assert (total.usage.cost_usd, total.usage.calls, total.usage.prompt_tokens, total.held) == (0.5, 1, 5, Usage())


def test_a_call_that_fails_keeps_what_it_settled_and_gives_back_the_rest() -> None:
    def act(hold: meter.Hold, prompt: str) -> None:
        if prompt == "bad":
            raise RuntimeError("the server is gone")
        hold.settle(PAID)

    with meter.metering(usd_limit=10.0) as total:
        with pytest.raises(RuntimeError):
            Paying(act).generate(["a", "b", "bad", "c"])
        assert total.usage.cost_usd == 2 * 0.5 + 1.0, "two settled, one sent and perhaps billed"
        assert (total.usage.calls, total.usage.completion_tokens, total.held) == (3, 30, Usage())
        with pytest.raises(BudgetSpent, match="has ended"):
            late_hold()
    with pytest.raises(RuntimeError):
        Paying(act).generate(["bad"])


def late_hold() -> None:
    """A thread that outlives its call wants to send one more attempt."""
    kept: list[contextvars.Context] = []

    class Leaving(FakeModel):
        def _generate(self, prompts: Sequence[str], **how: Any) -> Any:
            kept.append(contextvars.copy_context())
            return super()._generate(prompts, **how)

    Leaving().generate(["a"])
    kept[0].run(lambda: meter.hold(prompt_tokens=1, completion_tokens=1, cost_usd=0.0))


def test_meters_nest_and_the_tightest_limit_holds() -> None:
    model = Paying(lambda hold, prompt: hold.settle(PAID))
    with meter.metering(usd_limit=100.0) as outer:
        model.generate(["a"])
        with meter.metering(usd_limit=1.2) as inner:
            model.generate(["a"])
            with pytest.raises(BudgetSpent):
                model.generate(["a"])
            assert (inner.usage.cost_usd, outer.usage.cost_usd) == (0.5, 1.0)
        model.generate(["a", "b"])
    assert (inner.usage.calls, outer.usage.calls) == (1, 4)
    assert (inner.held, outer.held) == (Usage(), Usage())
    with meter.metering(usd_limit=1.0), meter.metering(usd_limit=100.0) as inner, pytest.raises(BudgetSpent):
        model.generate(["a", "b", "c"])
    assert inner.held == Usage()


def test_a_limit_may_be_reached_exactly() -> None:
    with meter.metering(usd_limit=0.3) as total:
        for _ in range(3):
            with meter.call(1) as call:
                meter.hold(prompt_tokens=0, completion_tokens=0, cost_usd=0.1).settle(Usage(cost_usd=0.1))
                call.done(Usage(cost_usd=0.1))
        with meter.call(1), pytest.raises(BudgetSpent):
            meter.hold(prompt_tokens=0, completion_tokens=0, cost_usd=0.001)
    assert total.usage.cost_usd == pytest.approx(0.3)


def test_passes_through_lent_weights_are_checked_and_recorded() -> None:
    with meter.metering(calls_limit=2, tokens_limit=10) as total:
        meter.check(2)
        meter.record(Usage(calls=2, prompt_tokens=11))
        with pytest.raises(BudgetSpent, match="3 calls"):
            meter.check(1)
        with pytest.raises(BudgetSpent, match="11 tokens"):
            meter.check(0)
    assert total.usage == Usage(calls=2, prompt_tokens=11)


def test_attempts_beyond_one_a_prompt_are_counted() -> None:
    class Retrying(FakeModel):
        def _generate(self, prompts: Sequence[str], **how: Any) -> Any:
            found, usage = super()._generate(prompts, **how)
            return found, replace(usage, calls=3)

    assert used(lambda: Retrying().generate(["a", "b"]))[1].calls == 5
    with remembering(AnswerStore()):
        assert [used(lambda: Retrying().generate(["a", "b"]))[1].calls for _ in range(2)] == [5, 2]
