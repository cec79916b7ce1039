"""GGUF files → ordinary model folders: dequantised once to float32 safetensors, bit for bit what the file says.

A GGUF model as transformers loads it can neither be trained nor saved; once freed of its quantiser it can, and loads in a
tenth of the time.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import Any

from fieldguide.errors import ModelError
from fieldguide.models.loading import file_digest, prepared_folder, quiet

FORMAT = 1
"""Raised when a prepared folder would come out differently."""

DIGITS_APART = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"})
"""Values of `tokenizer.ggml.pre` that mean: each digit alone, then GPT-2's rule (llama.cpp, `llama_vocab::impl::load`)."""


def gguf_path(reference: str) -> Path:
    """The file that `hf:path.gguf` or `gguf:path` names."""
    scheme, _, rest = reference.partition(":")
    path = Path(rest).expanduser()
    if not path.is_file():
        raise ModelError(f"The model reference {reference!r} names no file; give the path of a GGUF file after {scheme}: .")
    return path


def gguf_identity(path: Path) -> str:
    """What the answers of the dequantised model depend on."""
    return f"gguf-{file_digest(path)[:16]}-f32-{FORMAT}"


def prepare(path: Path, title: str = "", seconds: str = "") -> Path:
    """A folder that holds the model in `path` as float32 safetensors, with its tokeniser; made once and kept in the cache.

    Says so in one line on standard error when there is work to do. Raises `ModelError` if the file cannot be read as GGUF.
    """

    def make(folder: Path) -> None:
        print(f"Preparing {title or path.name} once{f' (about {seconds})' if seconds else ''} …", file=sys.stderr, flush=True)
        _dequantise(path, folder)

    return prepared_folder(f"models/{gguf_identity(path)}", make)


def _dequantise(path: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:  # a damaged file can raise anything
        with quiet(), contextlib.redirect_stderr(io.StringIO()):  # the progress bar of dequantising has no switch
            tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
            model: Any = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
            model.hf_quantizer = None
            for owner, name in ((model.config, "quantization_config"), (model, "is_quantized"), (model, "quantization_method")):
                if name in vars(owner):
                    delattr(owner, name)
            _mend_digits(tokenizer, _pre_tokenizer_name(path))
    except Exception as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ModelError(f"The GGUF file {path} could not be read ({why}); give a GGUF file of a causal model that transformers knows.") from error
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _pre_tokenizer_name(path: Path) -> str:
    from gguf import GGUFReader

    field = GGUFReader(str(path)).get_field("tokenizer.ggml.pre")
    return str(field.contents()) if field else ""


def _mend_digits(tokenizer: Any, pre: str) -> None:
    """Part digits from their neighbours where the file says so, which transformers leaves out.

    Without it a blank line before a digit becomes two tokens instead of one, and the model sees what it never saw in training.
    """
    if pre in DIGITS_APART:
        from tokenizers import pre_tokenizers

        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
        )

