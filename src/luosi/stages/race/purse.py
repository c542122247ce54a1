"""What rented models may cost and have cost: the most a request can cost is put aside, on disk, before it is sent.

A process that dies between sending and noting the answer leaves a reservation without a charge; it counts as spent in full, so
the cap holds however often a race is killed and run again. Whole nano-units, one rounding up per request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luosi.models.remote import RemoteTrouble, Reply
from luosi.pipeline.journal import Journal
from luosi.stages.race.config import RentedConfig

MILLION = 1_000_000
MESSAGE_TOKENS = 32
"""Most that a server's chat template adds to one message, and once to the whole."""


def price(rented: RentedConfig, prompt_tokens: int, answer_tokens: int) -> int:
    """Nano-units for one request."""
    return -(-(prompt_tokens * rented.prompt_nano + answer_tokens * rented.completion_nano) // MILLION)


def most_prompt_tokens(messages: Sequence[Mapping[str, str]]) -> int:
    """Tokens that no tokenizer exceeds: of those in use none makes more of a text than it has UTF-8 bytes."""
    return MESSAGE_TOKENS + sum(MESSAGE_TOKENS + len(message["content"].encode()) for message in messages)


@dataclass(frozen=True)
class Ticket:
    """Money put aside for one request: its number in the journal, who is asked, and how much."""

    number: int
    who: str
    most_nano: int


class Purse:
    """The money of one race; what was spent before is read from the journal.

    Args:
        cap_nano: The most that may be spent.
        journal: Pieces with "ticket" and "nano" have settled the reservation of that number. Reservations that nothing settled
            are of requests cut off by the death of the process: they are settled now, in full.
    """

    def __init__(self, cap_nano: int, journal: Journal[dict[str, Any]]) -> None:
        self.cap_nano = cap_nano
        self._journal = journal
        reserved = {int(name.split()[1]): piece for name, piece in journal.done.items() if name.startswith("reserve ")}
        settled = {piece["ticket"]: piece["nano"] for piece in journal.done.values() if piece.get("ticket") is not None}
        self.lost_nano = 0
        """Settled just now."""
        self.paid_nano: dict[str, int] = {}
        """By who was asked."""
        for number, piece in reserved.items():
            if number not in settled:
                journal.add(f"lost {number}", {"ticket": number, "nano": piece["nano"]}, sync=True)
                self.lost_nano += piece["nano"]
            self._pay(piece["who"], settled.get(number, piece["nano"]))
        self.spent_nano = sum(self.paid_nano.values())
        """Paid, and put aside for requests under way."""
        self._next = max(reserved, default=-1) + 1

    def reserve(self, who: str, most_nano: int) -> Ticket | None:
        """Put `most_nano` aside for asking `who`; None, and nothing put aside, where the cap might be passed."""
        if self.spent_nano + most_nano > self.cap_nano:
            return None
        ticket = Ticket(self._next, who, most_nano)
        self._journal.add(f"reserve {ticket.number}", {"who": who, "nano": most_nano}, sync=True)
        self._next += 1
        self.spent_nano += most_nano
        return ticket

    def settle(self, ticket: Ticket, nano: int) -> None:
        """The request cost `nano`; the caller journals the answer with the ticket's number and the charge."""
        self.spent_nano += nano - ticket.most_nano
        self._pay(ticket.who, nano)

    def _pay(self, who: str, nano: int) -> None:
        self.paid_nano[who] = self.paid_nano.get(who, 0) + nano


def charge(rented: RentedConfig, ticket: Ticket, answer: Reply | RemoteTrouble) -> int:
    """What a request cost: by the tokens that the server counted; all that was put aside where it did not say and may ask for it."""
    if isinstance(answer, RemoteTrouble) and not answer.may_be_charged:
        return 0
    if answer.prompt_tokens is None or answer.answer_tokens is None:
        return ticket.most_nano
    return price(rented, answer.prompt_tokens, answer.answer_tokens)
