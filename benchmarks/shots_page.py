"""docs/results/demonstrations.md, from what `shots.py` has measured: the scoring rules, their biases, and what demonstrations teach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from sets import ROOT
from shots import SETS, SHOTS, SHOWN, Cell, kept

from fieldguide.approaches.prompting.shots.scoring_rules import PROMPTS
from fieldguide.stats.intervals import over_rows_and_seeds

PAGE = ROOT / "docs" / "results" / "demonstrations.md"
REPLICATES = 4_000
ABOUT = """# What scoring rules mend, and what demonstrations teach

Made by `OMP_NUM_THREADS=1 python benchmarks/shots.py`: SmolLM2-135M-Instruct on the same 100 certify rows of each set in every cell. Demonstrations are those of the
few-shot prompt, class-balanced, drawn anew by each seed. A cell is the mean accuracy over the seeds, ± the standard deviation between them, and in brackets its 95 %
interval over rows and new draws. Figures over all cells and differences, always of the same rows and draws, have intervals from resampling rows and seeds of each set
crosswise (the pigeonhole bootstrap, Owen 2007, Annals of Applied Statistics 1:386–411), the four sets as they are.
"""
Measured = dict[str, dict[Cell, dict[str, Any]]]


def write_page() -> None:
    found: Measured = {name: dict(kept(name)) for name in SETS}
    parts = [ABOUT]
    with suppress(FileNotFoundError):
        parts.append(PAGE.with_name("demonstrations-notes.md").read_text(encoding="utf-8"))
    parts += [*rules_table(found), "", *bias_table(found), "", *teaching_table(found)]
    PAGE.write_text("\n".join(parts) + "\n", encoding="utf-8")


def rows_by_seeds(own: dict[Cell, dict[str, Any]], what: str, shots: int, rule: str, shown: str = "right") -> np.ndarray | None:
    """(rows, seeds) of 0 and 1; None where nothing was measured."""
    columns = [[int(sign) for sign in line["right"]] for cell, line in sorted(own.items()) if (cell.what, cell.shots, cell.rule, cell.shown) == (what, shots, rule, shown)]
    return np.array(columns).T if columns else None


def resampled(blocks: Sequence[np.ndarray], seed: int = 0) -> tuple[float, float, float]:
    """The mean of the means of (rows, seeds) blocks, one a set, and its 95 % interval."""
    rng, drawn = np.random.default_rng(seed), np.zeros(REPLICATES)
    for block in blocks:
        n, s = block.shape
        rows = rng.multinomial(n, np.full(n, 1 / n), REPLICATES) / n
        seeds = rng.multinomial(s, np.full(s, 1 / s), REPLICATES) / s
        drawn += np.einsum("rn,ns,rs->r", rows, block, seeds) / len(blocks)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(np.mean([block.mean() for block in blocks])), float(low), float(high)


def over_shots(found: Measured, rule: str) -> list[np.ndarray]:
    """One block a set: right or not, averaged over the numbers of shots."""
    blocks = []
    for own in found.values():
        each = [block for shots in SHOTS if (block := rows_by_seeds(own, "rules", shots, rule)) is not None]
        if len(each) == len(SHOTS) and len({block.shape for block in each}) == 1:
            blocks.append(np.mean(each, axis=0))
    return blocks


def rules_table(found: Measured) -> Iterator[str]:
    yield "## Scoring rules\n"
    yield f"| set | shots | seeds | {' | '.join(PROMPTS)} |"
    yield "|---" * (len(PROMPTS) + 3) + "|"
    for name, own in found.items():
        for shots in SHOTS:
            blocks = [rows_by_seeds(own, "rules", shots, rule) for rule in PROMPTS]
            if any(block is not None for block in blocks):
                seeds = max(block.shape[1] for block in blocks if block is not None)
                yield f"| {name} | {shots} | {seeds} | {' | '.join(map(accuracy, blocks))} |"
    overall = {rule: over_shots(found, rule) for rule in PROMPTS}
    if all(len(blocks) == len(found) for blocks in overall.values()):
        yield f"| **all cells** | | | {' | '.join('{:.3f} [{:.2f}, {:.2f}]'.format(*resampled(blocks)) for blocks in overall.values())} |"
        gains = [resampled([new - old for new, old in zip(overall[rule], overall["plain"], strict=True)]) for rule in PROMPTS]
        yield f"| **against plain** | | | {' | '.join('{:+.3f} [{:+.2f}, {:+.2f}]'.format(*gain) for gain in gains)} |"


def accuracy(block: np.ndarray | None) -> str:
    if block is None:
        return "–"
    low, high = over_rows_and_seeds(block.astype(float))
    spread = f" ± {block.mean(axis=0).std(ddof=1):.3f}" if block.shape[1] > 1 else ""
    return f"{block.mean():.3f}{spread} [{low:.2f}, {high:.2f}]"


def bias_table(found: Measured) -> Iterator[str]:
    """Means over shots and seeds."""
    yield "Biases of the answers, means over shots and seeds: towards labels (0 to 1), towards the last demonstration's label (−1 to 1), and towards labels that are likely"
    yield "without any content (Spearman's ρ; none with two labels). `fieldguide.verdict.prompt_bias` gives their definitions.\n"
    yield f"| set | bias | {' | '.join(PROMPTS)} |"
    yield "|---" * (len(PROMPTS) + 2) + "|"
    for name, own in found.items():
        for key, words in (("label", "label"), ("recency", "recency"), ("common_token", "common token")):
            shown = [mean_of([line[key] for cell, line in own.items() if cell.what == "rules" and cell.rule == rule]) for rule in PROMPTS]
            if any(value != "–" for value in shown):
                yield f"| {name} | {words} | {' | '.join(shown)} |"


def mean_of(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.2f}" if known else "–"


def teaching_table(found: Measured) -> Iterator[str]:
    """What demonstrations made wrong on purpose do."""
    yield "## What demonstrations teach\n"
    yield "Sixteen demonstrations, with right labels, a share of them flipped to another label, labels drawn at random, the inputs replaced by sentences of another domain, or"
    yield "none at all; scored as they are (plain) and with contextual calibration. The last row takes random labels from right ones, over the sets.\n"
    columns = [(name, rule) for name in found for rule in ("plain", "contextual")]
    yield f"| demonstrations | {' | '.join(f'{name}, {rule}' for name, rule in columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for shown in (*SHOWN, "none"):
        blocks = [rows_by_seeds(found[name], "teaching", 0 if shown == "none" else 16, rule, shown) for name, rule in columns]
        yield f"| {shown} | {' | '.join(map(accuracy, blocks))} |"
    for rule in ("plain", "contextual"):
        for shown in ("all flipped", "random labels", "other inputs"):
            pairs = [(rows_by_seeds(own, "teaching", 16, rule), rows_by_seeds(own, "teaching", 16, rule, shown)) for own in found.values()]
            whole = [right - wrong for right, wrong in pairs if right is not None and wrong is not None and right.shape == wrong.shape]
            if len(whole) == len(found):
                yield f"\nRight labels minus {shown}, {rule}, mean over the sets: {'{:+.3f} [{:+.2f}, {:+.2f}]'.format(*resampled(whole))}."
