"""Tokenizers as folders of Hugging Face files, written so that every reader splits text alike: ours (`tokenizers`),
transformers' and the engine's.

What goes wrong elsewhere and is settled here: a normaliser (llama.cpp has none, and changes of NFC would make ids differ);
a model-specific `tokenizer_class` (loading as Qwen2Tokenizer adds NFC); truncation or padding left in `tokenizer.json`; a
chat template only in the new or only in the old place. Trains nothing; knows no models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from luosi.artifacts.base import write_json
from luosi.errors import InputError

END_OF_TEXT = "<|endoftext|>"
IM_START = "<|im_start|>"
IM_END = "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, IM_START, IM_END)
"""Reserved, in this order, by every tokenizer that Luosi trains."""

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""Chat template (Jinja) over `SPECIAL_TOKENS`."""

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
"""What may belong to a tokenizer's folder; the last two may be absent."""


class SpecialIds(NamedTuple):
    """Ids of the special tokens; None where the tokenizer has none."""

    bos: int | None
    eos: int | None
    pad: int | None


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a folder, without truncation or padding. Encode with `add_special_tokens=False` for plain text.

    Raises:
        InputError: There is no `tokenizer.json`, or it cannot be read.
    """
    path = Path(folder) / "tokenizer.json"
    if not path.is_file():
        raise InputError(
            f"{folder} has no tokenizer.json",
            hint="load it with transformers.AutoTokenizer and save_pretrained it: that writes tokenizer.json",
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust binding raises plain Exception
        raise InputError(f"{path} cannot be read as a tokenizer: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def document_start(folder: Path) -> int:
    """The id before the first token of a document: <|endoftext|> if the vocabulary has it, else bos, else eos.

    Not bos first: chat models (SmolLM2-Instruct) name <|im_start|> as bos, which never stood before a document.

    Raises:
        InputError: The tokenizer has none of them.
    """
    end_of_text = load_tokenizer(folder).token_to_id(END_OF_TEXT)
    special = special_ids(folder)
    for candidate in (end_of_text, special.bos, special.eos):
        if candidate is not None:
            return int(candidate)
    raise InputError(
        f"the tokenizer in {folder} has no {END_OF_TEXT}, bos or eos token",
        hint="add bos_token or eos_token to its tokenizer_config.json",
    )


def special_ids(folder: Path) -> SpecialIds:
    """bos, eos and pad as named in `tokenizer_config.json`, else in `special_tokens_map.json`."""
    tokenizer = load_tokenizer(folder)
    names = special_tokens(folder)
    return SpecialIds(*(None if name is None else tokenizer.token_to_id(name) for name in names))


def special_tokens(folder: Path) -> tuple[str | None, str | None, str | None]:
    """The texts of bos, eos and pad, found as in `special_ids`."""
    sources = [_json(folder, "tokenizer_config.json"), _json(folder, "special_tokens_map.json")]

    def named(field: str) -> str | None:
        for source in sources:
            value = source.get(field)
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str):
                return text
        return None

    return named("bos_token"), named("eos_token"), named("pad_token")


def chat_template(folder: Path) -> str | None:
    """The chat template of a folder, from `chat_template.jinja` or `tokenizer_config.json`; None if there is none."""
    path = Path(folder) / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    value = _json(folder, "tokenizer_config.json").get("chat_template")
    if isinstance(value, list):  # several named templates: [{"name": "default", "template": "..."}]
        value = {str(item["name"]): item["template"] for item in value}.get("default")
    return value if isinstance(value, str) else None


def write_tokenizer(
    folder: Path,
    tokenizer: Tokenizer,
    *,
    bos: str | None,
    eos: str | None,
    pad: str | None,
    chat_template: str | None,
    context: int,
) -> None:
    """Write `tokenizer.json`, `tokenizer_config.json` (as PreTrainedTokenizerFast) and `special_tokens_map.json`.

    Args:
        folder: Existing folder.
        tokenizer: Left as it is; what is written is `without_normaliser` of it.
        bos, eos, pad: Texts of special tokens, or None.
        chat_template: Jinja, or None.
        context: Longest input in tokens.

    Raises:
        InputError: A special token is not in the vocabulary, or the normaliser cannot be taken out.
    """
    tokenizer = without_normaliser(tokenizer)
    special = {"bos_token": bos, "eos_token": eos, "pad_token": pad}
    for field, text in special.items():
        if text is not None and tokenizer.token_to_id(text) is None:
            raise InputError(f"{field} is {text!r}, which is not in the tokenizer's vocabulary")
    given = {field: text for field, text in special.items() if text is not None}
    config: dict[str, object] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
        **given,
    }
    if chat_template is not None:
        config["chat_template"] = chat_template
        (folder / "chat_template.jinja").write_text(chat_template, encoding="utf-8")
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json", given)


def import_tokenizer(source: Path, target: Path, *, context: int) -> None:
    """Write the tokenizer of any Hugging Face folder into `target` in the form that `write_tokenizer` gives.

    Raises:
        InputError: As `load_tokenizer` and `without_normaliser`.
    """
    bos, eos, pad = special_tokens(source)
    write_tokenizer(
        target, load_tokenizer(source), bos=bos, eos=eos, pad=pad, chat_template=chat_template(source), context=context
    )


def without_normaliser(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that reads text as it is, truncation and padding taken out too.

    Of normalisers only NFC (Qwen's) may go: it leaves nearly all text alone, and llama.cpp skips it.

    Raises:
        InputError: Another normaliser, without which the vocabulary would not fit (SentencePiece's).
    """
    content = json.loads(tokenizer.to_str())
    kind = (content["normalizer"] or {}).get("type")
    if kind not in (None, "NFC"):
        raise InputError(
            f"the tokenizer's normaliser is {kind}, expected none or NFC",
            hint="Luosi takes byte-level BPE tokenizers (Qwen, Llama 3, SmolLM2); SentencePiece ones are not supported",
        )
    content["normalizer"] = content["truncation"] = content["padding"] = None
    return Tokenizer.from_str(json.dumps(content, ensure_ascii=False))


def _json(folder: Path, name: str) -> dict[str, object]:
    path = Path(folder) / name
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    return value if isinstance(value, dict) else {}
