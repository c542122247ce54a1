"""Conversations as text: a folder's chat template, rendered as transformers and the engine render it.

The template is Jinja in a sandbox, with the settings, filters and functions of transformers' `apply_chat_template`. One thing
differs on purpose: a template that asks for today's date (`strftime_now`) finds none and falls back to its own, because what a
model is trained on must not depend on the clock. Knows neither models nor what is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from luosi.artifacts.base import write_json
from luosi.errors import InputError
from luosi.models.tokenizer import chat_template, load_tokenizer, special_ids, special_tokens

Message = Mapping[str, str]
"""{"role": "system" | "user" | "assistant", "content": text}."""


class Turn(NamedTuple):
    """A conversation that ends with an answer, cut where the answer begins: what is given, and what the model must say."""

    prompt: str
    answer: str
    """To the token that ends the turn, that included; what a template puts after it is left out, since no model says it."""
    prompt_ids: list[int]
    answer_ids: list[int]


class Chat:
    """The chat template of a tokenizer's folder.

    Raises:
        InputError: The folder has no chat template, or one that is no Jinja.
    """

    def __init__(self, folder: Path) -> None:
        source = chat_template(folder)
        if source is None:
            raise InputError(
                f"the tokenizer in {folder} has no chat template, so there is no telling how to put a question",
                hint="use an instruction-tuned model, or add chat_template.jinja to its folder",
            )
        self._template = _compiled(source)
        names = zip(("bos_token", "eos_token", "pad_token"), special_tokens(folder), strict=True)
        self._special = {name: text for name, text in names if text is not None}
        self._tokenizer = load_tokenizer(folder)
        self._eos = special_ids(folder).eos

    def text(self, messages: Sequence[Message], *, asks: bool = True) -> str:
        """The conversation as the model reads it; `asks` adds the beginning of the answer that is now its turn to give.

        Raises:
            InputError: The template refuses the messages; says why.
        """
        try:
            return self._template.render(
                messages=[dict(message) for message in messages],
                tools=None,
                documents=None,
                add_generation_prompt=asks,
                **self._special,
            )
        except jinja2.TemplateError as error:
            raise InputError(f"the model's chat template refuses the conversation: {error}") from error

    def ids(self, messages: Sequence[Message], *, asks: bool = True) -> list[int]:
        """`text` as token ids, special tokens recognised."""
        return self._encode(self.text(messages, asks=asks))

    def turn(self, messages: Sequence[Message], answer: str) -> Turn:
        """`messages` and the `answer` to them: rendered as one conversation, encoded in two parts as when the model answers."""
        prompt = self.text(messages)
        whole = self.text([*messages, {"role": "assistant", "content": answer}], asks=False).rstrip()
        if whole.startswith(prompt):
            said = whole[len(prompt) :]
        else:  # the template writes past turns otherwise than it begins new ones
            place = whole.rfind(answer.strip())
            said = whole[place:] if place >= 0 else answer.strip()
        answer_ids = self._encode(said)
        last = self._tokenizer.id_to_token(answer_ids[-1]) if answer_ids else None
        if self._eos is not None and last not in self._ends():
            answer_ids.append(self._eos)
            said += self._tokenizer.id_to_token(self._eos) or ""
        return Turn(prompt, said, self._encode(prompt), answer_ids)

    def _ends(self) -> set[str]:
        added = self._tokenizer.get_added_tokens_decoder()
        return {token.content for token in added.values() if token.special}

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)


def with_system(template: str, prompt: str) -> str:
    """`template` with the system message `prompt` put first in conversations that do not begin with one of their own."""
    message = f'{{"role": "system", "content": {json.dumps(prompt, ensure_ascii=False)}}}'
    own = 'messages and messages[0]["role"] == "system"'
    # the empty expression keeps a newline with which the template begins: Jinja swallows one after a statement
    return f'{{%- if not ({own}) %}}{{%- set messages = [{message}] + messages %}}{{%- endif %}}{{{{ "" }}}}{template}'


def put_system(folder: Path, source: Path, prompt: str) -> None:
    """Write the chat template of `source` into its copy `folder`, both places where readers look, with `prompt` put first.

    Raises:
        InputError: There is no template, or it does not show system messages.
    """
    probe = [{"role": "user", "content": "?"}]
    Chat(source).text(probe)
    template = with_system(chat_template(source) or "", prompt)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    write_json(folder / "tokenizer_config.json", {**config, "chat_template": template})
    if prompt.strip() not in Chat(folder).text(probe):
        raise InputError(
            "the model's chat template does not show system messages, so the system prompt would be lost",
            hint='leave system_prompt empty ("")',
        )


def _compiled(source: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _refuse
    try:
        return environment.from_string(source)
    except jinja2.TemplateError as error:
        raise InputError(
            f"the model's chat template is no Jinja: {error}", hint="get the model's files again"
        ) from error


class _Generation(jinja2.ext.Extension):
    """`{% generation %}..{% endgeneration %}` marks answers in some templates; it renders what is inside."""

    tags = {"generation"}  # noqa: RUF012 (as Jinja has it)

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        """The statements inside."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False) -> str:  # fmt: skip
    """JSON without Jinja's escapes for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
