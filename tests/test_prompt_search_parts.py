"""The parts of prompt search by hand: successive halving, the policy over edits, what counts as an instruction, what a share of a gap is."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fieldguide.approaches.prompting.edits import DROP, MARK, REWORD, STOP, SWAP, EditPolicy, Episode, joined, phrases
from fieldguide.approaches.prompting.halving import halved, most_arms, rungs
from fieldguide.approaches.prompting.proposals import (
    LAYOUTS,
    ROOM,
    WORKED,
    cleaned,
    continuation,
    draws,
    framed,
    key,
    relation_draws,
    rewording,
    thing_of,
)
from fieldguide.models.fake import FakeModel
from fieldguide.models.model import Generation


def test_rungs_by_hand() -> None:
    assert rungs(8, 48, 100) == [(8, 2), (4, 2 + 4), (2, 2 + 4 + 8)]
    assert rungs(5, 30, 100) == [(5, 2), (3, 2 + 3), (2, 2 + 3 + 5)]
    assert rungs(8, 48, 5) == [(8, 2), (4, 5), (2, 5)]
    assert rungs(1, 10, 5) == []
    assert most_arms(48, 8) == 8
    assert (most_arms(23, 8), most_arms(0, 8)) == (7, 1)  # 8 × 3 pulls are too many, 7 × 3 are not


def test_halving_keeps_to_its_budget_and_gives_every_arm_a_row() -> None:
    for arms in range(1, 40):
        for budget in (0, 1, 7, 60, 333):
            pulls: dict[int, int] = {}

            def judge(own: list[int], seen: int, pulls: dict[int, int] = pulls) -> list[float]:
                pulls.update(dict.fromkeys(own, seen))
                return [-float(arm) for arm in own]

            order = halved(range(arms), judge, budget, 12)
            assert order[0] == 0
            assert sorted(order) == list(range(most_arms(budget, arms)))
            assert sum(pulls.values()) <= budget
            assert all(1 <= seen <= 12 for seen in pulls.values())


def test_halving_by_hand() -> None:
    """Arm d looks best on the first rows and falls back on more; of arms that tie the earlier stays."""
    scores = {"a": [0.5, 0.5], "b": [0.5, 0.9], "c": [0.5, 0.1], "d": [1.0, 0.2]}
    asked: list[tuple[str, int]] = []

    def judge(own: list[str], seen: int) -> list[float]:
        asked.append(("".join(own), seen))
        return [scores[arm][len(asked) - 1] for arm in own]

    assert halved(list("abcd"), judge, 16, 10) == ["a", "d", "b", "c"]
    assert asked == [("abcd", 2), ("da", 2 + 4)]


def test_reinforce_is_the_gradient_of_log_pi_times_the_advantage() -> None:
    """Rewards 1 and 0: baseline 1/2, standard deviation 1/2, so the advantages are +1 and −1; the gradient is checked by differences."""
    policy = EditPolicy(["of the word"], 0, rate=0.25)
    policy.logits = np.array([0.3, -0.2, 0.1, 0.0, -0.4, 0.5])
    every, some = np.ones(6, dtype=bool), np.array([False, False, True, True, False, True])
    episodes = [Episode((), "one", ((5, every), (STOP, some))), Episode((), "two", ((REWORD, some),))]

    def objective(logits: np.ndarray) -> float:
        probe = EditPolicy(policy.pool, 0)
        probe.logits = logits
        logs = [sum(math.log(probe.probabilities(possible)[edit]) for edit, possible in each.steps) for each in episodes]
        return logs[0] - logs[1]

    before, tiny = policy.logits.copy(), 1e-6
    slope = [(objective(before + tiny * e) - objective(before - tiny * e)) / (2 * tiny) for e in np.eye(6)]
    policy.learn(episodes, [1.0, 0.0])
    assert policy.logits == pytest.approx(before + 0.25 * np.array(slope), abs=1e-6)
    kept = policy.logits.copy()
    policy.learn([episodes[0]], [0.5])  # just the baseline: nothing to learn
    assert policy.logits == pytest.approx(kept)


def test_the_policy_learns_which_edit_pays() -> None:
    policy = EditPolicy(["in French", "at once", "of the word"], 1)
    for _ in range(40):
        episodes = [policy.episode("Write the plural", 2, lambda text: None) for _ in range(4)]
        policy.learn(episodes, [float("at once" in each.instruction) for each in episodes])
    probabilities = policy.probabilities(np.ones(8, dtype=bool))
    assert probabilities.argmax() == 6
    assert probabilities[6] > 0.6


def test_edits_do_what_their_names_say() -> None:
    policy = EditPolicy(["in French"], 0)
    pieces = ["Write the plural", "of the word", "with care"]
    dropped = policy._edited(pieces, DROP, str)
    assert len(dropped) == 2 and set(dropped) < set(pieces)  # noqa: PT018
    swapped = policy._edited(pieces, SWAP, str)
    assert sorted(swapped) == sorted(pieces) and swapped != pieces  # noqa: PT018
    assert policy._edited(pieces, 5, str) == [*pieces, "in French"]
    assert policy._edited(pieces, REWORD, lambda text: f"Do this: {text}") == ["Do this:", "Write the plural", "of the word", "with care"]
    assert policy._edited(pieces, REWORD, lambda text: None) == pieces
    assert not policy._possible(["Write"])[[DROP, SWAP]].any()
    assert not policy._possible(["Write", "In french"])[5], "a phrase that stands there already is not appended"


def test_phrases_and_back() -> None:
    text = "Write the plural of the word, with a full stop."
    assert phrases(text) == ["Write the plural", "of the word,", "with a full stop"]
    assert joined(phrases(text), ".") == text
    assert joined(["write it,"], ":") == "Write it:"
    assert joined(["who is it?"], ".") == "Who is it?"
    assert joined([], ".") == ""


def test_the_mark_at_the_end_goes_round() -> None:
    policy = EditPolicy([], 0)
    policy.logits = np.array([-99.0, -99.0, -99.0, -99.0, 99.0])
    assert [policy.episode("Write it.", most, lambda text: None).instruction for most in (1, 2, 3)] == ["Write it:", "Write it", "Write it."]
    assert policy._edited(["Write it"], MARK, str) == ["Write it"]


@pytest.mark.parametrize(
    ("written", "instruction"),
    [
        (' "Write the opposite." It is easy', "Write the opposite."),
        (" 1. Instruction: Write the opposite.", "Write the opposite."),
        (" The rule is: What is the opposite of:", "What is the opposite of:"),
        (" Opposite", None),
        (" 12 34 56", None),
        ("", None),
        (" Input: hot Output: cold", None),
        (" hot -> cold", None),
        (" word" * 41, None),
    ],
)
def test_what_counts_as_an_instruction(written: str, instruction: str | None) -> None:
    assert cleaned(Generation(written, 9, "stop")) == instruction


def test_what_breaks_off_is_no_instruction() -> None:
    assert cleaned(Generation(" Write the opposite of the", ROOM, "length")) is None
    assert cleaned(Generation(" Write the opposite. And then the", ROOM, "length")) == "Write the opposite."
    assert cleaned(Generation(" opposite of it.", 4, "stop"), "Write the") == "Write the opposite of it."
    assert key("Write the Opposite!") == key("write the “opposite”")


@pytest.mark.parametrize(
    ("written", "instructions"),
    [
        (' plural of "cat".', ["Write the plural of the word.", "What is the plural of the word?", "For each input, give the plural of the word."]),
        (' German word for the English "cat', ["Write the German word for the word."]),
        (" name of the lion.", [None]),
        (' "cat" of "cats"', [None]),
    ],
)
def test_a_relation_is_put_into_an_instruction(written: str, instructions: list[str | None]) -> None:
    assert [framed(Generation(written, 6, "stop"), place, "word") for place in range(len(instructions))] == instructions


def test_prompts_for_a_relation_end_with_one_examples_answer() -> None:
    examples = [("cat", "cats"), ("dog", "dogs"), ("two words", "no")]
    prompts = relation_draws(examples, 3, np.random.default_rng(0), FakeModel())
    assert [prompt.splitlines()[-1] for prompt in prompts] == ['"cats" is the', '"dogs" is the', '"no" is the']
    assert all(len(prompt.splitlines()) == 5 and "sentence" not in prompt for prompt in prompts)
    assert relation_draws(examples, 3, np.random.default_rng(0), Short()) == []
    assert (thing_of(examples), thing_of([("two words", "x")])) == ("word", "text")


class Short(FakeModel):
    def __init__(self) -> None:
        super().__init__()
        self.facts = replace(self.facts, context=ROOM)


def test_prompts_show_examples_and_end_where_the_instruction_is_to_be_written() -> None:
    examples = [(f"text {i}", f"answer {i}") for i in range(9)]
    prompts = draws(examples, 6, 4, np.random.default_rng(0), FakeModel())
    assert len(set(prompts)) == 6
    for i, prompt in enumerate(prompts):
        assert sum(f"{text} " in prompt or f"{text}\n" in prompt for text, _ in examples) == 4
        assert sum(instruction in prompt for _, instruction in WORKED) == 4
        assert prompt.endswith(LAYOUTS[i % 3].cue)
    longer, begun = continuation(prompts[0], "Write the plural of the word.", np.random.default_rng(0))
    assert longer == f"{prompts[0]} {begun}"
    assert "Write the plural of the word.".startswith(begun + " ")
    assert rewording("Write it.", np.random.default_rng(0)).endswith("Instruction: Write it.\nIn other words:")


def test_the_share_of_a_gap_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """None 0, people's mean 1/2, found 1 of 4 rows: half of the gap. A sub-task without a gap does not count."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import induction

    cell = next(iter(induction.SEARCHES))
    found = {
        "wide": {"none": {"scores": [0, 0, 0, 0] * 9, "score": 0.0}, cell: {"scores": [1, 0, 0, 0] * 9, "score": 0.25, "calls": 7, "instruction": "a|b"}},
        "none": {"none": {"scores": [1, 0, 0, 0] * 9, "score": 0.25}, cell: {"scores": [0] * 36, "score": 0.0, "calls": 7, "instruction": ""}},
    }
    people = {
        "wide": [{"scores": [1, 1, 0, 0] * 9, "score": 0.5, "instruction": "x"}, {"scores": [0, 0, 1, 1] * 9, "score": 0.5, "instruction": "y"}],
        "none": [{"scores": [1, 0, 0, 0] * 9, "score": 0.25, "instruction": "z"}],
    }
    (line,) = induction.shares(found, people)
    assert "(1 sub-tasks), 50% of it is closed" in line
    assert "at least half of it on 1 of them" in line
    rows = list(induction.table(found, people))
    assert "| wide | 36 | 0.00 | – | 0.50 (0.50) | 0.50 | 0.25, 50%, 7 |" in rows[2]
    assert "0.00, –, 7" in rows[3]
    assert "| wide | x | a\\|b |" in list(induction.instructions(found, people))[2]
    sys.modules.pop("induction")
