"""Time the engine's scoring against lm-evaluation-harness's `hf` model: same weights, rows, device and threads, in turn.

    python benchmarks/scoring.py                          # all works, about ten minutes on two quiet cores
    python benchmarks/scoring.py --only trec6,memory      # some of them
    python benchmarks/scoring.py --json > scoring.json    # for engine_page.py
    python benchmarks/scoring.py --quick                  # tiny sizes: shows that it runs, and nothing else

The works are real rows, read in place from ../shared/data, or from the folder that FIELDGUIDE_DATA names; a work whose rows are
absent is left out, and that is said. The peer computes in the batch size that a short pilot finds fastest. Every timed
call of the engine begins with nothing kept and no answer remembered.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import memory
import scaling
from measure import GFLOP, PEAK_ROUNDS, facts, facts_line, in_turn, matmul_peak, passes, say, settle, target, typical_pass, wording
from peers import Harness, exact
from works import Absent, Work, works

from fieldguide.models.engine.requests import make_requests
from fieldguide.models.pool import ModelPool

MODEL = "smollm2-135m"
LARGEST_DIFFERENCE = 1e-4
EXACT_OPTIONS = 8
"""Options scored in float64: those on which the two differ most."""
PEAK_SHARE = 0.5
MEMORY_CASES = ("apart", "shared")
EXTRA = ("memory", "scaling")


def main(arguments: Sequence[str] | None = None) -> None:
    names = [*works(quick=True), *EXTRA]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--only", default=",".join(names), help="works to do, separated by commas: " + ", ".join(names))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    options = parser.parse_args(arguments)
    only = options.only.split(",")
    if unknown := sorted(set(only) - set(names)):
        parser.error(f"unknown work {', '.join(unknown)}; the works are {', '.join(names)}")
    settle(options.threads)
    found = measured(only, options.repeats, options.threads, options.quick)
    found["command"] = f"python benchmarks/scoring.py --repeats {options.repeats} --threads {options.threads}" + (" --quick" if options.quick else "")
    print(json.dumps(found, indent=1) if options.json else told(found))


def measured(only: Sequence[str], repeats: int, threads: int, quick: bool) -> dict[str, Any]:
    """Everything that was asked for; what could not be measured is in `skipped`, with the reason."""
    model: Any = ModelPool().get(MODEL)
    peer = None if Harness.missing() else Harness(model)
    found: dict[str, Any] = {"benchmark": "scoring", "model": MODEL, "facts": facts(model.module, quick=quick), "repeats": repeats, "works": {}, "skipped": {}}
    if peer is None:
        found["skipped"]["peer"] = Harness.missing()
    tasks: dict[str, Callable[[], Any]] = {
        name: partial(lambda make: against_peer(model, peer, make(), repeats, quick), make) for name, make in works(quick).items()
    }
    tasks["memory"] = lambda: [memory.in_its_own_process(case, threads, **({"tokens": 120} if quick else {})) for case in MEMORY_CASES[: 1 if quick else None]]
    tasks["scaling"] = lambda: scaling.measured(model, repeats, quick)
    for name in only:
        say(f"== {name}")
        try:
            (found if name in EXTRA else found["works"])[name] = tasks[name]()
        except Absent as error:
            found["skipped"][name] = str(error)
            say(f"  left out: {error}")
    return found


def against_peer(model: Any, peer: Harness | None, work: Work, repeats: int, quick: bool) -> dict[str, Any]:
    """One work: the peer and the engine in turn, then what the engine's seconds say about its arithmetic."""

    def ours() -> Any:
        model._scorer.network.forget()
        return model.score(work.prompts, work.options).totals

    with passes(model.module) as sizes:
        ours()
    chosen = work.peers()
    prompts, options = [work.prompts[i] for i in chosen], [work.options[i] for i in chosen]
    calls, batch, pilot = {"ours": (ours, repeats)}, 0, dict[int, float]()
    if peer is not None:
        batch, pilot = peer.best_batch(prompts, options)
        calls = {"peer": (lambda: peer.score(prompts, options, batch), work.peer_repeats or repeats), **calls}
    network = model._scorer.network
    computed, projected = network.computed, network.projected
    timings = in_turn(calls)
    tokens, rows = (network.computed - computed) // repeats, (network.projected - projected) // repeats
    seconds = timings["ours"].median
    found: dict[str, Any] = {
        "title": work.title,
        "rows": len(work.prompts),
        "options": sum(map(len, work.options)) / len(work.options),
        "ours": {"seconds": timings["ours"].seconds, "seconds_a_row": seconds / len(work.prompts), **shared(model, work, tokens, rows)},
        "arithmetic": arithmetic(model, tokens, rows, seconds, typical_pass(sizes) if sizes else min(tokens, 512), 1 if quick else PEAK_ROUNDS),
    }
    if peer is not None:
        a_row = timings["peer"].median / len(chosen)
        found["peer"] = {"seconds": timings["peer"].seconds, "seconds_a_row": a_row, "rows": len(chosen), "batch": batch, "pilot": pilot}
        found["times_as_fast"] = target(a_row / found["ours"]["seconds_a_row"], at_least=work.at_least)
        found |= agreement(model, prompts, options, 0 if quick else EXACT_OPTIONS, [timings["ours"].value[i] for i in chosen], timings["peer"].value)
        say(f"  times as fast: {wording(found['times_as_fast'])}")
    return found


