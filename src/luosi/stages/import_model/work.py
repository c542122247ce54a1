"""The work of import_model: read a model from either form, check it against the recipe, write it as a ModelArtifact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from luosi.artifacts import Facts, ModelShape
from luosi.errors import InputError
from luosi.models.gguf import read_gguf, write_gguf_tokenizer
from luosi.models.gguf_tokenizer import describe_tokenizer
from luosi.models.tokenizer import import_tokenizer, load_tokenizer
from luosi.models.weights import read_shape, read_state, save_model
from luosi.pipeline.stage import Context
from luosi.stages.import_model.config import Config
from luosi.stages.import_model.source import locate


def import_model(config: Config, context: Context) -> Facts:
    """Fill `context.out` with the model that `config` means; see `ImportModelStage.run`."""
    context.progress(0, 3, "steps")
    path = locate(config)
    context.progress(1, 3, "steps")
    tokenizer = context.scratch / "tokenizer"
    tokenizer.mkdir(parents=True, exist_ok=True)
    shape, state, source = _from_folder(path, tokenizer) if path.is_dir() else _from_gguf(path, tokenizer)
    if config.shape is not None and config.shape != shape:
        raise InputError(
            f"the model {path} {_difference(config.shape, shape)}",
            hint="correct `shape` in the recipe, or leave it out",
        )
    describe_tokenizer(tokenizer, shape.vocab_size)  # what cannot ship is refused before anyone trains it
    context.progress(2, 3, "steps")
    save_model(context.out, state, shape, tokenizer)
    context.progress(3, 3, "steps")
    return Facts(
        shape=shape,
        figures={"imported_as": config.name, "parameters": shape.parameters, **source},
    )


def _from_folder(path: Path, tokenizer: Path) -> tuple[ModelShape, Mapping[str, Tensor], dict[str, str]]:
    shape = read_shape(path)
    import_tokenizer(path, tokenizer, context=shape.context)
    normaliser = json.loads(load_tokenizer(path).to_str())["normalizer"]
    dropped = {"normaliser_dropped": str(normaliser["type"])} if normaliser else {}
    return shape, read_state(path), {"source": "safetensors", **dropped}


def _from_gguf(path: Path, tokenizer: Path) -> tuple[ModelShape, Mapping[str, Tensor], dict[str, str]]:
    model = read_gguf(path)
    write_gguf_tokenizer(model, tokenizer)
    return model.shape, model.state, {"source": f"GGUF {model.precision}"}


def _difference(expected: ModelShape, seen: ModelShape) -> str:
    """The first field that differs, for a message."""
    values = seen.model_dump()
    name = next(name for name, value in expected.model_dump().items() if value != values[name])
    return f"has {name} {values[name]}, the recipe expects {getattr(expected, name)}"
