"""The kinds of simulated worlds: what each is about, drawn as plain numbers. `testing.worlds` makes worlds of them.

Qualities are shares of right answers, costs dollars. Sizes and costs are of the order of those of the real approaches that the
parts are named after: an API's price for prompts, a rented machine's for the rest. The shares of difficulty that approaches have
in common give errors a tetrachoric correlation of 0.4 to 0.75, as leading approaches have on the real sets of `benchmarks/reference.py`,
and confidences tell right answers from wrong ones with an AUC of 0.58 to 0.83, as there.
One world in seven has a curve that falls or dips, the share of ill-behaved curves among real ones (Yan, Mohr & Viering 2025,
arXiv:2505.15657, abstract: about 14 %).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

POINT = 0.01
PARTS: dict[str, dict[str, Any]] = {
    "tfidf-logreg": {"title": "TF-IDF", "family": "baseline", "training": True, "row_usd": 1e-6, "label_usd": 1e-6, "seed_sd": 0.02},
    "embedding-zero-shot": {"title": "Embedding zero-shot", "family": "embedding", "most_labels": 0, "row_usd": 2e-5},
    "embedding-knn": {"title": "Nearest neighbours", "family": "embedding", "training": True, "row_usd": 2.5e-5, "label_usd": 2e-5, "seed_sd": 0.015},
    "linear-probe": {"title": "Linear probe", "family": "embedding", "training": True, "row_usd": 2e-5, "label_usd": 2e-5, "seed_sd": 0.015},
    "prompt-zero-shot": {"title": "Zero-shot prompt", "family": "prompting", "most_labels": 0, "row_usd": 1e-3},
    "prompt-few-shot": {"title": "Few-shot prompt", "family": "prompting", "most_labels": 16, "row_usd": 2.5e-3, "seed_sd": 0.02},
    "fine-tune": {
        "title": "Fine-tuning", "family": "tuning", "training": True, "row_usd": 1e-4, "label_usd": 3e-3, "fit_usd": 0.3, "seed_sd": 0.02,
    },
}  # fmt: skip
"""Part → what does not change from world to world; costs and seed deviations are varied around these."""
ALWAYS = ("linear-probe", "prompt-zero-shot", "prompt-few-shot", "fine-tune")
TRAINED = ("tfidf-logreg", "embedding-knn", "linear-probe", "fine-tune")
PROMPTED = ("prompt-zero-shot", "prompt-few-shot")
ILL_BEHAVED = 1 / 7


@dataclass
class Draft:
    """A world in the making. `laws` holds the parameters of `Simulated` for each part."""

    rng: np.random.Generator
    labels: int
    common: float
    train: int
    select: int
    calibrate: int
    certify: int
    top: float
    """True quality of the leading approach with all labels."""
    shifted: bool = False
    laws: dict[str, dict[str, Any]] = field(default_factory=dict)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def one_of(self, parts: tuple[str, ...]) -> str:
        return str(self.rng.choice([part for part in parts if part in self.laws]))

    def set_curve(self, part: str, final: float, first: float | None = None, start: int = 16) -> None:
        """Let a part end at quality `final` with all labels: flat for those that do not train, else rising from `first` at `start` labels."""
        law = self.laws[part]
        if part not in TRAINED:
            law |= {"ceiling": min(final, 0.99), "gain": 0.0}
            return
        first = max(final - self.between(3, 25) * POINT, 0.05) if first is None else first
        rate, span = self.between(0.3, 0.9), 0.0
        while True:
            span = start**-rate - self.train**-rate
            gain = (final - first) / span if span > 1e-9 else 0.0
            ceiling = final + gain * self.train**-rate
            if ceiling <= 0.99 or rate > 4:
                break
            rate *= 1.2
        law |= {"ceiling": min(ceiling, 0.99), "gain": gain, "rate": rate}

    def margin(self) -> float:
        """How far the best is ahead: half a point at least, 6.5 points on average, exponential as gaps between the best of a set are."""
        return min(0.5 + float(self.rng.exponential(6)), 30.0) * POINT

    def lead(self, part: str, *, gap: float | None = None) -> None:
        """Let a part be the best with all labels: the next by `gap`, half a point and more if not given, the others further behind."""
        gap = self.margin() if gap is None else gap
        others = [other for other in self.laws if other != part]
        self.rng.shuffle(others)
        self.set_curve(part, self.top)
        for place, other in enumerate(others):
            behind = gap + (float(self.rng.exponential(6 * POINT)) if place else 0.0)
            self.set_curve(other, max(self.top - behind, 0.1))


def prompting_wins(draft: Draft) -> None:
    draft.lead(draft.one_of(PROMPTED))


def tuning_wins(draft: Draft) -> None:
    draft.lead("fine-tune")


def training_wins_from(draft: Draft) -> None:
    """A trained approach overtakes the best prompt between 24 labels and half of all, and ends above it."""
    trained, prompt = draft.one_of(("linear-probe", "fine-tune")), draft.one_of(PROMPTED)
    gap = draft.margin()
    draft.lead(trained, gap=gap)
    for other in PROMPTED:
        draft.set_curve(other, draft.top - gap - (0.0 if other == prompt else draft.between(1, 8) * POINT))
    n_star = int(np.exp(draft.between(np.log(24), np.log(draft.train / 2))))
    draft.set_curve(trained, draft.top, draft.top - gap, start=n_star)


def curves_cross_twice(draft: Draft) -> None:
    """A trained approach beats the best prompt at few and at all labels and not between; one in four the other way round."""
    trained, prompt = draft.one_of(("linear-probe", "fine-tune")), draft.one_of(PROMPTED)
    middle, depth = float(np.sqrt(16 * draft.train)), draft.between(4, 9) * POINT
    upright = draft.rng.random() < 0.75
    draft.lead(trained if upright else prompt)
    level = draft.top - draft.between(1.5, 4) * POINT
    if upright:
        draft.set_curve(prompt, level)
        draft.set_curve(trained, draft.top, level + draft.between(0.5, 1) * POINT)
    else:
        draft.set_curve(trained, level, level - draft.between(0.5, 1) * POINT)
    draft.laws[trained] |= {"bump": -depth if upright else depth, "bump_at": middle, "bump_width": 0.35 * float(np.log(draft.train / 16)) / 2}


def a_cascade_wins(draft: Draft) -> None:
    """A dear prompt leads by far; a cheap probe, calibrated and well aware of when it is right, could answer most rows for it."""
    draft.labels, draft.common = max(draft.labels, 4), 0.0
    draft.top = draft.between(0.86, 0.94)
    draft.lead("prompt-few-shot", gap=draft.between(6, 10) * POINT)
    draft.set_curve("linear-probe", draft.top - draft.between(6, 10) * POINT)
    for part in draft.laws:
        if part not in ("prompt-few-shot", "linear-probe"):
            draft.set_curve(part, draft.top - draft.between(11, 25) * POINT)
    draft.laws["linear-probe"] |= {"blur": draft.between(0.7, 1.0), "sharpness": 1.0, "unparsed": 0.0}
    draft.laws["prompt-few-shot"] |= {"row_usd": 4e-3, "unparsed": 0.0}


def two_tie(draft: Draft) -> None:
    """Two approaches of one quality, the others at least 3 points behind: the cheaper is the one to take."""
    first, second = draft.one_of(PROMPTED), draft.one_of(("linear-probe", "fine-tune"))
    draft.lead(first, gap=draft.between(3, 8) * POINT)
    draft.set_curve(second, draft.top)


def too_few_labels(draft: Draft) -> None:
    """Twenty to forty labels: what trains has hardly begun to."""
    draft.train = int(draft.between(20, 41))
    draft.lead(draft.one_of((*PROMPTED, "embedding-zero-shot")))
    for part in TRAINED:
        if part in draft.laws:
            final = draft.top - draft.between(4, 20) * POINT
            draft.set_curve(part, final, final - draft.between(1, 6) * POINT, start=10)


def rows_are_shifted(draft: Draft) -> None:
    """Certify rows come from elsewhere: what was trained loses up to ten points there, prompts up to two."""
    draft.shifted = True
    draft.lead(draft.one_of(("linear-probe", "fine-tune", *PROMPTED)))
    for part, law in draft.laws.items():
        law["drop"] = draft.between(0, 10 if part in TRAINED else 2) * POINT


def one_crashes(draft: Draft) -> None:
    """One approach, the best or the next, fails in half of its trials."""
    draft.lead(draft.one_of(ALWAYS))
    ranked = sorted(draft.laws, key=lambda part: -draft.laws[part]["ceiling"])
    repeating = [part for part in ranked if draft.laws[part].get("seed_sd")]
    draft.laws[repeating[int(draft.rng.integers(2))]] |= {"crash": 0.5, "crash_in": str(draft.rng.choice(["fit", "predict"]))}


def majority_stands(draft: Draft) -> None:
    """One label is so frequent that no approach is better than always giving it."""
    draft.common = draft.between(0.7, 0.9)
    draft.top = draft.common - draft.between(0, 2) * POINT
    draft.lead(draft.one_of(ALWAYS))


def forty_rows(draft: Draft) -> None:
    """Forty certify rows, which can show large differences only."""
    draft.select, draft.calibrate, draft.certify = 0, 0, 40
    draft.lead(draft.one_of(ALWAYS))


KINDS: dict[str, Callable[[Draft], None]] = {
    "prompting wins": prompting_wins,
    "tuning wins": tuning_wins,
    "training wins from n*": training_wins_from,
    "curves cross twice": curves_cross_twice,
    "a cascade wins": a_cascade_wins,
    "two tie": two_tie,
    "labels are too few": too_few_labels,
    "rows are shifted": rows_are_shifted,
    "one crashes": one_crashes,
    "the majority label stands": majority_stands,
    "forty certify rows": forty_rows,
}


def drafted(kind: str, seed: int) -> Draft:
    """The numbers of one world."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), 71_993])
    labels, certify = int(rng.integers(2, 9)), int(rng.integers(100, 601))
    common = float(rng.choice([0.0, min(1.8 / labels, 0.65)]))
    train = int(np.exp(rng.uniform(np.log(100), np.log(1_024))))
    draft = Draft(rng, labels, common, train, int(rng.integers(60, 301)), int(rng.integers(40, 201)), certify, float(rng.uniform(0.68, 0.93)))
    shared, own = float(rng.uniform(0.4, 0.75)), float(rng.uniform(0.05, 0.2))
    optional = [part for part in PARTS if part not in ALWAYS]
    taken = {part for part in optional if rng.random() < 0.6}
    for part, fixed in PARTS.items():
        if part in ALWAYS or part in taken or (part == "embedding-zero-shot" and kind == "labels are too few"):
            draft.laws[part] = fixed | _varied(part, rng) | {"shared": shared, "own": own}
    KINDS[kind](draft)
    if kind != "curves cross twice" and rng.random() < ILL_BEHAVED:
        _bend(draft)
    return draft


