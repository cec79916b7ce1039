"""The variance split of a verdict: what it counts, how it is said, and that it is right on average."""

from __future__ import annotations

from math import sqrt

import pytest
from test_verdict import World

from fieldguide.verdict.cells import Cell, gather
from fieldguide.verdict.measure import Ruler
from fieldguide.verdict.spread import variance_split
from fieldguide.verdict.verdict import VarianceSplit


def measured(world: World) -> tuple[Ruler, Cell]:
    evidence = world.evidence()
    return Ruler(tuple(evidence.targets.values())), gather(evidence)[0].cell


def split_of(world: World, n_available: int = 1024, metric: str = "accuracy") -> VarianceSplit:
    ruler, cell = measured(world)
    found = variance_split(ruler, metric, cell, n_available)
    assert found is not None
    return found


def apart(qualities: tuple[float, ...], certify: int = 400, **about: object) -> World:
    world = World(certify=certify, select=0)
    for seed, quality in enumerate(qualities):
        world.add("a", quality, first_seed=seed, noise=0.1, **about)  # type: ignore[arg-type]
    return world


def test_one_seed_has_nothing_to_split():
    ruler, cell = measured(World().add("a", 0.8))
    assert variance_split(ruler, "accuracy", cell, 1024) is None


def test_seeds_that_differ_are_where_the_uncertainty_comes_from():
    found = split_of(apart((0.7, 0.8, 0.9)))
    assert found.seeds > 3 * found.rows > 0
    assert found.one_seed == pytest.approx(3 * found.seeds)
    assert sqrt(found.one_seed) == pytest.approx(0.1, abs=0.03)
    assert found.sentence.startswith("Of the uncertainty of this figure, ")
    assert f"a single solver would vary by about {100 * sqrt(found.one_seed):.1f}".rstrip("0").rstrip(".") in found.sentence
    assert found.sentence.endswith("(standard deviation) with another training run.")


def test_seeds_that_do_not_differ_leave_it_all_to_the_rows():
    found = split_of(World(certify=400, select=0).add("a", 0.8, seeds=3, noise=0.0))
    assert (found.seeds, found.one_seed) == (0.0, 0.0)
    assert found.rows == pytest.approx(0.16 / 400, rel=0.2)
    assert found.sentence.startswith("All of the uncertainty that shows in this figure comes from the rows: its 3 seeds differ by no more than")
    perfect = split_of(World(certify=50, select=0).add("a", 2.0, seeds=2))
    assert perfect.rows == 0
    assert perfect.sentence == "The seeds gave every row the same score, so nothing is left to split."


def test_what_seeds_vary_depends_on_labels_and_family():
    world = apart((0.7, 0.9))
    assert split_of(world, 2048).what == "label draw and training"
    assert "with another label draw and training run" in split_of(world, 2048).sentence
    assert split_of(world, 1024).what == "training"
    prompted = split_of(apart((0.7, 0.9), family="prompting"), 2048)
    assert prompted.what == "demonstrations and their order"
    assert "a rough figure from two seeds" in prompted.sentence


def test_macro_f1_is_split_through_its_pseudo_values():
    world = apart((0.7, 0.8, 0.9))
    one, other = split_of(world, metric="macro_f1"), split_of(world)
    assert one.seeds == pytest.approx(other.seeds, rel=0.5)
    assert one.rows > other.rows, "rare labels weigh more in macro-F1"


def test_sentences_are_whole_and_shares_add_up():
    for qualities in ((0.7, 0.72), (0.8, 0.81, 0.79), (0.5, 0.9), (0.8, 0.8)):
        text = split_of(apart(qualities)).sentence
        assert text[0].isupper()
        assert text.endswith(".")
        assert ".." not in text
        shares = [int(word) for word, unit in zip(text.split(), text.split()[1:], strict=False) if unit == "%"]
        assert len(shares) != 2 or sum(shares) == 100


def test_interval_of_a_cell_speaks_of_new_seeds_and_is_wider_for_them():
    ruler, cell = measured(apart((0.7, 0.8, 0.9)))
    several = ruler.estimate("accuracy", cell)
    single = ruler.estimate("accuracy", Cell("one", cell.n_labels, cell.records[:1], cell.rows, cell.answers[1:2], len(cell.rows)))
    assert single.method == "Wilson over rows, the seed as run"
    assert several.method == "score interval over rows and new seeds"
    assert several.high - several.low > 3 * (single.high - single.low)
    other, pair = measured(apart((0.7, 0.9)))
    assert other.estimate("accuracy", pair).method == "score interval over rows, the two seeds as run"
    assert ruler.estimate("macro_f1", cell).method == "jackknife over rows and new seeds"
