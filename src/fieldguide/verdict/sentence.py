"""The verdict in words: which route, how good, how sure, and where prompting and training change places."""

from __future__ import annotations

from collections.abc import Sequence

from fieldguide.tasks.metrics import metric
from fieldguide.verdict.cells import Entry
from fieldguide.verdict.curves import between, crossings, shared, trains
from fieldguide.verdict.findings import Findings
from fieldguide.verdict.verdict import Crossing
from fieldguide.verdict.words import an, called, cost_against, count, labels_used, points, roughly, route, trivially


def sentence(found: Findings, known: Sequence[Crossing] | None = None) -> str:
    """One or two whole sentences; `known` are the crossings, where they were worked out already."""
    if found.recommended is None:
        return _nothing(found)
    return " ".join(part for part in (_advice(found), crossing(found, known)) if part)


def _nothing(found: Findings) -> str:
    struck = [key for key in found.comparison.order if found.objections[key] and not found.measured[key].trivial]
    if struck:
        best, why = called(found.measured[struck[0]]), "; ".join(found.objections[struck[0]])
        return f"Nothing can be recommended: no approach satisfies the constraints; the best that was measured is {best}, but {why}."
    if any(entry.trivial for entry in found.measured.values()):
        return f"Nothing can be recommended: only the trivial baseline ({trivially(found.evidence.task)}) was measured."
    failed = sum(bool(entry.with_status("failed")) for entry in found.entries)
    why = "" if not failed else ": the only one failed" if len(found.entries) == 1 else f": {failed} of {len(found.entries)} failed"
    return f"Nothing can be recommended, since no approach was measured{why}."


def _advice(found: Findings) -> str:
    winner = found.measured[found.recommended or ""]
    text = f"{called(winner)} {labels_used(winner.cell.n_labels, found.evidence.rows.get('train', 0))} {_quality(found, winner)}"
    lead = route(winner) if winner.first.family in ("prompting", "tuning", "embedding", "baseline") else "Use this"
    if not found.bounded:
        return f"{lead}, though there are not enough rows to be sure: {text}, the best estimate; {_threat(found)}."
    tail = f" This is not yet sure: {found.caveat}." if found.caveat else ""
    return f"{lead}: {text}; {_place(found, winner)}.{tail}"


def _quality(found: Findings, entry: Entry) -> str:
    q = found.ruler.estimate(found.metric, entry.cell)
    figures = f"{q.value:.2f} ({q.low:.2f}–{q.high:.2f})"
    return f"answers {figures} of the questions right" if found.metric == "accuracy" else f"reaches {an(metric(found.metric).title)} of {figures}"


def _place(found: Findings, winner: Entry) -> str:
    losses, best = found.comparison.losses, found.measured[found.comparison.best or ""]
    if len(losses) == 1:
        return "it is the only approach that could be recommended"
    if winner.key != best.key:
        ratio = cost_against(found.running[winner.key].per_1k_usd, found.running[best.key].per_1k_usd)
        return f"that is within {points(found.tolerance)} of the best measured, {called(best)}, {ratio}"
    if losses[winner.key].high <= 0:
        several = f"that is the best of the {len(losses)} approaches compared"
        return several if len(losses) > 2 else "that is better than the only other approach compared"
    return f"that is the best measured, and no other approach is better by more than {points(losses[winner.key].high)}"


def _threat(found: Findings) -> str:
    loss = found.comparison.losses[found.recommended or ""]
    rival = called(found.measured[loss.threat]) if loss.threat else "another approach"
    text = f"{rival} could be up to {points(loss.high)} better"
    if found.rows_to_settle:
        return f"{text}, and about {roughly(found.rows_to_settle)} rows that both answer would settle it"
    return f"{text}, and more rows alone would not settle it at a tolerance of {points(found.tolerance)}"


def crossing(found: Findings, known: Sequence[Crossing] | None = None) -> str:
    """A sentence where an approach without training leads with few labels and training with many; else "".

    It gives n* where the curves cross with an interval (`known`: the verdict's crossings, worked out here if not given); else it names
    the leaders at the label counts tried.
    """
    known = crossings(found) if known is None else known
    if each := told(found, known):
        one, two, at = found.measured[each.first], found.measured[each.second], each.n_star or 0.0
        below = "prompt" if one.first.family == "prompting" else f"use {called(one)}"
        above = "tune" if two.first.family == "tuning" else "train"
        back = next((other for other in known if (other.first, other.second) == (each.second, each.first) and (other.n_star or 0) > at), None)
        tail = f", and above about {roughly(round(back.n_star or 0))} {below} again" if back else ""
        return f"Below about {roughly(round(at))} labels {below}, above that {above} ({between(each.low, each.high)}){tail}."
    entries = [entry for entry in found.measured.values() if not entry.trivial and entry.first.family != "cascade"]
    untrained = [entry for entry in entries if not trains(entry)]
    trained = [entry for entry in entries if trains(entry)]
    counts = sorted({cell.n_labels for entry in trained for cell in entry.cells})
    if not untrained or len(counts) < 2:
        return ""
    leads = {n: lead for n in counts if (lead := _leader(found, untrained, trained, n)) is not None}
    ahead = [n for n, lead in leads.items() if lead in untrained]
    if not ahead or ahead != list(leads)[: len(ahead)] or len(ahead) == len(leads):
        return ""
    first = list(leads)[len(ahead)]
    return f"In these trials {called(leads[ahead[-1]])} led up to {count(ahead[-1], 'label')}; training led from {first:,}."


def told(found: Findings, known: Sequence[Crossing]) -> Crossing | None:
    """The crossing that the sentence speaks of: the first where training overtakes an approach without it, at a place known on both sides."""
    whole = (each for each in known if each.n_star is not None and each.low is not None and each.high is not None)
    return next((each for each in whole if not trains(found.measured[each.first]) and trains(found.measured[each.second])), None)


def _leader(found: Findings, untrained: list[Entry], trained: list[Entry], n: int) -> Entry | None:
    """Who is best with `n` labels, on rows that all answered: cells trained on n, and untrained ones that need no more than n."""
    second = [(entry, cell) for entry in trained for cell in entry.cells if cell.n_labels == n]
    first = [(entry, cells[-1]) for entry in untrained if (cells := [cell for cell in entry.cells if cell.n_labels <= n])]
    if not first or not second:
        return None
    rows = shared([cell for _, cell in (*second, *first)])
    if not rows.size:
        return None
    return max((*second, *first), key=lambda pair: found.ruler.value(found.metric, pair[1], rows))[0]
