"""Where local networks run, in which precision, and how much memory they may take.

FIELDGUIDE_DEVICE (cpu, cuda, cuda:1) overrides the choice of device; FIELDGUIDE_MEMORY (512MB, 4GB) sets what the engine may take beside
the weights.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from fieldguide.errors import ModelError

if TYPE_CHECKING:
    import torch

UNITS = {"MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}


def chosen_device() -> torch.device:
    """The device named by FIELDGUIDE_DEVICE, else the first CUDA device, else the CPU. Raises `ModelError` if it is not there."""
    import torch

    named = os.environ.get("FIELDGUIDE_DEVICE", "").strip().lower()
    if not named:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", named):
        raise ModelError(f"FIELDGUIDE_DEVICE is {named!r}; set it to cpu, cuda, or cuda:1 for the second device.")
    device = torch.device(named)
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise ModelError(f"FIELDGUIDE_DEVICE is {named!r}, and torch sees {torch.cuda.device_count()} CUDA devices; set it to cpu or leave it out.")
    return device


def precision(device: torch.device) -> torch.dtype:
    """bfloat16 where a CUDA device computes in it, else float32: on a CPU bfloat16 was measured to be slower."""
    import torch

    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


def memory_budget() -> int | None:
    """FIELDGUIDE_MEMORY in bytes; None where it is not set. Raises `ModelError` if it cannot be read."""
    text = os.environ.get("FIELDGUIDE_MEMORY", "").strip()
    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(MB|GB|MIB|GIB)", text.upper())
    if not found or float(found[1]) <= 0:
        raise ModelError(f"FIELDGUIDE_MEMORY is {text!r}; give a size such as 512MB or 4GB.")
    return int(float(found[1]) * UNITS[found[2]])
