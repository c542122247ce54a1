"""The work of compress: read the bundle's F32 GGUF, write it at another precision with everything beside it, measure it running."""

from __future__ import annotations

import shutil

from luosi.artifacts import Bundle, Facts
from luosi.artifacts.base import write_json
from luosi.errors import InputError
from luosi.models.engine import measure_speed, require_engine
from luosi.models.gguf import read_gguf, write_gguf
from luosi.models.tokenizer import TOKENIZER_FILES
from luosi.pipeline.stage import Context
from luosi.stages.compress.config import Config


def compress(config: Config, bundle: Bundle, context: Context) -> Facts:
    """Fill `context.out` with `bundle` at `config.precision`; see `CompressStage.run`."""
    require_engine()
    if bundle.precision != "F32":
        raise InputError(
            f"the bundle is in {bundle.precision} already, and quantising twice loses twice",
            hint="compress the F32 bundle that export made",
        )
    context.progress(0, 3, "steps")
    model = read_gguf(bundle.gguf)
    context.progress(1, 3, "steps")
    for name in (*TOKENIZER_FILES, "config.json", "shape.json"):
        if (bundle.path / name).is_file():
            shutil.copyfile(bundle.path / name, context.out / name)
    write_json(context.out / "bundle.json", {**bundle.json("bundle.json"), "precision": config.precision})
    gguf = context.out / "model.gguf"
    write_gguf(
        gguf,
        shape=model.shape,
        state=model.state,
        tokenizer_folder=bundle.path,
        precision=config.precision,
        name=model.name,
    )
    context.progress(2, 3, "steps")
    shape = model.shape
    del model
    speed = measure_speed(gguf, vocab_size=shape.vocab_size, context=shape.context, cores=context.machine.cores)
    context.progress(3, 3, "steps")
    return Facts(
        shape=shape,
        precision=config.precision,
        file_bytes=gguf.stat().st_size,
        prompt_tokens_per_s=speed.prompt_tokens_per_s,
        decode_tokens_per_s=speed.decode_tokens_per_s,
        load_s=speed.load_s,
        rss_bytes=speed.rss_bytes,
        figures={"bits_per_weight": 8 * gguf.stat().st_size / shape.parameters, "engine_threads": speed.threads},
    )