def _varied(part: str, rng: np.random.Generator) -> dict[str, Any]:
    """What differs from world to world whatever the kind: salt, costs, spread over seeds, confidence, unreadable answers."""
    base = PARTS[part]
    costs: dict[str, Any] = {name: float(base[name] * rng.lognormal(0.0, 0.5)) for name in ("row_usd", "label_usd", "fit_usd") if name in base}
    found = {"salt": int(rng.integers(2**31)), "blur": float(np.exp(rng.uniform(np.log(1.2), np.log(5.0)))), **costs}
    found["sharpness"] = float(rng.uniform(0.7, 2.0) if part in (*PROMPTED, "fine-tune") else rng.uniform(0.8, 1.25))
    if "seed_sd" in base:
        found |= {"seed_sd": float(base["seed_sd"] * rng.uniform(0.3, 2.0)), "seed_decay": 0.0 if part in PROMPTED else 0.5}
    if part in PROMPTED and rng.random() < 0.5:
        found["unparsed"] = float(rng.uniform(0.0, 0.1))
    return found


def _bend(draft: Draft) -> None:
    """Make one trained approach that does not lead ill-behaved: its curve dips in the middle, or falls towards the end."""
    final = {part: law["ceiling"] - law["gain"] * draft.train ** -law.get("rate", 0.5) for part, law in draft.laws.items()}
    rest = [part for part in TRAINED if part in draft.laws and final[part] < max(final.values()) - 2 * POINT]
    if rest:
        part = str(draft.rng.choice(rest))
        at = float(np.sqrt(16 * draft.train)) if draft.rng.random() < 0.5 else float(draft.train)
        draft.laws[part] |= {"bump": -draft.between(2, 6) * POINT, "bump_at": at, "bump_width": draft.between(0.4, 0.8)}
