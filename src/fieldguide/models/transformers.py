"""Models that transformers can load: ids on the Hugging Face hub, local folders, GGUF files.

Weights are read as safetensors, in float32 (causal models on a CUDA device in bfloat16); a model that brings code of its own is refused.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldguide.errors import ModelError
from fieldguide.models.device import chosen_device, memory_budget, precision
from fieldguide.models.loading import folder_digest, quiet
from fieldguide.models.model import Model, ModelFacts

if TYPE_CHECKING:
    from fieldguide.models.causal import CausalModel
    from fieldguide.models.encoder import EncoderModel
    from fieldguide.models.encoder_decoder import EncoderDecoderModel

SAFE: dict[str, Any] = {"trust_remote_code": False}
DEFAULT_CONTEXT = 2048
"""Where neither configuration nor tokeniser tells; lm-evaluation-harness uses the same."""


def load_hf(reference: str) -> Model:
    """`hf:org/name`, `hf:org/name@revision`, a local folder (`hf:./folder`, `hf:/folder`), or a file (`hf:path.gguf`).

    Raises `ModelError` if it cannot be found or loaded, or is of a type not supported yet.
    """
    if _is_gguf(reference):
        return open_gguf(reference)
    name, revision = _name(reference)
    config = _read(reference, lambda auto: auto.AutoConfig.from_pretrained(name, revision=revision, **SAFE))
    open_model: Any = {"causal": open_causal, "encoder-decoder": open_encoder_decoder}.get(_type(config), open_encoder)
    return open_model(reference, name, _hf_identity(reference), revision)


def open_gguf(reference: str) -> CausalModel:
    """`hf:path.gguf`: a causal model, dequantised to float32 once and kept in the cache folder (`gguf:path` runs it as it is, by llama.cpp)."""
    from fieldguide.models.gguf import gguf_identity, gguf_path, prepare

    path = gguf_path(reference)
    return open_causal(reference, str(prepare(path)), gguf_identity(path))


def _hf_identity(reference: str) -> str:
    """A folder's content, or a hub model's commit. The commit is read off the hub's cache, or asked for if it is not there."""
    if _is_gguf(reference):
        from fieldguide.models.gguf import gguf_identity, gguf_path

        return gguf_identity(gguf_path(reference))
    name, revision = _name(reference)
    if Path(name).is_dir():
        return f"folder-{folder_digest(Path(name))}"
    from huggingface_hub import hf_hub_download

    try:
        with quiet():
            return f"hub-{Path(hf_hub_download(name, 'config.json', revision=revision)).parent.name}"
    except (OSError, ValueError) as error:
        raise _not_loaded(reference, error) from error


load_hf.identity = _hf_identity  # type: ignore[attr-defined]


def open_causal(reference: str, name: str, identity: str, revision: str | None = None) -> CausalModel:
    """The causal model in a folder or under a hub id."""
    from fieldguide.models.causal import CausalModel
    from fieldguide.models.instrument import size_of

    how = {"revision": revision, **SAFE}
    tokenizer = _read(reference, lambda auto: auto.AutoTokenizer.from_pretrained(name, **how))
    device = chosen_device()
    dtype = precision(device)
    module = _read(reference, lambda auto: auto.AutoModelForCausalLM.from_pretrained(name, dtype=dtype, use_safetensors=True, **how)).to(device)
    size = size_of(module)
    facts = ModelFacts(
        reference=reference,
        identity=identity,
        numerics=str(dtype).removeprefix("torch."),
        can=frozenset({"score", "generate", "weights"}),
        type="causal",
        parameters=size.total,
        compute_parameters=size.body + size.head,
        context=_causal_context(module.config, tokenizer),
        licence=_licence(name),
    )
    return CausalModel(module, tokenizer, facts, memory_budget())


def open_encoder_decoder(reference: str, name: str, identity: str, revision: str | None = None) -> EncoderDecoderModel:
    """The encoder–decoder in a folder or under a hub id."""
    import torch

    from fieldguide.models.encoder_decoder import EncoderDecoderModel
    from fieldguide.models.instrument import size_of

    how = {"revision": revision, **SAFE}
    tokenizer = _read(reference, lambda auto: auto.AutoTokenizer.from_pretrained(name, **how))
    module = _read(reference, lambda auto: auto.AutoModelForSeq2SeqLM.from_pretrained(name, dtype=torch.float32, use_safetensors=True, **how)).to(chosen_device())
    size = size_of(module)
    facts = ModelFacts(
        reference=reference,
        identity=identity,
        can=frozenset({"score", "generate", "weights"}),
        type="encoder-decoder",
        parameters=size.total,
        compute_parameters=size.body + size.head,
        context=_causal_context(module.config, tokenizer),
        licence=_licence(name),
    )
    return EncoderDecoderModel(module, tokenizer, facts)


