"""What the benchmarks share: calls timed in turn, the peak of matrix products, memory, and the facts of a run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fieldguide.models.engine.kernels import PackedLinears

PEAK_ROUNDS = 5
GFLOP = 1e9


@dataclass
class Timed:
    """A call that was made several times: seconds of each, and what the last returned."""

    seconds: list[float] = field(default_factory=list)
    value: Any = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def timed(call: Callable[[], Any], into: Timed) -> None:
    """One more call. What it returns must already lie on the host, so that a device has finished."""
    began = time.perf_counter()
    value = call()
    into.seconds.append(time.perf_counter() - began)
    into.value = value


def in_turn(calls: Mapping[str, tuple[Callable[[], Any], int]]) -> dict[str, Timed]:
    """Each call as often as it says, in rounds (a, b, a, b …), so that a busy minute hits all of them alike."""
    found = {name: Timed() for name in calls}
    for turn in range(max(times for _, times in calls.values())):
        for name, (call, times) in calls.items():
            if turn < times:
                timed(call, found[name])
    return found


def target(value: float, at_least: float | None = None, at_most: float | None = None) -> dict[str, Any]:
    """A measurement beside what was asked of it."""
    met = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    return {"value": value, "at_least": at_least, "at_most": at_most, "met": bool(met)}


def wording(found: Mapping[str, Any], digits: str = ".3g") -> str:
    """A target in words: "97.6 (at least 40: met)"."""
    asked = " and ".join(f"{how} {found[key]:g}" for key, how in (("at_least", "at least"), ("at_most", "at most")) if found[key] is not None)
    return f"{found['value']:{digits}} ({asked}: {'met' if found['met'] else 'not met'})"


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The exponent b of y = a·x^b, fitted by least squares on logarithms."""
    return float(np.polyfit(np.log(xs), np.log(ys), 1)[0])


def linears(module: Any) -> list[torch.nn.Linear]:
    """The linear layers that every token passes: all but the projection to the vocabulary."""
    return [layer for layer in module.base_model.modules() if isinstance(layer, torch.nn.Linear)]


def matmul_peak(module: Any, tokens: int, rounds: int) -> float:
    """GFLOP/s of the network's own linear layers, run one after another on random inputs of `tokens` rows: median of `rounds`.

    Run as torch runs them and as the engine does (on packed weights); the faster of the two is the peak.
    """
    layers = linears(module)
    inputs = {layer.in_features: torch.randn(tokens, layer.in_features, dtype=module.dtype, device=module.device) for layer in layers}
    work = 2.0 * tokens * sum(layer.weight.numel() for layer in layers)

    def once() -> float:
        for layer in layers:
            last = layer(inputs[layer.in_features])
        return float(last[0, 0])  # waits for the device

    peaks = []
    for way in (PackedLinears([]), PackedLinears.of(module)):
        found = Timed()
        with torch.inference_mode(), way.in_use():
            once()
            for _ in range(rounds):
                timed(once, found)
        peaks.append(work / found.median / GFLOP)
    return max(peaks)


@contextmanager
def passes(module: Any) -> Iterator[list[int]]:
    """Tokens of each pass through the network's first linear layer while the block runs."""
    seen: list[int] = []
    handle = linears(module)[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].numel() // args[0].shape[-1]))
    try:
        yield seen
    finally:
        handle.remove()


def typical_pass(sizes: Sequence[int]) -> int:
    """The size of the pass that the median token goes through."""
    ordered = sorted(sizes)
    reached = np.cumsum(ordered)
    return ordered[int(np.searchsorted(reached, reached[-1] / 2))]


def resident_bytes() -> int:
    """Memory of this process that lies in RAM now."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return _highest()


def restart_peak() -> bool:
    """Count the peak from here on. False where the system cannot: the peak is then that of the whole process so far."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
        return True
    return False


def peak_bytes() -> int:
    """The most memory in RAM since `restart_peak`."""
    with suppress(OSError):
        return next(int(line.split()[1]) * 1024 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return _highest()


def _highest() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def free_bytes() -> int:
    """Memory that could be had without swapping."""
    with suppress(OSError):
        return next(int(line.split()[1]) * 1024 for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def facts(module: Any, *, quick: bool) -> dict[str, Any]:
    """What the numbers depend on beside the code. Names no machine and no path."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = {name: _version(name) for name in ("torch", "transformers", "lm_eval", "llama_cpp_python")}
    return {
        "date": date.today().isoformat(),
        "quick": quick,
        "cores": cores,
        "threads": torch.get_num_threads(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "processor": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "device": "cpu" if module.device.type == "cpu" else torch.cuda.get_device_name(module.device),
        "dtype": str(module.dtype).removeprefix("torch."),
        "python": platform.python_version(),
        "versions": {name: version for name, version in versions.items() if version},
    }


def _version(package: str) -> str:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return ""


def facts_line(found: Mapping[str, Any]) -> str:
    """The facts of a run as one line."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return (
        f"{found['date']}: {found['device']} ({found['processor']}), {found['cores']} cores, {found['threads']} threads, load {found['load_at_start']} at start, "
        f"{found['dtype']}; {versions}, Python {found['python']}"
    )


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def settle(threads: int | None) -> None:
    """Quiet libraries, offline, so many torch threads."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if threads is not None:
        torch.set_num_threads(threads)
