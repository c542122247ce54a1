"""Rented models that answer: the money put aside first, the answer with its charge after, every failure said."""

from __future__ import annotations

from luosi.models.remote import Remote, RemoteTrouble, Reply
from luosi.retrieval.prompt import messages
from luosi.stages.race.config import RentedConfig
from luosi.stages.race.own import Turns
from luosi.stages.race.purse import Purse, charge, most_prompt_tokens, price
from luosi.stages.race.said import Asking, Said


class RentedModel:
    """A model at somebody's address, asked as long as the purse can pay.

    Args:
        config: Its address and price.
        purse: That pays.

    Raises:
        UsageError: The address is none, or its key is not in the environment.
    """

    def __init__(self, config: RentedConfig, purse: Purse) -> None:
        self.name = config.model
        self._config, self._purse = config, purse
        self._remote = Remote(config.url, config.model, config.shape, config.key_variable, config.timeout_s)

    def answer(self, asking: Asking, who: str) -> Said | None:
        """As text, for questions with choices too; None where it might cost more than is left."""
        question = asking.question
        turns = messages(question.prompt, choices=question.choices, passages=asking.passages, system=asking.system)
        said = self.chat(turns, asking.answer_tokens, who)
        return said and said.model_copy(update={"shown": len(asking.passages)})

    def chat(self, turns: Turns, answer_tokens: int, who: str) -> Said | None:
        """The text that goes on from a chat, paid for as asked by `who`; None where it might cost more than is left."""
        ticket = self._purse.reserve(who, price(self._config, most_prompt_tokens(turns), answer_tokens))
        if ticket is None:
            return None
        reply: Reply | RemoteTrouble
        try:
            reply = self._remote.chat(turns, max_tokens=answer_tokens)
            nano = charge(self._config, ticket, reply)
            said = Said(text=reply.text, seconds=reply.seconds)
        except RemoteTrouble as trouble:
            reply, nano = trouble, charge(self._config, ticket, trouble)
            said = Said(trouble=str(trouble))
        self._purse.settle(ticket, nano)
        counted = {"prompt_tokens": reply.prompt_tokens, "answer_tokens": reply.answer_tokens}
        paid = {"ticket": ticket.number, "nano": nano, "overdrawn": nano > ticket.most_nano}
        return said.model_copy(update=counted | paid)