def open_encoder(reference: str, name: str, identity: str, revision: str | None = None) -> EncoderModel:
    """The encoder in a folder or under a hub id, pooled as its sentence-transformers configuration says, else by the mean."""
    import torch

    from fieldguide.models.encoder import EncoderModel
    from fieldguide.models.instrument import size_of

    how = {"revision": revision, **SAFE}
    tokenizer = _read(reference, lambda auto: auto.AutoTokenizer.from_pretrained(name, **how))
    module = _read(reference, lambda auto: auto.AutoModel.from_pretrained(name, dtype=torch.float32, use_safetensors=True, **how)).to(chosen_device())
    size = size_of(module)
    limit = _side_file(name, revision, "sentence_bert_config.json").get("max_seq_length")
    facts = ModelFacts(
        reference=reference,
        identity=identity,
        can=frozenset({"embed", "weights"}),
        type="encoder",
        parameters=size.total,
        compute_parameters=size.body,
        context=min(_encoder_context(module, tokenizer), int(limit or 10**9)),
        dims=int(module.config.hidden_size),
        licence=_licence(name),
    )
    return EncoderModel(module, tokenizer, facts, pooling=_pooling(reference, _side_file(name, revision, "1_Pooling/config.json")))


def _name(reference: str) -> tuple[str, str | None]:
    """(folder or hub id, revision)."""
    rest = reference.partition(":")[2]
    if rest.startswith((".", "/", "~")) or (rest and Path(rest).is_dir()):
        folder = Path(rest).expanduser()
        if not (folder / "config.json").is_file():
            raise ModelError(f"The model reference {reference!r} names a folder without a config.json; give a folder that save_pretrained wrote.")
        if not any(folder.glob("*.safetensors")):
            raise ModelError(f"The folder {folder} holds no .safetensors weights, and other formats can run code when read; save the model as safetensors.")
        return str(folder), None
    if not (found := re.fullmatch(r"([\w.-]+(?:/[\w.-]+)?)(?:@([\w./-]+))?", rest)):
        raise ModelError(f"The model reference {reference!r} is not understood; write hf:org/name, hf:org/name@revision or hf:./folder.")
    return found[1], found[2]


def _is_gguf(reference: str) -> bool:
    return reference.lower().endswith(".gguf")


def _read(reference: str, ask: Any) -> Any:
    import safetensors
    import transformers

    try:
        with quiet():
            return ask(transformers)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, safetensors.SafetensorError) as error:
        raise _not_loaded(reference, error) from error


def _not_loaded(reference: str, error: BaseException) -> ModelError:
    why = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")
    return ModelError(f"The model {reference!r} could not be loaded ({why}); check the name and the network, or give a local folder (hf:./folder).")


def _type(config: Any) -> str:
    from transformers.models.auto import modeling_auto as auto

    if getattr(config, "is_encoder_decoder", False):
        return "encoder-decoder"
    masked = set(auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES)
    named = set(getattr(config, "architectures", None) or ())
    if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in named) and not (config.model_type in masked and not config.is_decoder):
        return "causal"
    if named or config.model_type in masked:
        return "encoder"
    return "causal" if config.model_type in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else "encoder"


def _causal_context(config: Any, tokenizer: Any) -> int:
    config = config.get_text_config()
    for name in ("n_positions", "max_position_embeddings", "n_ctx"):
        if value := getattr(config, name, None):
            return int(value)
    limit = int(tokenizer.model_max_length)
    return limit if limit < 10**9 else DEFAULT_CONTEXT


def _encoder_context(module: Any, tokenizer: Any) -> int:
    """The tokeniser's limit or the number of positions, the smaller; some models reserve positions up to their padding id."""
    positions = int(getattr(module.config, "max_position_embeddings", 10**9))
    table = getattr(getattr(module, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    reserved = 0 if padding is None else padding + 1
    limit = min(int(tokenizer.model_max_length), positions - reserved)
    return limit if limit < 10**9 else DEFAULT_CONTEXT


def _pooling(reference: str, config: dict[str, Any]) -> str:
    """"mean" or "cls"."""
    modes = {name.removeprefix("pooling_mode_"): on for name, on in config.items() if name.startswith("pooling_mode_")}
    chosen = {name for name, on in modes.items() if on is True} or ({str(config["pooling_mode"])} if config.get("pooling_mode") else {"mean_tokens"})
    named = {"mean_tokens": "mean", "mean": "mean", "cls_token": "cls", "cls": "cls"}
    if len(chosen) != 1 or not chosen <= set(named):
        raise ModelError(f"The model {reference!r} pools by {', '.join(sorted(chosen))}, which is not supported yet; give one that pools by mean or cls.")
    return named[chosen.pop()]


def _side_file(name: str, revision: str | None, file: str) -> dict[str, Any]:
    """A JSON file beside the weights; empty where there is none."""
    from transformers.utils import cached_file

    try:
        with quiet():
            found = cached_file(name, file, revision=revision, _raise_exceptions_for_missing_entries=False, _raise_exceptions_for_connection_errors=False)
        return json.loads(Path(found).read_text("utf-8")) if found else {}
    except (OSError, ValueError):
        return {}


def _licence(name: str) -> str:
    """The licence that a local folder's model card states."""
    card = Path(name) / "README.md"
    found = re.search(r"^license:\s*(\S+)", card.read_text("utf-8", "replace")[:4000], re.MULTILINE) if card.is_file() else None
    return found[1] if found else "unknown"
