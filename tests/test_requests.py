"""Tokens at the two seams: where a prompt ends and an option begins, and where a continuation is cut."""

from __future__ import annotations

import random

import pytest

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from fieldguide.models.endings import ends_with_stop, finish  # noqa: E402
from fieldguide.models.engine.requests import make_requests  # noqa: E402

LEARNT = ["the card was lost abroad and the transfer is pending"]


def byte_tokenizer(bos: bool):
    """Byte pairs learnt from a few words, split as GPT-2 splits."""
    own = tokenizers.Tokenizer(tokenizers.models.BPE())
    own.pre_tokenizer, own.decoder = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False), tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    own.train_from_iterator(LEARNT, tokenizers.trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>"], initial_alphabet=sorted(alphabet), show_progress=False))
    if bos:
        own.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=own, bos_token="<s>", eos_token="<s>")


def words_tokenizer():
    """Words after a mark, which is put before the text as well, so that a part of a text is never tokenised as it is within."""
    own = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="?"))
    own.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    own.train_from_iterator(LEARNT, tokenizers.trainers.BpeTrainer(
        vocab_size=60, special_tokens=["?"], show_progress=False))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=own, unk_token="?", eos_token="?")


@pytest.mark.parametrize("tokenizer", [byte_tokenizer(False), byte_tokenizer(True), words_tokenizer()], ids=["bytes", "bytes, begun", "words"])
def test_tokens_past_the_seam_are_those_of_the_whole_string(tokenizer) -> None:
    draw = random.Random(0)
    words = ["the", "card", "was", "lost", "abroad", "and", "transfer", "pending", "12", "don't", "naïve"]
    prompts = [draw.choice(["", " "]) + " ".join(draw.choices(words, k=draw.randrange(60))) + draw.choice([":", "\nLabel:", " ", "\n\n"]) for _ in range(40)]
    options = [" card", "card lost", " a", "s", "é and", "\nthe"]
    found = make_requests(tokenizer, prompts, [options] * len(prompts), 10_000)
    for prompt, own in zip(prompts, found, strict=True):
        head = prompt.rstrip()
        for option, request in zip(options, own, strict=True):
            if head:
                before, whole = (tokenizer(text)["input_ids"] for text in (head, head + prompt[len(head) :] + option))
                assert request.targets == tuple(whole[len(before) :])
                assert (*request.inputs, request.targets[-1]) == (*before, *request.targets)


def test_a_long_prompt_is_not_tokenised_anew_for_each_option() -> None:
    tokenizer = byte_tokenizer(False)
    sizes: list[int] = []

    class Counting:
        def __call__(self, texts, **how):
            sizes.extend(map(len, texts))
            return tokenizer(texts, **how)

        def __getattr__(self, name):
            return getattr(tokenizer, name)

    prompt = "the card was lost abroad " * 100 + "Label:"
    make_requests(Counting(), [prompt], [[f" option {i}" for i in range(50)]], 10_000)
    assert sum(sizes) < 10 * len(prompt)


def test_a_stop_string_is_found_where_tokens_meet_and_half_characters_do_no_harm() -> None:
    tokenizer = byte_tokenizer(False)
    ids = tokenizer("the card — é\nstop now")["input_ids"]
    at = next(k for k in range(1, len(ids) + 1) if "é\nst" in tokenizer.decode(ids[:k]))
    assert [ends_with_stop(tokenizer, ids[:k], ("é\nst",)) for k in range(1, at + 1)] == [False] * (at - 1) + [True]
    cut = finish(tokenizer, ids, ("é\nst",), [0])
    assert (cut.text, cut.tokens, cut.finish) == ("the card — ", at, "stop")
    emoji = tokenizer("😀")["input_ids"]
    assert len(emoji) == 4
    assert finish(tokenizer, emoji[:3], ("\n",), [0]).finish == "length"
