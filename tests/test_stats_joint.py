"""Joint one-sided bounds: Dunnett's published constants, limits, and family-wise coverage over simulated studies."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from test_verdict import World

from fieldguide.stats.intervals import quantile
from fieldguide.stats.joint import max_t_level
from fieldguide.stats.paired import simultaneous_level, upper_bound
from fieldguide.verdict.cells import gather
from fieldguide.verdict.compare import Comparison, compare
from fieldguide.verdict.measure import Ruler

DUNNETT_1955 = [(2, 1.92), (3, 2.06), (4, 2.16), (5, 2.23), (6, 2.29), (7, 2.34), (9, 2.42)]
"""Dunnett 1955, JASA 50:1096–1121, Table 1a: one-sided 5 %, infinite degrees of freedom, differences from one control (correlation ½)."""


@pytest.mark.parametrize(("comparisons", "critical"), DUNNETT_1955)
def test_max_t_gives_dunnetts_constants(comparisons, critical):
    scores = np.linalg.qr(np.random.default_rng(0).standard_normal((4000, comparisons + 2)))[0][:, 1:] * 1000  # uncorrelated, equal variance
    scores -= scores.mean(axis=0)
    assert quantile(max_t_level(scores[:, :1] - scores[:, 1:])) == pytest.approx(critical, abs=0.02)


def test_level_lies_between_a_single_bound_and_bonferroni():
    rng = np.random.default_rng(1)
    alike = rng.standard_normal((500, 1)) * 20 + rng.standard_normal((500, 6)) * 0.01
    apart = rng.standard_normal((500, 6)) * 20
    assert max_t_level(alike) == pytest.approx(0.95, abs=0.004)
    assert simultaneous_level(0.95, 6) - 0.0015 < max_t_level(apart) <= simultaneous_level(0.95, 6)
    assert max_t_level(apart[:, :1]) == 0.95
    assert max_t_level(apart, 0.96) > max_t_level(apart)
    assert max_t_level(apart) == max_t_level(apart)


def test_few_differing_rows_are_left_to_bonferroni():
    """Differences that rest on one and the same row are perfectly correlated in the sample, which is not believed."""
    d = np.zeros((200, 5))
    assert simultaneous_level(0.95, 5) - 0.001 < max_t_level(d) <= simultaneous_level(0.95, 5)
    d[0] = 1.0
    assert max_t_level(d) > 0.985
    assert max_t_level(np.zeros((0, 5))) == simultaneous_level(0.95, 5)


def test_a_part_of_a_family_spends_its_part_of_the_error():
    d = np.random.default_rng(2).standard_normal((300, 3)) * 20
    assert max_t_level(d[:, :1], comparisons=10) == pytest.approx(0.995)
    assert max_t_level(d, comparisons=10) == pytest.approx(0.985 ** (1 / 3), abs=0.0015)
    assert max_t_level(d, comparisons=10) <= 0.995


def family_wise(n: int, qualities: tuple[float, ...], shared: float, runs: int) -> tuple[float, float]:
    """(share of studies in which all bounds of the first approach over the others hold, their mean width over Bonferroni's)."""
    rng, threshold = np.random.default_rng(n), np.array([NormalDist().inv_cdf(q) for q in qualities])
    truth, held, widths = qualities[0] - np.array(qualities[1:]), 0, np.zeros(2)
    for _ in range(runs):
        row, own = rng.standard_normal((n, 1)), rng.standard_normal((n, len(qualities)))
        right = (np.sqrt(shared) * row + np.sqrt(1 - shared) * own < threshold).astype(float)
        d = right[:, :1] - right[:, 1:]
        bounds = np.array([[upper_bound(each, level) for each in d.T] for level in (max_t_level(d), simultaneous_level(0.95, d.shape[1]))])
        held += bool((bounds[0] >= truth - 1e-12).all())
        widths += (bounds - d.mean(axis=0)).mean(axis=1)
    return held / runs, widths[0] / widths[1]


@pytest.mark.parametrize(("n", "shared"), [(40, 0.8), (130, 0.3)])
def test_all_bounds_hold_at_once_where_the_top_is_tied(n, shared):
    """2,000 studies of six equal approaches: at least 95 % within Monte Carlo error, with narrower bounds than Bonferroni's."""
    held, width = family_wise(n, (0.8,) * 6, shared, 2000)
    assert held >= 0.935
    assert width < 0.98


@pytest.mark.slow
@pytest.mark.parametrize("n", [40, 130, 400])
@pytest.mark.parametrize("qualities", [(0.8,) * 8, (0.95,) * 8, (0.82, 0.82, 0.81, 0.8, 0.78, 0.75, 0.7, 0.6)])
def test_all_bounds_hold_at_once_everywhere(n, qualities):
    for shared in (0.3, 0.8, 0.97):
        held, width = family_wise(n, qualities, shared, 2000)
        assert held >= 0.935, (n, qualities, shared, held)
        assert width < 0.985


def test_comparison_asks_less_than_bonferroni_and_shares_the_error_across_other_rows():
    """Five approaches on the same 300 rows, then one more that answered 75 of them: its bound stands alone, at Bonferroni's level."""
    world = World(certify=300, select=0)
    for i in range(5):
        world.add(f"a{i}", 0.8, noise=0.1)
    same = compared(world)
    assert 0.95 < same.level < simultaneous_level(0.95, 4)
    mixed = compared(world.add("prompt", 0.8, family="prompting", rows=75, noise=0.1))
    assert same.level < mixed.level <= simultaneous_level(0.95, 5) + 1e-12
    assert compared(world, 0.96).level > mixed.level - 1e-12
    alone = World(certify=300, select=0).add("only", 0.8)
    assert compared(alone).level == 0.95
    assert compared(alone, 0.96).level == 0.96


def compared(world: World, level: float = 0.95) -> Comparison:
    evidence = world.evidence()
    cells = [entry.cell for entry in gather(evidence)]
    return compare(Ruler(tuple(evidence.targets.values())), "accuracy", cells, [cell.key for cell in cells], level)
