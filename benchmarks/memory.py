"""Memory of scoring long prompts in a process of its own, against the budget that the engine was given.

    python benchmarks/memory.py --case apart     # four prompts that share nothing
    python benchmarks/memory.py --case shared    # four that share all but their last 100 tokens

Prints one JSON object. `used_bytes` is the most memory in RAM while scoring, less what lay there once the model was loaded and had
scored a short text, so that weights and libraries are left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from measure import Timed, peak_bytes, resident_bytes, restart_peak, settle, target, timed
from works import running_text

from fieldguide.models.pool import ModelPool

PROMPTS, OWN_TOKENS = 4, 100
OPTIONS = [" Nothing more is known of it.", " It was built in the same year.", " This was not to last.", " The end"]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--case", choices=("apart", "shared"), default="apart")
    parser.add_argument("--tokens", type=int, default=4000, help="length of a prompt")
    parser.add_argument("--budget-mb", type=int, default=512, help="what the engine may use beside the weights, in units of 2**20 bytes")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    settle(options.threads)
    print(json.dumps(measured(options.case, options.tokens, options.budget_mb * 2**20)))


def measured(case: str, tokens: int, budget: int) -> dict[str, Any]:
    """Score the prompts of a case within `budget` bytes, and say what it took."""
    model: Any = ModelPool().get("smollm2-135m")
    model.memory_bytes = budget
    prompts = long_prompts(model.tokenizer, case, tokens)
    model.score(["It was a quiet year. " * 20], [OPTIONS])
    model._scorer.network.forget()
    restarted = restart_peak()
    before, took = resident_bytes(), Timed()
    timed(lambda: model.score(prompts, [OPTIONS] * len(prompts)), took)
    used = peak_bytes() - before
    return {
        "case": case,
        "prompts": len(prompts),
        "options": len(OPTIONS),
        "prompt_tokens": tokens,
        "shared_tokens": tokens - min(OWN_TOKENS, tokens // 2) if case == "shared" else 0,
        "budget_bytes": budget,
        "before_bytes": before,
        "used_bytes": used,
        "of_budget": target(used / budget, at_most=1.0),
        "whole_process": not restarted,
        "seconds": took.median,
    }


def long_prompts(tokenizer: Any, case: str, tokens: int) -> list[str]:
    """Prompts of about `tokens` tokens of running text."""
    if case == "apart":
        return running_text(tokenizer, tokens, PROMPTS)
    own = min(OWN_TOKENS, tokens // 2)
    shared = running_text(tokenizer, tokens - own, 1)[0]
    return [f"{shared} {end}" for end in running_text(tokenizer, own, PROMPTS + 1)[1:]]


def in_its_own_process(case: str, threads: int, *, tokens: int = 4000, budget_mb: int = 512) -> dict[str, Any]:
    """`measured`, in a fresh process."""
    command = [sys.executable, str(Path(__file__).resolve()), "--case", case, "--tokens", str(tokens), "--budget-mb", str(budget_mb), "--threads", str(threads)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise RuntimeError(f"The memory benchmark failed with exit code {found.returncode}:\n{found.stderr[-2000:]}")
    return json.loads(found.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
