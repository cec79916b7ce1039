"""The books of a study: what has been spent of its budget, and what a trial is expected to cost.

Calls are counted as planned, so that a study that was killed and resumed takes the same path; time, tokens and dollars as spent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fieldguide.study.budget import Budget
from fieldguide.study.trial import Trial, TrialRecord


@dataclass
class Ledger:
    budget: Budget
    machine_price_usd_per_hour: float
    spent: float = 0.0
    """Of the budget, in its own unit."""
    _pace: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    """approach key → (seconds, dollars, tokens, work) of its largest finished trial."""
    _counted: dict[str, float] = field(default_factory=dict)
    """trial key → what was counted for it, so that a trial that is taken up again costs only what it adds."""

    @property
    def left(self) -> float:
        return max(self.budget.amount - self.spent, 0.0)

    @property
    def share(self) -> float | None:
        """What has been spent as a share of the budget; None without a limit."""
        return None if self.budget.amount == float("inf") else min(1.0, self.spent / self.budget.amount)

    def affords(self, trial: Trial) -> bool:
        """Whether what is left should do for a trial; an approach never tried so far is let in, but for calls, which are known."""
        seconds, usd, tokens = self.expected(trial) or (0.0, 0.0, 0.0)
        cost = self._priced(seconds, usd=usd, calls=trial.calls, tokens=tokens) - self._counted.get(trial.key, 0.0)
        return self.spent + cost <= self.budget.amount * (1 + 1e-9)

    def overspent(self, trial: Trial, seconds: float) -> bool:
        """Whether a budget in time or dollars is spent after so many seconds of a trial in all; calls are never cut short.

        What an API bills is limited below, before each call.
        """
        return self.spent + max(0.0, self._priced(seconds) - self._counted.get(trial.key, 0.0)) > self.budget.amount

    def count(self, trial: Trial, record: TrialRecord) -> None:
        """Book a trial that ran, whatever became of it."""
        seconds = record.fit_s + record.predict_s + sum(record.latencies_s)
        usage = record.fit_usage + record.predict_usage + record.latency_usage
        tokens = usage.prompt_tokens + usage.completion_tokens
        calls = trial.calls if record.status != "eliminated" else usage.calls
        cost = self._priced(seconds, usd=usage.cost_usd, calls=calls, tokens=tokens)
        before = self._counted.get(trial.key, 0.0)
        added = cost if record.status == "skipped" else max(0.0, cost - before)  # an attempt that was cut short tells of itself alone
        self.spent += added
        self._counted[trial.key] = before + added
        if record.status == "done" and trial.work >= self._pace.get(trial.approach.key, (0.0, 0.0, 0.0, 0.0))[3]:
            self._pace[trial.approach.key] = (seconds, usage.cost_usd, tokens, trial.work)

    def expected(self, trial: Trial) -> tuple[float, float, float] | None:
        """Seconds, dollars billed and tokens that a trial is expected to take; None where its approach was never tried."""
        if (pace := self._pace.get(trial.approach.key)) is None:
            return None
        ratio = trial.work / pace[3]
        return pace[0] * ratio, pace[1] * ratio, pace[2] * ratio

    def left_s(self, trials: Sequence[Trial]) -> float | None:
        """An estimate of the seconds that these trials will take; None while nothing is known."""
        known = [found[0] for trial in trials if (found := self.expected(trial)) is not None]
        if not known:
            return None
        left = sum(known) * len(trials) / len(known)
        return min(left, self.left) if self.budget.unit == "seconds" else left

    def _priced(self, seconds: float, *, usd: float = 0.0, calls: int = 0, tokens: float = 0.0) -> float:
        """Work in the budget's unit; a second of this machine costs its price, beside what an API billed."""
        return self.budget.spent(seconds=seconds, usd=usd + seconds * self.machine_price_usd_per_hour / 3600, calls=calls, tokens=tokens)
