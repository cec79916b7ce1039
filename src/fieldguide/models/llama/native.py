"""llama.cpp through ctypes: a GGUF file, its vocabulary, and a memory whose cells several sequences can share.

Every call into the library stands in this file. Legend: V vocabulary, cells: places for one token's keys and values.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import struct
import warnings
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp as library
import numpy as np

from fieldguide.errors import ModelError

FIRST_CELLS = 2048
"""Cells of a new memory; it doubles as longer texts come."""
SPARE = 16
"""Cells set aside for tokens that fill up short passes."""
BATCH_TOKENS = 1024
"""Tokens of one pass at most."""
BF16 = 30
"""ggml's number for bfloat16 (`GGML_TYPE_BF16`)."""
HEADER_BYTES = 2**27
"""Where a file's list of tensors must lie."""
TRUNK = 0
"""The sequence that holds what is kept between calls."""
TOLERANCE = 1e-3
"""Logits of a short and a long pass may differ by this much."""

_errors: deque[str] = deque(maxlen=4)


@library.llama_log_callback
def _log(level: int, text: bytes, _: Any) -> None:
    if level == 4:  # an error; all else is dropped
        _errors.append(text.decode("utf-8", "replace").strip())


class Native:
    """One open model. Sequence 0 is the trunk; the others come and go. Not safe for two threads at once.

    Quantised weights make llama.cpp round each layer's input to 8 bits, so that a last digit that differs grows to tenths of a nat. A pass
    must therefore give a token the same bits whatever else is in the pass. On a CPU it does if (1) keys and values are of two types, which keeps
    llama.cpp to the attention that reads a text's cells one after another, (2) weights are not rearranged for batches of four rows,
    (3) a text's cells lie in the order of its tokens, which holds as long as cells are freed only when no sequence but the trunk lives on,
    and (4) no pass is shorter than those for which some weight types have a routine of their own; how short that is, is tried out once.
    """

    def __init__(self, path: Path) -> None:
        library.llama_log_set(_log, None)
        _errors.clear()
        library.llama_backend_init()
        how = library.llama_model_default_params()
        self._on_cpu = not library.llama_supports_gpu_offload()
        how.n_gpu_layers = 0 if self._on_cpu else 10**6
        how.use_extra_bufts = not self._on_cpu
        self._model: Any = library.llama_model_load_from_file(os.fsencode(path), how)
        if not self._model:
            raise ModelError(f"The GGUF file {path} could not be opened by llama.cpp ({_why()}); give a whole GGUF file of a causal model.")
        weakref.finalize(self, library.llama_model_free, self._model)
        self.vocab: Any = library.llama_model_get_vocab(self._model)
        self.vocab_size = int(library.llama_vocab_n_tokens(self.vocab))
        self.sequences = min(int(library.llama_max_parallel_sequences()), 256) - 1  # one more fills up short passes
        self._least, self._tried = 1, False
        self.cells = 0
        self._context: Any = None
        self._release: Any = lambda: None

    @property
    def parameters(self) -> int:
        return int(library.llama_model_n_params(self._model))

    @property
    def width(self) -> int:
        return int(library.llama_model_n_embd(self._model))

    @property
    def context(self) -> int:
        """Tokens that the model was trained to read."""
        return int(library.llama_model_n_ctx_train(self._model))

    @property
    def kind(self) -> str:
        """"causal", or what it is instead."""
        model, architecture = self._model, self.about("general.architecture")
        if self.about(f"{architecture}.attention.causal") == "false" or not library.llama_model_has_decoder(model):
            return "an embedding model"
        if library.llama_model_has_encoder(model):
            return "an encoder–decoder"
        recurrent = library.llama_model_is_recurrent(model) or getattr(library, "llama_model_is_hybrid", lambda _: False)(model)
        diffuses = getattr(library, "llama_model_is_diffusion", lambda _: False)(model)
        return "a recurrent model" if recurrent else "a diffusion model" if diffuses else "causal"

    def about(self, key: str) -> str:
        """A value of the file's metadata as text; empty where there is none."""
        text = ctypes.create_string_buffer(512)
        length = library.llama_model_meta_val_str(self._model, key.encode(), text, 512)
        return text.value.decode("utf-8", "replace") if length >= 0 else ""

    def tokenize(self, text: bytes, special: bool) -> list[int]:
        """Token ids; `special` adds what the model wants around a text. Control tokens written out in the text count as such."""
        room = len(text) + 8
        while True:
            found = (library.llama_token * room)()
            count = library.llama_tokenize(self.vocab, text, len(text), found, room, special, True)
            if count >= 0:
                return list(found[:count])
            room = -count

    def piece(self, token: int, special: bool = False) -> bytes:
        """The bytes that a token stands for: part of a character, perhaps. Control tokens stand for nothing unless `special`."""
        text = ctypes.create_string_buffer(256)
        length = library.llama_token_to_piece(self.vocab, token, text, 256, 0, special)
        if length < 0:
            text = ctypes.create_string_buffer(-length)
            length = library.llama_token_to_piece(self.vocab, token, text, -length, 0, special)
        return text.raw[:length]

    def ends(self, token: int) -> bool:
        """Whether this token ends a continuation."""
        return bool(library.llama_vocab_is_eog(self.vocab, token))

    def reserve(self, cells: int) -> bool:
        """Make room for this many cells. Returns False if the memory had to be made anew, and so is empty."""
        if cells <= self.cells:
            return True
        size = FIRST_CELLS
        while size - SPARE < cells:
            size *= 2
        self._release()
        self._context, self.cells = None, 0
        how = library.llama_context_default_params()
        how.n_ctx, how.n_batch, how.n_ubatch, how.n_seq_max = size, BATCH_TOKENS, 512, self.sequences + 1
        how.n_threads = how.n_threads_batch = _threads()
        how.kv_unified = how.swa_full = True
        if self._on_cpu:
            how.type_k = BF16
            how.flash_attn_type = how.flash_attn = 1  # its name in 0.3.36, and in 0.3.16
        _errors.clear()
        context: Any = library.llama_init_from_model(self._model, how)
        if not context:
            raise ModelError(f"llama.cpp could make no memory for {size} tokens ({_why()}); give shorter prompts or a smaller model.")
        first, self._context, self.cells = not self._tried, context, size - SPARE
        self._release = weakref.finalize(self, library.llama_free, context)
        self._memory = library.llama_get_memory(context)
        if first and self._on_cpu:
            self._tried, self._least = True, self._fewest()
            self.clear()
        return False

    def run(self, tokens: Sequence[int], places: Sequence[int], sequences: Sequence[Sequence[int]], wanted: Sequence[int]) -> list[np.ndarray]:
        """Pass tokens through the network and into the memory; logits (V,) of the `wanted` rows, valid until the next pass.

        `sequences[i]` are those that token i belongs to, `places[i]` its place in each of them. Raises `ModelError` if llama.cpp
        gives up; the memory is then in no known state.
        """
        assert 0 < len(tokens) <= BATCH_TOKENS
        spare = max(self._least - len(tokens), 0)
        count = len(tokens) + spare
        ids, at = np.array([*tokens, *[tokens[0]] * spare], np.int32), np.array([*places, *range(spare)], np.int32)
        own = [*sequences, *[(self.sequences,)] * spare]
        flat, sizes = np.fromiter((s for each in own for s in each), np.int32), np.fromiter(map(len, own), np.int32, count)
        starts = (flat.ctypes.data + 4 * (np.cumsum(sizes, dtype=np.int64) - sizes)).astype(np.uint64)  # where each token's sequences are listed
        asked = np.zeros(count, np.int8)
        asked[list(wanted)] = 1
        if len(wanted):
            asked[np.flatnonzero(asked == 0)[: max(self._least - len(wanted), 0)]] = 1
        batch = library.llama_batch()
        batch.n_tokens = count
        for name, values in (("token", ids), ("pos", at), ("n_seq_id", sizes), ("seq_id", starts), ("logits", asked)):
            setattr(batch, name, values.ctypes.data_as(type(getattr(batch, name))))
        _errors.clear()
        if code := library.llama_decode(self._context, batch):
            raise ModelError(f"llama.cpp could not compute {count} tokens (code {code}: {_why()}); ask for less at a time, or use a smaller model.")
        if spare:
            self.cut(self.sequences)
        return [np.ctypeslib.as_array(library.llama_get_logits_ith(self._context, row), (self.vocab_size,)) for row in wanted]

    def _fewest(self) -> int:
        """The fewest tokens of a pass that gives them the logits which a longer pass gives them; 1 for most weight types."""
        draw = random.Random(0)
        tokens = [draw.randrange(self.vocab_size) for _ in range(12)]

        def logits(count: int) -> np.ndarray:
            self.clear()
            return np.stack(self.run(tokens[:count], range(count), [(TRUNK,)] * count, range(count)))

        whole = logits(len(tokens))
        for fewest in (1, 2, 8):
            if float(np.abs(logits(fewest) - whole[:fewest]).max()) <= TOLERANCE:
                return fewest
        warnings.warn("llama.cpp gives a token other scores in other batches for this file's weights, by up to some tenths of a nat.", stacklevel=2)
        return 1

    def share(self, source: int, target: int, length: int) -> None:
        """Let a sequence begin with the first `length` cells of another."""
        library.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def cut(self, sequence: int, length: int = 0) -> None:
        """Keep the first `length` cells of a sequence; cells that no sequence holds any more are free."""
        if not library.llama_memory_seq_rm(self._memory, sequence, length, -1):
            raise ModelError("This model's memory cannot be cut back, so it cannot be used through llama.cpp here; give it as hf:FILE.gguf.")

    def keep_trunk(self) -> None:
        """Free every cell that is not the trunk's."""
        library.llama_memory_seq_keep(self._memory, TRUNK)

    def clear(self) -> None:
        """Free every cell."""
        if self._context:
            library.llama_memory_clear(self._memory, False)


def has_own_projection(path: Path) -> bool:
    """Whether the file holds a projection to the vocabulary apart from the embeddings, by the name that GGUF lists it under."""
    name = b"output.weight"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(struct.pack("<Q", len(name)) + name, 0, HEADER_BYTES) >= 0


def _threads() -> int:
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(first) if first.isdecimal() and int(first) else os.cpu_count() or 1


def _why() -> str:
    return _errors[-1].rstrip(".") if _errors else "it gave no reason"
