"""Tokenizer folders: the same ids here and in transformers for any text, and nothing that changes text on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers

from luosi.errors import InputError
from luosi.models.tokenizer import (
    CHATML,
    END_OF_TEXT,
    IM_END,
    SPECIAL_TOKENS,
    chat_template,
    document_start,
    import_tokenizer,
    load_tokenizer,
    special_ids,
    special_tokens,
    write_tokenizer,
)
from tests.models_kit import small_tokenizer, tokenizer_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tokenizer_folder(tmp_path_factory.mktemp("tokenizers") / "small")


@pytest.fixture(scope="module")
def transformers_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def plain(folder: Path, **changes: object) -> None:
    """Write the small tokenizer with some arguments changed."""
    arguments: dict[str, object] = {
        "tokenizer": small_tokenizer(), "bos": None, "eos": None, "pad": None, "chat_template": None, "context": 64,
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    write_tokenizer(folder, **(arguments | changes))  # type: ignore[arg-type]


any_text = st.text() | st.lists(
    st.sampled_from([*SPECIAL_TOKENS, "e\u0301", "\u00e9", " ", "\n", "许可", "\u200d"])
).map("".join)


@given(any_text)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_transformers_gives_the_same_ids_and_the_text_comes_back(
    folder: Path, transformers_tokenizer: Any, text: str
) -> None:
    ours = load_tokenizer(folder)
    ids = ours.encode(text, add_special_tokens=False).ids
    assert ids == transformers_tokenizer.encode(text, add_special_tokens=False)
    assert ours.decode(ids, skip_special_tokens=False) == text == transformers_tokenizer.decode(ids)


def test_transformers_knows_class_special_tokens_template_and_context(transformers_tokenizer: Any) -> None:
    tokenizer = transformers_tokenizer
    assert tokenizer.eos_token == tokenizer.pad_token == END_OF_TEXT and tokenizer.bos_token is None
    assert tokenizer.model_max_length == 128
    assert [tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS] == [0, 1, 2]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_chat_template_is_in_the_old_place_and_the_new(folder: Path, tmp_path: Path) -> None:
    assert chat_template(folder) == CHATML
    config = json.loads((folder / "tokenizer_config.json").read_text())
    assert config["chat_template"] == CHATML and config["tokenizer_class"] == "PreTrainedTokenizerFast"
    named = {"chat_template": [{"name": "tool", "template": "x"}, {"name": "default", "template": "y"}]}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(named))
    assert chat_template(tmp_path) == "y"


def test_special_ids_from_either_file_and_either_form(tmp_path: Path) -> None:
    plain(tmp_path, eos=IM_END)
    assert special_ids(tmp_path) == (None, 2, None)
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"bos_token": {"content": "<|im_start|>"}, "eos_token": None})
    )
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"eos_token": IM_END, "bos_token": END_OF_TEXT}))
    assert special_ids(tmp_path) == (1, 2, None)
    assert special_tokens(tmp_path) == ("<|im_start|>", IM_END, None)


def test_a_document_starts_with_end_of_text_else_bos_else_eos(tmp_path: Path) -> None:
    plain(tmp_path, bos="<|im_start|>", eos=IM_END)
    assert document_start(tmp_path) == 0
    without = json.loads((tmp_path / "tokenizer.json").read_text().replace(END_OF_TEXT, "<|other|>"))
    (tmp_path / "tokenizer.json").write_text(json.dumps(without))
    assert document_start(tmp_path) == 1
    (tmp_path / "special_tokens_map.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": IM_END}))
    assert document_start(tmp_path) == 2
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(InputError, match="bos or eos token"):
        document_start(tmp_path)


def test_import_takes_out_nfc_truncation_padding_and_the_class(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    foreign = small_tokenizer()
    foreign.normalizer = normalizers.NFC()
    foreign.enable_truncation(4)
    foreign.enable_padding(length=9)
    foreign.save(str(source / "tokenizer.json"))
    config = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": {"content": IM_END}, "add_bos_token": False}
    (source / "tokenizer_config.json").write_text(json.dumps(config))
    (source / "chat_template.jinja").write_text("{{ messages }}")
    import_tokenizer(source, target, context=77)
    text = "e\u0301 the right to copy the work"
    ids = load_tokenizer(target).encode(text, add_special_tokens=False).ids
    assert ids == small_tokenizer().encode(text, add_special_tokens=False).ids and len(ids) > 4
    assert special_ids(target) == (None, 2, None) and chat_template(target) == "{{ messages }}"
    assert foreign.normalizer is not None  # the caller's tokenizer is left alone


def test_import_into_the_same_bytes_twice(tmp_path: Path, folder: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        import_tokenizer(folder, tmp_path / name, context=128)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes() == (folder / path.name).read_bytes()


def test_other_normalisers_and_absent_special_tokens_are_refused(tmp_path: Path) -> None:
    lower = small_tokenizer()
    lower.normalizer = normalizers.Sequence([normalizers.Prepend("_"), normalizers.Replace(" ", "_")])
    with pytest.raises(InputError, match="normaliser is Sequence, expected none or NFC"):
        plain(tmp_path, tokenizer=lower)
    with pytest.raises(InputError, match="eos_token is '</s>', which is not in the tokenizer's vocabulary"):
        plain(tmp_path, eos="</s>")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"model": 3}', b"\xff\x00"])
def test_no_or_broken_tokenizer_files_are_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_broken_tokenizer_config_is_refused(tmp_path: Path) -> None:
    plain(tmp_path)
    for content in (b"{", b"\xff"):
        (tmp_path / "tokenizer_config.json").write_bytes(content)
        with pytest.raises(InputError, match=r"tokenizer_config\.json is not JSON"):
            special_ids(tmp_path)


def test_vocabulary_is_unchanged_by_writing(folder: Path) -> None:
    assert load_tokenizer(folder).get_vocab() == Tokenizer.get_vocab(small_tokenizer())
