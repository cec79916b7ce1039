"""Time the engine's generation against transformers' `generate` and llama.cpp: same prompts, device and threads, in turn.

    python benchmarks/generation.py                          # about five minutes on two quiet cores
    python benchmarks/generation.py --json > generation.json # for engine_page.py
    python benchmarks/generation.py --quick                  # tiny sizes: shows that it runs, and nothing else

Two works: several samples of one long prompt, and several few-shot prompts continued greedily. The peers are held to exactly as
many new tokens as were asked for. The engine stops where a text ends, so the tokens that it wrote are counted, and all are
compared by tokens per second; for samples, a seed is looked for (before the clock runs) under which no text ends early. llama.cpp
computes with the 4-bit file itself, the other two with its weights in float32.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from measure import Timed, facts, facts_line, in_turn, say, settle, target, timed, wording
from peers import LlamaCpp, Transformers
from works import Absent, running_text, trec6

from fieldguide.models import packaged
from fieldguide.models.pool import ModelPool

MODEL = "smollm2-135m"
SAMPLES, NEW_TOKENS, PROMPT_TOKENS = 8, 32, 300
GREEDY_PROMPTS, BATCHES = 16, (1, 4, 8, 16)
MOST_FOR_EIGHT, LEAST_OVER_TRANSFORMERS = 3.0, 3.0
SEEDS = 10


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    options = parser.parse_args(arguments)
    settle(options.threads)
    found = measured(options.repeats, options.threads, options.quick)
    found["command"] = f"python benchmarks/generation.py --repeats {options.repeats} --threads {options.threads}" + (" --quick" if options.quick else "")
    print(json.dumps(found, indent=1) if options.json else told(found))


def measured(repeats: int, threads: int, quick: bool) -> dict[str, Any]:
    """Both works; what could not be measured is in `skipped`, with the reason."""
    model: Any = ModelPool().get(MODEL)
    found: dict[str, Any] = {"benchmark": "generation", "model": MODEL, "facts": facts(model.module, quick=quick), "repeats": repeats, "skipped": {}}
    works: dict[str, Callable[[], dict[str, Any]]] = {
        "samples": lambda: several_samples(model, repeats, threads, found["skipped"], new=3 if quick else NEW_TOKENS, length=20 if quick else PROMPT_TOKENS),
        "greedy": lambda: greedy_prompts(model, repeats, new=3 if quick else NEW_TOKENS, count=2 if quick else GREEDY_PROMPTS),
    }
    for name, work in works.items():
        say(f"== {name}")
        try:
            found[name] = work()
        except Absent as error:
            found["skipped"][name] = str(error)
            say(f"  left out: {error}")
    return found


def several_samples(model: Any, repeats: int, threads: int, skipped: dict[str, str], *, new: int, length: int) -> dict[str, Any]:
    """One prompt: once greedily, once and eight times at temperature 1, and what the peers take for the eight."""
    prompt = running_text(model.tokenizer, length, 1)[0]
    ids = model.tokenizer(prompt)["input_ids"]
    seed = lasting_seed(model, prompt, new)
    transformers = Transformers(model)
    calls: dict[str, Callable[[], list[int]]] = {
        "transformers, 8 copies": lambda: lengths(transformers([ids] * SAMPLES, new, batch=SAMPLES, seed=seed)),
        "transformers, 1 greedy": lambda: lengths(transformers([ids], new, batch=1)),
    }
    llama = None
    if why := LlamaCpp.missing():
        skipped["llama.cpp"] = why
    else:
        llama = LlamaCpp(str(packaged._smollm2()), threads, SAMPLES, len(ids) + new + 8)
        calls |= {
            "llama.cpp Q4_1, 8 one after another": lambda: lengths(llama.one_by_one(ids, new, seed)),
            "llama.cpp Q4_1, 8 side by side": lambda: lengths(llama.side_by_side(ids, new, seed)),
        }
    calls |= {
        "ours, 1 greedy": partial(ours, model, [prompt], new),
        "ours, 1 sample": partial(ours, model, [prompt], new, temperature=1.0, seed=seed),
        "ours, 8 samples": partial(ours, model, [prompt], new, n=SAMPLES, temperature=1.0, seed=seed),
    }
    for call in calls.values():
        call()
    rows = {name: row(took) for name, took in in_turn({name: (call, repeats) for name, call in calls.items()}).items()}
    if llama is not None:
        llama.close()
    eight, one = rows["ours, 8 samples"], rows["ours, 1 sample"]
    return {
        "prompt_tokens": len(ids),
        "new_tokens": new,
        "samples": SAMPLES,
        "seed": seed,
        "rows": rows,
        "eight_over_one": target(eight["seconds"] / one["seconds"], at_most=MOST_FOR_EIGHT),
        "over_transformers": target(eight["tokens_a_second"] / rows["transformers, 8 copies"]["tokens_a_second"], at_least=LEAST_OVER_TRANSFORMERS),
    }


def greedy_prompts(model: Any, repeats: int, *, new: int, count: int) -> dict[str, Any]:
    """Different few-shot prompts, greedy: the engine against transformers in its fastest batch size; then token by token."""
    prompts = trec6(count, shots=1 if count < GREEDY_PROMPTS else 8).prompts
    rows = [model.tokenizer(prompt)["input_ids"] for prompt in prompts]
    transformers = Transformers(model)
    transformers(rows[:1], 2, batch=1)
    pilot = {}
    for batch in (b for b in BATCHES if b <= count):
        took = Timed()
        timed(partial(transformers, rows[: max(batch, 4)], new, batch=batch), took)
        pilot[batch] = took.median / len(rows[: max(batch, 4)])
        say(f"  transformers' pilot, batches of {batch}: {pilot[batch]:.3f} s a prompt")
    best = min(pilot, key=lambda batch: pilot[batch])
    texts: dict[str, Any] = {}

    def theirs() -> list[int]:
        texts["theirs"] = written = transformers(rows, new, batch=best)
        return lengths(written)

    ours(model, prompts, new)
    timings = in_turn({f"transformers, batches of {best}": (theirs, repeats), "ours": (partial(ours, model, prompts, new, texts=texts), repeats)})
    found = {name: row(took) for name, took in timings.items()}
    speeds = [own["tokens_a_second"] for own in found.values()]
    compared = [wrote if wrote == new else wrote - 1 for wrote in found["ours"]["tokens"]]  # without the token that ends a text
    agreed = [agreeing(model.tokenizer, text, ids[:most]) for text, ids, most in zip(texts["ours"], texts["theirs"], compared, strict=True)]
    return {
        "prompts": count,
        "prompt_tokens": sum(map(len, rows)) / count,
        "new_tokens": new,
        "pilot": pilot,
        "rows": found,
        "over_transformers": speeds[1] / speeds[0],
        "prompts_equal": sum(same == most for same, most in zip(agreed, compared, strict=True)),
        "tokens_equal": sum(agreed),
        "tokens_compared": sum(compared),
    }


def ours(
    model: Any, prompts: Sequence[str], new: int, *, n: int = 1, temperature: float = 0.0, seed: int = 0, texts: dict[str, Any] | None = None
) -> list[int]:
    """The tokens that the engine wrote for each continuation, starting with nothing kept. `texts` gets what it wrote."""
    model._scorer.network.forget()
    found = [g for own in model.generate(prompts, max_tokens=new, n=n, temperature=temperature, seed=seed) for g in own]
    if texts is not None:
        texts["ours"] = [g.text for g in found]
    return [g.tokens for g in found]


def lasting_seed(model: Any, prompt: str, new: int) -> int:
    """A seed under which one sample and eight all run to their full length, or else the one that came nearest."""
    reached = {}
    for seed in range(SEEDS):
        one, eight = (ours(model, [prompt], new, n=n, temperature=1.0, seed=seed) for n in (1, SAMPLES))
        reached[seed] = sum(one) * SAMPLES + sum(eight)
        if min(*one, *eight) == new:
            return seed
    return max(reached, key=lambda seed: reached[seed])


def agreeing(tokenizer: Any, text: str, ids: Sequence[int]) -> int:
    """How many of the first `ids` spell the start of `text`."""
    same = 0
    for count in range(1, len(ids) + 1):
        start = tokenizer.decode(ids[:count], skip_special_tokens=True)
        if text.startswith(start.rstrip("\ufffd")):
            same = count
        else:
            break
    return same


def lengths(rows: Sequence[Sequence[int]]) -> list[int]:
    return [len(own) for own in rows]


def row(took: Timed) -> dict[str, Any]:
    """Medians of one way to do a work; a call returns the tokens that it wrote, for each continuation."""
    return {"seconds": took.median, "all_seconds": took.seconds, "tokens": took.value, "tokens_a_second": sum(took.value) / took.median}


def told(found: dict[str, Any]) -> str:
    """Everything in words."""
    lines = [found["command"], facts_line(found["facts"])]
    if work := found.get("samples"):
        lines += ["", f"one prompt of {work['prompt_tokens']} tokens, {work['new_tokens']} new ones, seed {work['seed']}", *row_lines(work["rows"])]
        lines += [f"  {work['samples']} samples cost {wording(work['eight_over_one'])} times one"]
        lines += [f"  {wording(work['over_transformers'])} times as fast as transformers given {work['samples']} copies"]
    if work := found.get("greedy"):
        lines += ["", f"{work['prompts']} few-shot prompts of {work['prompt_tokens']:.0f} tokens, {work['new_tokens']} new ones, greedy", *row_lines(work["rows"])]
        lines += [f"  {work['over_transformers']:.2f} times as fast as transformers"]
        lines += [f"  equal to transformers: {work['tokens_equal']:,} of {work['tokens_compared']:,} tokens up to where texts part, {work['prompts_equal']} of {work['prompts']} texts whole"]
    lines += [f"left out: {name}: {why}" for name, why in found["skipped"].items()]
    return "\n".join(lines)


def row_lines(rows: dict[str, Any]) -> list[str]:
    return [f"  {name:<38} {own['seconds']:8.3f} s  {sum(own['tokens']):>5} tokens  {own['tokens_a_second']:7.1f} tokens/s" for name, own in rows.items()]


if __name__ == "__main__":
    main()
