"""Duplicates, exact and near: the rule on short texts, Chinese, templates, and against brute force."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import numpy as np
import pytest

from fieldguide.tasks import overlap
from fieldguide.tasks.overlap import near_duplicate_groups, normalise, overlapping, repeats

DATA = Path(os.environ.get("FIELDGUIDE_DATA", Path(__file__).parents[1].parent / "shared" / "data")) / "tasks"


def same(a: str, b: str) -> bool:
    groups = near_duplicate_groups([a, b])
    assert bool(groups[0] == groups[1]) == bool(overlapping([a], [b]))
    return bool(groups[0] == groups[1])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Where is my card?", "where  is my\tCARD"),
        ("ｆｕｌｌ width", "full width"),
        ("hello", "Hello!!"),
        ("", "  "),
        ("!!!", "!!!"),
        ("ok", "OK."),
        ("who was galileo ?", "Who was Galileo?"),
        ("品质保障看北汽如何为新IP保驾护航", "品质保障，看北汽如何为新IP保驾护航！"),
        ("I have waited for my new card for over two weeks now, is it lost?", "I have waited for my new card for over two weeks now, was it lost?"),
    ],
)
def test_duplicates(a, b):
    assert same(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("transfer 100 to Anna", "transfer 200 to Anna"),
        ("Is this a good film?", "Is this a bad film?"),
        ("I did get my money back", "I did not get my money back"),
        ("yes", "no"),
        ("great :)", "great :("),
        ("c", "c++"),
        ("", "a"),
        ("农村依然很重视土葬", "城市依然很重视土葬"),
        ("!!!", "??"),
    ],
)
def test_different(a, b):
    assert not same(a, b)


def test_groups_are_numbered_by_first_appearance_and_chain():
    texts = ["b", "a", "B ", "long text with many words in it, the first of three to come", "a"]
    assert near_duplicate_groups(texts).tolist() == [0, 1, 0, 2, 1]
    assert near_duplicate_groups([]).tolist() == []


def test_the_most_similar_is_named_once_for_each_row():
    base = "the quick brown fox jumps over the lazy dog near the old stone bridge by the river"
    found = overlapping(["other words", base + " again", base, base.upper()], [base + " today", base])
    assert [(i, j) for i, j, _ in found] == [(1, 1), (2, 1), (3, 1)]
    assert [s for _, _, s in found][1:] == [1.0, 1.0]
    assert 0.8 <= found[0][2] < 1


def test_repeats_is_a_mask():
    assert repeats(["a", "b", "A"], ["a"]).tolist() == [True, False, True]
    assert repeats([], ["a"]).tolist() == []
    assert repeats(["a"], []).tolist() == [False]


def noisy(n: int) -> list[str]:
    """Random sentences, and copies of them with up to three letters changed."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(500)]
    texts = [" ".join(rng.choices(words, k=rng.randint(3, 30))) for _ in range(n // 2)]
    for text in texts[:]:
        letters = list(text)
        for _ in range(rng.randint(0, 3)):
            letters[rng.randrange(len(letters))] = rng.choice("xyz")
        texts.append("".join(letters))
    return texts


def shingles(text: str) -> set[str]:
    return {text[k : k + 5] for k in range(max(len(text) - 4, 1))}


def test_candidates_miss_next_to_nothing():
    texts = noisy(600)
    sets = [shingles(normalise(text)) for text in texts]
    near = {(i, j) for i in range(300) for j in range(300, 600) if len(sets[i] & sets[j]) >= 0.8 * len(sets[i] | sets[j])}
    found = {(i, j + 300) for i, j, _ in overlapping(texts[:300], texts[300:])}
    groups = near_duplicate_groups(texts)
    assert len(near) > 100
    assert found <= near
    assert len({i for i, _ in near} - {i for i, _ in found}) <= 2
    assert np.mean([groups[i] == groups[j] for i, j in near]) > 0.98


def test_order_of_rows_and_process_do_not_matter():
    texts = noisy(200)
    a, b = near_duplicate_groups(texts), near_duplicate_groups(texts[::-1])[::-1]
    assert [a[i] == a[i + 100] for i in range(100)] == [b[i] == b[i + 100] for i in range(100)]


def test_past_the_limit_only_exact_duplicates(monkeypatch):
    monkeypatch.setattr(overlap, "NEAR_LIMIT", 2)
    assert near_duplicate_groups(["who was galileo ?", "who was galileo", "Who was  Galileo ?", "b"]).tolist() == [0, 1, 0, 2]
    assert overlapping(["who was galileo ?", "B"], ["who was galileo", "b"]) == [(1, 1, 1.0)]


@pytest.mark.parametrize("template", [True, False])
def test_time_grows_with_rows_only(template):
    rng = random.Random(1)
    if template:
        texts = [f"order {rng.randint(10**5, 10**6)} has not arrived yet please help me now thanks {rng.choice('abcdef') * 7}" for _ in range(5_000)]
    else:
        texts = noisy(5_000)
    start = time.process_time()
    near_duplicate_groups(texts)
    assert time.process_time() - start < 10  # about 1 s; a comparison of all pairs would take minutes


def texts_of(name: str, split: str) -> list[str]:
    path = DATA / name / f"{split}.jsonl"
    if not path.exists():
        pytest.skip(f"the data set {name} is not at {DATA}")
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def test_the_known_repeats_of_trec_are_found():
    train, test = texts_of("trec6", "train"), texts_of("trec6", "test")
    verbatim = {j for j, text in enumerate(test) if text in set(train)}
    assert len(verbatim) == 10
    exact = {j for _, j, similarity in overlapping(train, test) if similarity == 1}
    assert verbatim <= exact
    assert len(exact) == 11  # one more but for case