def shared(model: Any, work: Work, tokens: int, rows: int) -> dict[str, int]:
    """Tokens computed and rows projected, beside what a pass over every prompt with every option would have computed."""
    requests = make_requests(model.tokenizer, work.prompts, work.options, model.facts.context)
    return {"tokens_computed": tokens, "rows_projected": rows, "tokens_unshared": sum(len(r.inputs) for own in requests for r in own)}


def arithmetic(model: Any, tokens: int, rows: int, seconds: float, pass_tokens: int, rounds: int) -> dict[str, Any]:
    """Unique tokens a second, and GFLOP/s as a share of the matrix products' peak at the size of the engine's own passes."""
    work = 2.0 * (model._size.body * tokens + model._size.head * rows)
    peak = matmul_peak(model.module, pass_tokens, rounds)
    reached = work / seconds / GFLOP
    return {
        "tokens_a_second": tokens / seconds,
        "gflops": reached,
        "peak_gflops": peak,
        "pass_tokens": pass_tokens,
        "share_of_peak": target(reached / peak, at_least=PEAK_SHARE),
    }


def agreement(
    model: Any, prompts: Sequence[str], options: Sequence[Sequence[str]], most: int, ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]
) -> dict[str, Any]:
    """The largest difference of an option's log-probability, the rows on which both choose the same option, and who is nearer to float64.

    The last on the `most` options that differ most: where a difference is rounding, that tells whose.
    """
    apart = {(i, j): abs(a - b) for i, (x, y) in enumerate(zip(ours, theirs, strict=True)) for j, (a, b) in enumerate(zip(x, y, strict=True))}
    worst = sorted(apart, key=lambda at: -apart[at])
    true = dict(zip(worst, exact(model, [(prompts[i], options[i][j]) for i, j in worst[:most]]), strict=False)) if most else {}
    same = sum(max(range(len(x)), key=x.__getitem__) == max(range(len(y)), key=y.__getitem__) for x, y in zip(ours, theirs, strict=True))
    off = {name: max((abs(scores[i][j] - value) for (i, j), value in true.items()), default=None) for name, scores in (("ours", ours), ("peer", theirs))}
    return {
        "largest_difference_nats": target(apart[worst[0]], at_most=LARGEST_DIFFERENCE),
        "same_choice": target(same, at_least=len(ours)),
        "off_float64_nats": {"options": len(true), **off},
    }


def work_lines(found: dict[str, Any]) -> list[str]:
    """A work in words."""
    ours, sums = found["ours"], found["arithmetic"]
    lines = [f"ours: {ours['seconds_a_row']:.4f} s a row ({found['rows']} rows, median of {len(ours['seconds'])})"]
    if peer := found.get("peer"):
        lines += [
            f"lm-evaluation-harness: {peer['seconds_a_row']:.4f} s a row ({peer['rows']} rows, batches of {peer['batch']}, median of {len(peer['seconds'])})",
            f"times as fast: {wording(found['times_as_fast'])}",
            f"largest difference in nats: {wording(found['largest_difference_nats'], '.1e')}; rows with the same choice: {wording(found['same_choice'], 'g')}",
        ]
        if (off := found["off_float64_nats"])["options"]:
            lines += [f"off float64 on the {off['options']} options that differ most: ours {off['ours']:.1e}, the harness {off['peer']:.1e}"]
    lines += [
        f"{ours['tokens_computed']:,} tokens computed of {ours['tokens_unshared']:,}, {ours['rows_projected']:,} rows projected, {sums['tokens_a_second']:,.0f} tokens/s",
        f"{sums['gflops']:.0f} of {sums['peak_gflops']:.0f} GFLOP/s at {sums['pass_tokens']} tokens a pass; share of the peak: {wording(sums['share_of_peak'], '.2f')}",
    ]
    return lines


def told(found: dict[str, Any]) -> str:
    """Everything in words."""
    lines = [found["command"], facts_line(found["facts"])]
    for work in found["works"].values():
        lines += ["", work["title"], *(f"  {line}" for line in work_lines(work))]
    for case in found.get("memory", ()):
        lines += ["", f"memory, {case['prompts']} prompts of {case['prompt_tokens']:,} tokens, {case['shared_tokens']:,} shared, {case['options']} options each"]
        lines += [f"  {case['used_bytes'] / 2**20:,.0f} MB used of {case['budget_bytes'] / 2**20:,.0f}: {wording(case['of_budget'], '.2f')}; {case['seconds']:.1f} s"]
    if grown := found.get("scaling"):
        lines += ["", "scaling on trec6"]
        lines += [f"  {p['rows']:>4} rows   {p['seconds']:.3f} s, {p['seconds_kept']:.3f} s with the demonstrations kept" for p in grown["rows"]]
        lines += [f"  {p['shots']:>4} shots  {p['seconds']:.3f} s ({p['prompt_tokens']:,} tokens a prompt)" for p in grown["shots"]]
        lines += [f"  exponents (1 is linear): rows {wording(grown['rows_exponent'], '.2f')}, shots {wording(grown['shots_exponent'], '.2f')}"]
    lines += [f"left out: {name}: {why}" for name, why in found["skipped"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
