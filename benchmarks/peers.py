"""The peers, wrapped so that each does the same work on the same weights: lm-evaluation-harness, transformers, llama.cpp."""

from __future__ import annotations

import copy
import ctypes
import importlib.util
import logging
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any

import torch
from measure import Timed, free_bytes, say, timed

from fieldguide.models.engine.requests import make_requests
from fieldguide.models.loading import quiet

BATCHES = (1, 8, 16, 32)
SLOWER = 1.15
"""The pilot stops at a batch size so many times slower than the best before it."""
SHARE_OF_MEMORY = 0.6


class Harness:
    """lm-evaluation-harness's `hf` model on the weights of ours."""

    def __init__(self, model: Any) -> None:
        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        from lm_eval.models.huggingface import HFLM

        self.model = model
        self._hf = HFLM(pretrained=model.module, tokenizer=model.tokenizer, batch_size=1, device=str(model.module.device))

    @staticmethod
    def missing() -> str:
        """Why it cannot be asked; empty where it can."""
        return "" if importlib.util.find_spec("lm_eval") else "lm-evaluation-harness is not installed; pip install --no-deps -r requirements-lm-eval.txt"

    def score(self, prompts: Sequence[str], options: Sequence[Sequence[str]], batch: int) -> list[list[float]]:
        """log p of each option, in nats."""
        from lm_eval.api.instance import Instance

        pairs = [(prompt, option) for prompt, own in zip(prompts, options, strict=True) for option in own]
        self._hf.batch_size_per_gpu = batch
        found = iter(self._hf.loglikelihood([Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)], disable_tqdm=True))
        return [[float(next(found)[0]) for _ in own] for own in options]

    def best_batch(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[int, dict[int, float]]:
        """The fastest batch size on a few rows, and the seconds that each one tried took for a sequence."""
        pairs = [(prompt, [option]) for prompt, own in zip(prompts, options, strict=True) for option in own]
        reached, longest = self._sequences(pairs)
        self.score([pairs[0][0]], [pairs[0][1]], 1)
        found: dict[int, float] = {}
        for batch in BATCHES:
            needs = batch * longest * self.model.module.config.vocab_size * 4 * 2.5  # logits, their logarithms, and half as much beside
            if found and (batch > reached[-1] or needs > SHARE_OF_MEMORY * free_bytes()):
                break
            count = next((i + 1 for i, sequences in enumerate(reached) if sequences >= max(batch, 4)), len(pairs))
            took = Timed()
            timed(partial(self.score, [p for p, _ in pairs[:count]], [o for _, o in pairs[:count]], batch), took)
            found[batch] = took.median / reached[count - 1]
            say(f"  the harness's pilot, batches of {batch}: {found[batch]:.3f} s a sequence")
            if found[batch] > SLOWER * min(found.values()):
                break
        return min(found, key=lambda batch: found[batch]), found

    def _sequences(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> tuple[list[int], int]:
        """After each pair, the sequences that the harness has computed (it computes equal ones once); the longest, in tokens."""
        requests = make_requests(self.model.tokenizer, [p for p, _ in pairs], [o for _, o in pairs], self._hf.max_length)
        seen: set[tuple[int, ...]] = set()
        reached = []
        for own in requests:
            seen.update(r.inputs for r in own)
            reached.append(len(seen))
        return reached, max(map(len, seen))


def exact(model: Any, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """log p of each (prompt, option), in nats, by the network itself in float64, one sequence at a time: what rounding is judged against."""
    precise = copy.deepcopy(model.module).double()
    requests = make_requests(model.tokenizer, [p for p, _ in pairs], [[o] for _, o in pairs], model.facts.context)
    found = []
    with torch.inference_mode():
        for (request,) in requests:
            hidden = precise.base_model(input_ids=torch.tensor([request.inputs], device=precise.device), use_cache=False).last_hidden_state[0]
            logs = torch.log_softmax(precise.get_output_embeddings()(hidden[-len(request.targets) :]), dim=-1)
            found.append(float(logs.gather(1, torch.tensor(request.targets, device=logs.device)[:, None]).sum()))
    return found


class Transformers:
    """`generate` of transformers on the weights of ours, always `new` tokens a row."""

    def __init__(self, model: Any) -> None:
        self.module, self.tokenizer = model.module, model.tokenizer

    def __call__(self, rows: Sequence[Sequence[int]], new: int, *, batch: int, seed: int | None = None) -> list[list[int]]:
        """New token ids of each row, in left-padded batches; sampled at temperature 1 where there is a seed, otherwise greedy."""
        from transformers import GenerationConfig

        blank = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.tokenizer.eos_token_id
        how: dict[str, Any] = {"do_sample": False} if seed is None else {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
        config = GenerationConfig(max_new_tokens=new, min_new_tokens=new, eos_token_id=self.tokenizer.eos_token_id, pad_token_id=blank, **how)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found: list[list[int]] = [[] for _ in rows]
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            longest = max(len(rows[i]) for i in chosen)
            ids = torch.tensor([[blank] * (longest - len(rows[i])) + list(rows[i]) for i in chosen], device=self.module.device)
            mask = torch.tensor([[0] * (longest - len(rows[i])) + [1] * len(rows[i]) for i in chosen], device=self.module.device)
            with torch.random.fork_rng(), torch.inference_mode(), quiet():
                torch.manual_seed(seed or 0)
                written = self.module.generate(input_ids=ids, attention_mask=mask, generation_config=config)[:, longest:].tolist()
            for i, own in zip(chosen, written, strict=True):
                found[i] = own
        return found


class LlamaCpp:
    """llama.cpp on the 4-bit file itself: samples one after another, or side by side on one copy of the prompt's cache."""

    def __init__(self, path: str, threads: int, samples: int, room: int) -> None:
        import llama_cpp

        self.lib, self.samples, self.room = llama_cpp, samples, room
        self._llm = llama_cpp.Llama(path, n_ctx=room, n_threads=threads, n_threads_batch=threads, verbose=False)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch, params.n_seq_max, params.kv_unified = samples * room, room, 512, samples, True
        params.n_threads = params.n_threads_batch = threads
        self._context = llama_cpp.llama_init_from_model(self._llm._model.model, params)
        self._end = self._llm.token_eos()

    @staticmethod
    def missing() -> str:
        """Why it cannot be asked; empty where it can."""
        return "" if importlib.util.find_spec("llama_cpp") else "llama-cpp-python is not installed; pip install llama-cpp-python"

    def close(self) -> None:
        """Give its memory back. It cannot be asked again."""
        self.lib.llama_free(self._context)
        self._llm.close()

    def one_by_one(self, prompt: Sequence[int], new: int, seed: int) -> list[list[int]]:
        """Through the package's own `Llama.generate`, which keeps the prompt's cache from one sample to the next. The end of a text ends nothing."""
        self._llm.reset()
        self._llm._ctx.kv_cache_clear()
        found = []
        for i in range(self.samples):
            self._llm.set_seed(seed + i)
            found.append(list(islice(self._llm.generate(list(prompt), top_k=0, top_p=1.0, min_p=0.0, temp=1.0), new)))
        return found

    def side_by_side(self, prompt: Sequence[int], new: int, seed: int) -> list[list[int]]:
        """Through llama.cpp's C interface: the prompt once, its cache lent to every sample, then a batch with one token of each."""
        lib, memory = self.lib, self.lib.llama_get_memory(self._context)
        lib.llama_memory_clear(memory, True)
        batch = lib.llama_batch_init(self.room, 0, 1)
        samplers = [self._sampler(seed + i) for i in range(self.samples)]
        try:
            self._decode(batch, [(token, place, 0, place == len(prompt) - 1) for place, token in enumerate(prompt)])
            for i in range(1, self.samples):
                lib.llama_memory_seq_cp(memory, 0, i, -1, -1)
            found = [[lib.llama_sampler_sample(sampler, self._context, len(prompt) - 1)] for sampler in samplers]
            for step in range(1, new):
                self._decode(batch, [(own[-1], len(prompt) + step - 1, i, True) for i, own in enumerate(found)])
                for i, sampler in enumerate(samplers):
                    found[i].append(lib.llama_sampler_sample(sampler, self._context, i))
        finally:
            for sampler in samplers:
                lib.llama_sampler_free(sampler)
            lib.llama_batch_free(batch)
        return found

    def _sampler(self, seed: int) -> Any:
        """Plain sampling at temperature 1, from all tokens but the end of a text."""
        lib = self.lib
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        never = (lib.llama_logit_bias * 1)(lib.llama_logit_bias(self._end, float("-inf")))
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_logit_bias(self._llm.n_vocab(), 1, never))
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_dist(ctypes.c_uint32(seed)))
        return chain

    def _decode(self, batch: Any, entries: Sequence[tuple[int, int, int, bool]]) -> None:
        """A pass over (token, place, sequence, whether its logits are wanted)."""
        batch.n_tokens = len(entries)
        for i, (token, place, sequence, wanted) in enumerate(entries):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, place, 1, wanted
            batch.seq_id[i][0] = sequence
        if status := self.lib.llama_decode(self._context, batch):
            raise RuntimeError(f"llama_decode returned {status}.")
