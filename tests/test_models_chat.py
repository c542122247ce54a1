"""Chat templates: the same text and ids as transformers and the engine, the answer's place, a system prompt that travels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from luosi.errors import InputError
from luosi.models.chat import Chat, put_system, with_system
from luosi.models.tokenizer import CHATML, chat_template
from tests.models_kit import tokenizer_folder

SMOLLM = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are kind<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN = (
    "{%- if messages[0].role == 'system' %}\n    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}\n{%- endif %}\n"
    "{%- set ns = namespace(last=messages|length - 1) %}\n{%- for message in messages %}\n    {%- if message.role == 'user' or (message.role"
    " == 'system' and not loop.first) %}\n        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n"
    "    {%- elif message.role == 'assistant' %}\n        {{- '<|im_start|>assistant\\n' }}{%- if loop.index0 == ns.last %}{{- '<think>\\n\\n"
    "</think>\\n\\n' }}{%- endif %}{% generation %}{{- message.content + '<|im_end|>\\n' }}{% endgeneration %}\n    {%- endif %}\n"
    "{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n"
)
NEWLINE_FIRST = "\n{% if messages %}\n  {{ messages | tojson }}\n{% endif %}{{ bos_token is defined }}{{ eos_token }}"
TEMPLATES = {"chatml": CHATML, "smollm": SMOLLM, "qwen": QWEN, "newline": NEWLINE_FIRST}
TEXT = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


def folder_with(folder: Path, template: str) -> Path:
    tokenizer_folder(folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Chat, PreTrainedTokenizerFast]]:
    base = tmp_path_factory.mktemp("templates")
    folders = {name: folder_with(base / name, template) for name, template in TEMPLATES.items()}
    return {name: (Chat(folder), AutoTokenizer.from_pretrained(folder)) for name, folder in folders.items()}


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(system=st.none() | TEXT, turns=st.lists(TEXT, min_size=1, max_size=4), asks=st.booleans())
@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_conversations_are_rendered_as_transformers_renders_them(
    opened: dict[str, tuple[Chat, PreTrainedTokenizerFast]], name: str, system: str | None, turns: list[str], asks: bool
) -> None:
    ours, theirs = opened[name]
    messages = [{"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(turns)]
    messages = [{"role": "system", "content": system}, *messages] if system is not None else messages
    assert ours.text(messages, asks=asks) == theirs.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=asks
    )
    assert (
        ours.ids(messages, asks=asks) == theirs.apply_chat_template(messages, add_generation_prompt=asks)["input_ids"]
    )


@settings(deadline=None, max_examples=40)
@given(question=TEXT, answer=TEXT.map(str.strip).filter(bool))
@pytest.mark.parametrize("name", ["chatml", "smollm", "qwen"])
def test_an_answer_is_what_the_model_says_after_the_prompt_and_ends_its_turn(
    opened: dict[str, tuple[Chat, PreTrainedTokenizerFast]], name: str, question: str, answer: str
) -> None:
    chat, tokenizer = opened[name]
    messages = [{"role": "user", "content": question}]
    turn = chat.turn(messages, answer)
    assert turn.prompt == chat.text(messages) and turn.prompt_ids == chat.ids(messages)
    assert turn.answer.endswith(f"{answer}<|im_end|>")
    assert tokenizer.decode(turn.answer_ids, clean_up_tokenization_spaces=False) == turn.answer
    whole = chat.text([*messages, {"role": "assistant", "content": answer}], asks=False)
    assert whole == turn.prompt + turn.answer + "\n"


def test_a_template_that_ends_no_turn_gets_the_end_token(tmp_path: Path) -> None:
    bare = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}A> {% endif %}"
    turn = Chat(folder_with(tmp_path / "bare", bare)).turn([{"role": "user", "content": "why?"}], "because")
    assert turn.prompt == "user: why?\nA> " and turn.answer == "because<|endoftext|>"
    assert turn.answer_ids[-1] == 0


HARD = "Say \"no\".\nNever {{ this }} or {% that %} {# nor that #} %} }}, 'quoted', C:\\new\\table, é 螺丝 👍\ttab"


@settings(deadline=None, max_examples=60)
@given(prompt=TEXT.filter(lambda text: bool(text.strip())))
@pytest.mark.parametrize("template", [CHATML, SMOLLM, NEWLINE_FIRST])
def test_the_system_prompt_comes_first_unless_the_conversation_has_one(
    tmp_path_factory: pytest.TempPathFactory, template: str, prompt: str
) -> None:
    folder = tmp_path_factory.mktemp("system") / "a"
    plain = Chat(folder_with(folder, template))
    user, own = {"role": "user", "content": "hi"}, {"role": "system", "content": "mine"}
    (folder / "chat_template.jinja").write_text(with_system(template, prompt), newline="")
    told = Chat(folder)
    assert told.text([user]) == plain.text([{"role": "system", "content": prompt}, user])
    assert told.text([own, user]) == plain.text([own, user])


def test_both_places_that_readers_look_at_get_the_prompt(tmp_path: Path) -> None:
    source = folder_with(tmp_path / "source", SMOLLM)
    copy = tokenizer_folder(tmp_path / "copy")
    for _ in range(2):  # a run that was killed and begins again
        put_system(copy, source, HARD)
    template = chat_template(copy)
    assert json.loads((copy / "tokenizer_config.json").read_text())["chat_template"] == template
    messages = [{"role": "user", "content": "hi"}]
    theirs = AutoTokenizer.from_pretrained(copy).apply_chat_template(messages, tokenize=False)
    assert theirs == Chat(copy).text(messages, asks=False) and theirs.count(HARD) == 1 and "kind" not in theirs


def test_what_cannot_be_rendered_says_why(tmp_path: Path) -> None:
    no_template = tokenizer_folder(tmp_path / "none")
    (no_template / "chat_template.jinja").unlink()
    config = json.loads((no_template / "tokenizer_config.json").read_text())
    (no_template / "tokenizer_config.json").write_text(
        json.dumps({k: v for k, v in config.items() if k != "chat_template"})
    )
    with pytest.raises(InputError, match="no chat template"):
        Chat(no_template)
    with pytest.raises(InputError, match="no Jinja"):
        Chat(folder_with(tmp_path / "broken", "{% if %}"))
    refusing = folder_with(tmp_path / "refusing", "{{ raise_exception('no system role') }}")
    with pytest.raises(InputError, match="refuses the conversation: no system role"):
        Chat(refusing).text([{"role": "user", "content": "hi"}])
    dangerous = folder_with(tmp_path / "dangerous", "{{ ''.__class__.__mro__ }}{{ messages.append(1) }}")
    with pytest.raises(InputError, match="refuses"):
        Chat(dangerous).text([{"role": "user", "content": "hi"}])
    deaf = folder_with(
        tmp_path / "deaf", "{% for m in messages if m['role'] != 'system' %}{{ m['content'] }}{% endfor %}"
    )
    with pytest.raises(InputError, match="would be lost"):
        put_system(tokenizer_folder(tmp_path / "copy"), deaf, "Be brief.")
