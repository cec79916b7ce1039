"""The page of the decision benchmark, `docs/results/decisions.md`, written from the records of its runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from decision_rules import best_on_average

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "results" / "decisions.md"
NOTES = ROOT / "docs" / "results" / "decisions-notes.md"
RULES = (
    "decide", "best estimate", "the key alone", "always zero-shot", "always fine-tune", "always linear probe", "best on average", "uniform",
    "successive halving", "everything measured",
)  # fmt: skip
REPLICATES = 4_000
Record = Mapping[str, Any]
Facts = tuple[tuple[str, Callable[[Sequence[Record]], str]], ...]
"""(title, what it says of the records of one budget)."""


def write(work: Path, page: Path | None = None) -> None:
    """The page, from whatever is done."""
    worlds, real = list(read(work, "worlds")), list(read(work, "real"))
    parts = [
        "# Decisions, held to account\n",
        "Made by `python benchmarks/decisions.py --worlds 2000 --real`. A study gets 5, 15 or 30 % of what every trial on every row would cost.",
        "*Regret* is what the pick loses in points of accuracy against the best single choice there is; a cascade can do better than that, so regret",
        "can fall below 0. *Cost* is the pick's running cost over that of the cheapest choice within 2 points of the best, median. *Worse than decide by*",
        "is the mean of paired differences in regret, positive where `decide` is better, with the 95 % interval of a bootstrap over worlds or sets.",
        "The rules: `best estimate` is the approach that measured best, before cost is looked at; `everything measured` has no budget and takes the",
        "best mean over all select and certify rows: what the rows alone allow; `uniform` and `successive halving` spend what `decide` may spend.\n",
    ]
    if NOTES.is_file():
        parts.append(NOTES.read_text(encoding="utf-8"))
    if worlds:
        parts += world_section(worlds)
    if real:
        parts += real_section(real)
    target = page or PAGE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(parts) + "\n", encoding="utf-8")


def read(work: Path, what: str) -> Iterator[Record]:
    """The records of all parts, each world or set and budget once; a line that a kill left half written is passed over."""
    seen = set()
    for file in sorted(work.glob(f"{what}-*-of-*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if not line.endswith("}"):
                continue
            record = json.loads(line)
            mark = (record.get("world"), record.get("set"), record.get("repetition"), record["share"])
            if mark not in seen:
                seen.add(mark)
                yield record


# Worlds.


def world_section(records: Sequence[Record]) -> list[str]:
    names = sorted({record["world"] for record in records})
    lines = [f"## {len(names):,} simulated worlds\n"]
    return [*lines, *_tables(records, "world", WORLD_FACTS, "against the truth"), "", *_kinds(records)]


def _kinds(records: Sequence[Record]) -> list[str]:
    """By kind of world, at the middle budget."""
    share = sorted({record["share"] for record in records})
    middle = [record for record in records if record["share"] == share[len(share) // 2]]
    lines = [
        f"By kind, at {share[len(share) // 2]:.0%}:\n",
        "| kind | worlds | mean regret | median | within 1 point | everything measured, within 1 point | sure | false | violated | cascades |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(record["kind"] for record in middle):
        own = [record for record in middle if record["kind"] == kind]
        regret, whole = _regrets(own, "decide"), _regrets(own, "everything measured")
        cells = [
            kind, f"{len(own)}", f"{100 * regret.mean():.2f}", f"{100 * np.median(regret):.2f}", _share(regret <= 0.01), _share(whole <= 0.01),
            _share([r["sure"] for r in own]), _share([r["false"] > 0 for r in own]), _share([r["violated"] for r in own]),
            _share([r["cascade"] for r in own]),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _octaves(records: Sequence[Record]) -> str:
    errors = [error for record in records for error in record["break_even"]]
    return f"{np.median(errors):.2f} of {len(errors)}" if errors else "–"


WORLD_FACTS: Facts = (
    ("studies with a false “A is better than B”", lambda own: _share([r["false"] > 0 for r in own])),
    ("claims that are false", lambda own: f"{sum(r['false'] for r in own)} of {sum(r['claims'] for r in own):,}"),
    ("studies with a loss above its bound (5 % allowed)", lambda own: _share([r["violated"] for r in own])),
    ("… the recommended approach's", lambda own: _share([r["violated_recommended"] for r in own])),
    ("certified cascades that break their promise (5 % allowed)", lambda own: f"{sum(r['broken'] for r in own)} of {sum(r['certified'] for r in own)}"),
    ("studies that gave up the best approach (1 % allowed)", lambda own: _share([r["gave_up_best"] for r in own])),
    ("… where rows are not shifted", lambda own: _share([r["gave_up_best"] for r in own if r["kind"] != "rows are shifted"])),
    (
        "with 40 certify rows, claims on a measured difference of 2 points or less",
        lambda own: f"{sum(r['close_claims'] for r in own if r['kind'] == 'forty certify rows')}",
    ),
    ("a trivial baseline recommended", lambda own: f"{sum(r['trivial'] for r in own)}"),
    ("sure", lambda own: _share([r["sure"] for r in own])),
    ("a cascade recommended", lambda own: _share([r["cascade"] for r in own])),
    ("break-even error in octaves, median", _octaves),
    ("break-even points given where curves do not cross", lambda own: f"{sum(r['made_up'] for r in own)}"),
    ("break-even intervals that hold the truth", lambda own: _share_of(sum(r["inside"] for r in own), sum(len(r["break_even"]) for r in own))),
    ("spent, of the exhaustive spend", lambda own: f"{np.mean([r['spent'] for r in own]):.1%}"),
)


# Real sets.


def real_section(records: Sequence[Record]) -> list[str]:
    names = sorted({record["set"] for record in records})
    lines = ["", f"## {len(names)} real sets\n", f"Each with {len({r['repetition'] for r in records})} repetitions, whose seeds are rotated: {', '.join(names)}.\n"]
    return [*lines, *_tables(records, "set", REAL_FACTS, "against sealed rows"), "", *_sets(records)]


def _sets(records: Sequence[Record]) -> list[str]:
    share = sorted({record["share"] for record in records})
    middle = [record for record in records if record["share"] == share[len(share) // 2]]
    lines = [f"By set, at {share[len(share) // 2]:.0%}, mean regret in points:\n", "| set | decide | uniform | successive halving | everything measured | picks |", "|---|---|---|---|---|---|"]
    for name in dict.fromkeys(record["set"] for record in middle):
        own = [record for record in middle if record["set"] == name]
        means = [f"{100 * _regrets(own, rule).mean():.2f}" for rule in ("decide", "uniform", "successive halving", "everything measured")]
        picks = ", ".join(dict.fromkeys(f"{r['rules']['decide']['part']} ({r['rules']['decide']['n']})" for r in own))
        lines.append(f"| {name} | {' | '.join(means)} | {picks} |")
    return lines


def _off_by(records: Sequence[Record], name: str) -> str:
    errors = np.abs([error for record in records for error in record[name]])
    return f"{np.expm1(np.median(errors)):.1%}, at most {np.expm1(errors.max()):.0%}" if errors.size else "–"


REAL_FACTS: Facts = (
    ("studies with an “A is better than B” that sealed rows contradict", lambda own: _share([r["false"] > 0 for r in own])),
    ("claims contradicted", lambda own: f"{sum(r['false'] for r in own)} of {sum(r['claims'] for r in own):,}"),
    ("studies with a loss above its bound on sealed rows, significantly", lambda own: _share([r["violated"] for r in own])),
    ("… the recommended approach's", lambda own: _share([r["violated_recommended"] for r in own])),
    ("a trivial baseline recommended", lambda own: f"{sum(r['trivial'] for r in own)}"),
    ("sure", lambda own: _share([r["sure"] for r in own])),
    ("a cascade recommended", lambda own: _share([r["cascade"] for r in own])),
    ("running cost off by, median", lambda own: _off_by(own, "cost_errors")),
    ("median latency off by, median", lambda own: _off_by(own, "latency_errors")),
    ("spent, of the exhaustive spend", lambda own: f"{np.mean([r['spent'] for r in own]):.1%}"),
)


# Shared.


def _tables(records: Sequence[Record], group: str, facts: Facts, against: str) -> list[str]:
    """The rules at each budget, the records grouped by `group`, and what the verdicts claimed."""
    budgets, lines = list(_by_share(records)), []
    for share, own in budgets:
        groups = [record[group] for record in own]
        lines += _rules(_with_average(own, groups), share, groups)
    lines += ["", f"What the verdicts claimed, {against}:\n", "| | " + " | ".join(f"{share:.0%}" for share, _ in budgets) + " |"]
    lines.append("|---|" + "---|" * len(budgets))
    return [*lines, *(f"| {title} | " + " | ".join(of(own) for _, own in budgets) + " |" for title, of in facts)]


def _rules(records: Sequence[Record], share: float, groups: Sequence[str]) -> list[str]:
    """The table of rules at one budget; records of one group belong together."""
    lines = [
        f"\n**{share:.0%} of the exhaustive spend**\n",
        "| rule | mean regret | at most (95 %, one-sided) | median | within 1 point | cost | worse than decide by |",
        "|---|---|---|---|---|---|---|",
    ]
    own = _regrets(records, "decide")
    for rule in RULES:
        if not all(rule in record["rules"] for record in records):
            continue
        regret, cost = _regrets(records, rule), [record["rules"][rule]["cost"] for record in records]
        mean, _, upper = clustered(regret, groups, 0.9)
        gain, low, high = clustered(regret - own, groups, 0.95)
        paired = "" if rule == "decide" else f"{100 * gain:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"
        cells = [rule, f"{100 * mean:.2f}", f"{100 * upper:.2f}", f"{100 * np.median(regret):.2f}", _share(regret <= 0.01), f"{np.median(cost):.2f}", paired]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def clustered(values: np.ndarray, groups: Sequence[str], level: float) -> tuple[float, float, float]:
    """(mean, low, high) of the mean of group means: the percentile bootstrap over groups (Efron & Tibshirani 1993, section 13.3), two-sided."""
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    means = np.bincount(place, weights=values) / np.bincount(place)
    drawn = np.random.default_rng(0).integers(len(names), size=(REPLICATES, len(names)))
    low, high = np.quantile(means[drawn].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(means.mean()), float(low), float(high)


def _with_average(records: Sequence[Record], groups: Sequence[str]) -> list[Record]:
    """The records with what is best on average elsewhere among their rules."""
    parts = best_on_average([{part: pick["regret"] for part, pick in record["alone"].items()} for record in records], groups)
    return [{**r, "rules": {**r["rules"], "best on average": r["alone"][part]}} for r, part in zip(records, parts, strict=True)]


def _by_share(records: Sequence[Record]) -> Iterator[tuple[float, list[Record]]]:
    for share in sorted({record["share"] for record in records}):
        yield share, [record for record in records if record["share"] == share]


def _regrets(records: Sequence[Record], rule: str) -> np.ndarray:
    return np.array([record["rules"][rule]["regret"] for record in records])


def _share(flags: Any) -> str:
    flags = list(flags)
    return f"{np.mean(flags):.1%}" if flags else "–"


def _share_of(some: int, whole: int) -> str:
    return f"{some / whole:.1%} of {whole}" if whole else "–"
