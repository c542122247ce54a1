"""Small shapes, models with weights far from zero, and a real byte-level tokenizer: shared by the tests of luosi.models."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from luosi.artifacts import ModelShape
from luosi.models.tokenizer import CHATML, END_OF_TEXT, SPECIAL_TOKENS, write_tokenizer
from luosi.models.transformer import Transformer

VOCABULARY = 320
LLAMA3: dict[str, float | str | bool] = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32.0,
}


def small_shape(family: str = "qwen3", **changes: object) -> ModelShape:
    fields: dict[str, object] = {
        "family": family, "vocab_size": VOCABULARY, "layers": 2, "width": 64, "heads": 4, "kv_heads": 2,
        "head_dim": 32 if family == "qwen3" else 16, "ff": 96, "tied": True, "context": 128,
    }  # fmt: skip
    return ModelShape.model_validate(fields | changes)


def noisy_model(shape: ModelShape, seed: int = 0, scale: float = 0.2) -> Transformer:
    """Every parameter random, norms and biases too, so that a mistake anywhere shows."""
    model = Transformer(shape)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            centre = 1.0 if "norm" in name else 0.0
            parameter.copy_(centre + scale * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def lora_parameters(model: Transformer) -> list[torch.nn.Parameter]:
    """What `add_lora` made, in the model's order."""
    return [parameter for name, parameter in model.named_parameters() if ".lora_" in name]


def random_tokens(*sizes: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, VOCABULARY, sizes, generator=torch.Generator().manual_seed(seed))


def small_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["the licence grants you the right to copy the work"], trainer)
    return tokenizer


def tokenizer_folder(folder: Path) -> Path:
    folder.mkdir()
    write_tokenizer(
        folder, small_tokenizer(), bos=None, eos=END_OF_TEXT, pad=END_OF_TEXT, chat_template=CHATML, context=128
    )
    return folder
