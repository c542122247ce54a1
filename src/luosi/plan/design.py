"""Design: files, an open model and a budget in; a complete recipe out, as TOML text with the reason for every chosen number.

The route is the cheapest promising one: adapt the open model by a LoRA with as many tokens as the budget pays for, and prove
it against the unmodified model and xz; a model from scratch only out of what is left over, of the size and on as much text as the
forecast of its bits per byte says. Prices come from whoever calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from luosi.artifacts.shape import ModelShape
from luosi.cost import NANO, Estimate, Rates
from luosi.errors import UsageError
from luosi.plan.budget import Budget, Point, at_least, takes
from luosi.plan.chain import FULL, LEAN, Choice, Job, Table, recipe
from luosi.plan.demand import answering
from luosi.plan.forecast import Forecast
from luosi.plan.scaling import (
    MAX_EPOCHS,
    SCRATCH_SHAPES,
    TOKENS_PER_PARAMETER,
    largest,
    scratch_tokens,
    text_tokens,
)
from luosi.plan.scratch import ALIKE, Scratch, choose
from luosi.plan.writer import dump
from luosi.retrieval.packages import EncoderName

POINTS: tuple[Point, Point] = ("p50", "p90")
LEAST_BATCHES = 16
"""Fewer optimizer steps than this teach a LoRA next to nothing."""

ENCODER_SHARE = 0.35
"""Of the budget, that finding passages by their meaning may take; above it words alone must do."""

SCRATCH_SHARE = 0.5
"""Of the budget, that is kept for a model from scratch where many answers are asked for: then a small model may be worth its making."""

Price = Callable[[Table], Estimate]
"""What a recipe is expected to cost in all."""


LEAST_TEXT_BYTES = 20_000
"""Of which a fifth, held out, makes a few questions."""


def design(job: Job, budget: Budget, *, rates: Rates, price: Price) -> str:
    """The recipe for `job` that makes the most of `budget`, as TOML.

    Args:
        job: What is given.
        budget: The limit. It holds with a chance of nine in ten, by the estimates' own intervals.
        rates: What the machine costs, for budgets in money.
        price: Called with recipes as plain dicts, some twenty times; some eighty where a model from scratch is to be chosen.

    Raises:
        UsageError: Nothing fits; the hint names the smallest budget that would do.
    """
    if not job.texts or not job.texts[0].text_bytes:
        raise UsageError("there is no text to adapt a model to", hint="name files that have text in them")
    if job.texts[0].text_bytes < LEAST_TEXT_BYTES:
        raise UsageError(
            f"{job.texts[0].text_bytes:,} bytes of text are too little: a part is held out to test on, and that must hold a question",
            hint=f"give at least {LEAST_TEXT_BYTES:,} bytes; with so little, put the text into the prompt of an open or rented model",
        )
    search = _Search(job, budget, rates, price)
    choice = search.run()
    forecast = Forecast(job)
    choice, scratch_notes = _scratch(search, choice, forecast)
    notes = _notes(search, choice) | {"steps.adapt": forecast.of_adapted(choice.tokens)} | scratch_notes
    head = (
        f"Written by `luosi new` for a budget of {budget} on this machine ({job.machine.name}).\n"
        "Everything is here and nothing is implied: change what you like; `luosi plan` says what that costs."
    )
    return dump(recipe(job, choice, budget), notes, head=head, inline=("inputs",))


@dataclass(frozen=True)
class _Search:
    """The largest choice that fits."""

    job: Job
    budget: Budget
    rates: Rates
    price: Price

    @property
    def most(self) -> int:
        """Optimizer steps after which the text was seen `MAX_EPOCHS` times."""
        tokens = MAX_EPOCHS * text_tokens(self.job.texts[0].text_bytes) / (1 - self.job.replay)
        return max(1, int(tokens / self.job.row))

    def estimate(self, choice: Choice) -> Estimate:
        """Of the whole recipe."""
        return self.price(recipe(self.job, choice, self.budget))

    def needs(self, choice: Choice) -> float:
        """What is taken of the budget; one chance in ten that it is more."""
        return takes(self.with_answers(choice), self.budget.kind, self.rates)

    def with_answers(self, choice: Choice) -> Estimate:
        """Of the recipe, and of answering with its model from scratch, if it has one, as often as somebody said."""
        answers = self.answering(choice.scratch.shape) if choice.scratch else Estimate()
        return self.estimate(choice) + answers

    def answering(self, shape: ModelShape) -> Estimate:
        """Of that many answers by a model of `shape`."""
        return answering(shape, self.job.machine, self.job.answers)

    def cost(self, estimate: Estimate) -> float:
        """What `estimate` is expected to take of a budget of this kind."""
        return takes(estimate, self.budget.kind, self.rates, "p50")

    def fits(self, choice: Choice) -> bool:
        """Whether that is within the budget."""
        return self.needs(choice) <= self.budget.amount

    def run(self) -> Choice:
        """The most tokens that fit, compiled where that is faster.

        Less evidence only if nothing fits otherwise, or if it pays for a better encoder: what is found decides more of the answers.
        """
        full = Choice(tokens=min(LEAST_BATCHES, self.most) * self.job.row, evidence=FULL)
        lean = replace(full, evidence=LEAN)
        found = [replace(least, encoder=self._encoder(least)) for least in (full, lean) if self.fits(least)]
        if not found:
            raise UsageError(
                f"a budget of {self.budget} is too small to adapt {self.job.model.name} to this text and to prove it",
                hint=f'the smallest that would do: --budget "{at_least(self.needs(lean), self.budget.kind)}"',
            )
        ranks = (*self.job.encoders, "none")
        choice = self.grow(min(found, key=lambda least: ranks.index(least.encoder)))
        compiled = replace(choice, compile=True)
        faster = self.estimate(compiled).seconds.p50 < self.estimate(choice).seconds.p50
        return self.grow(compiled) if faster and self.fits(compiled) else choice

    def _encoder(self, choice: Choice) -> EncoderName:
        """The best that the budget pays for without giving up much of its training."""
        alone = self.needs(choice)
        for encoder in self.job.encoders if self.job.questions else ():
            more = self.needs(replace(choice, encoder=encoder))
            if more <= self.budget.amount and more - alone <= ENCODER_SHARE * self.budget.amount:
                return encoder
        return "none"

    def grow(self, choice: Choice) -> Choice:
        """`choice` with the most tokens to adapt with that fit."""
        row = self.job.row
        count = largest(lambda n: self.fits(replace(choice, tokens=n * row)), choice.tokens // row, self.most)
        return replace(choice, tokens=count * row)

    def with_room(self, choice: Choice) -> Choice:
        """`choice` on fewer tokens, which leaves a part of the budget to a model from scratch; as it is where too few would remain."""
        part = replace(self, budget=self.budget.model_copy(update={"amount": self.budget.amount * (1 - SCRATCH_SHARE)}))
        least = replace(choice, tokens=min(LEAST_BATCHES * self.job.row, choice.tokens))
        return part.grow(least) if part.fits(least) else choice


def _scratch(search: _Search, choice: Choice, forecast: Forecast) -> tuple[Choice, dict[str, str]]:
    """`choice` with the model from scratch that makes the best of what it may spend, or without one; and the reasons."""
    job, shape = search.job, SCRATCH_SHAPES[0]
    most = [Scratch.of_text(one, MAX_EPOCHS * sum(text.text_bytes for text in job.texts)) for one in SCRATCH_SHAPES]
    smallest = Scratch(shape, min(most[0].tokens, scratch_tokens(shape)))
    left_out = (
        f"A model from scratch is left out: the smallest, {shape.parameters / 1e6:.1f} M parameters, asks for "
        f"{scratch_tokens(shape):,.0f} tokens ({TOKENS_PER_PARAMETER:g} for each parameter, Hoffmann et al. 2022, arXiv 2203.15556)"
    )
    reaches = f"On {smallest.tokens:,.0f} tokens: {forecast.of_scratch(smallest)}"

    def without(why: str) -> tuple[Choice, dict[str, str]]:
        return choice, {"steps.verdict": f"{left_out}{why}. {reaches}"}

    if most[0].tokens < scratch_tokens(shape):
        return without(f"; this text seen {MAX_EPOCHS:g} times has about {most[0].tokens:,.0f}")
    if choice.tokens < search.most * job.row and not job.answers:
        return without(", and adapting the open model can use all of the budget to better effect")
    roomy = search.with_room(choice) if job.answers else choice
    if not search.fits(replace(roomy, scratch=smallest)):
        needed = at_least(search.needs(replace(roomy, scratch=smallest)), search.budget.kind)
        answers = f" for it and {job.answers:,.0f} answers" if job.answers else ""
        return without(f"; with it this recipe would need a budget of {needed}{answers}")
    found = choose(
        [smallest, *most],
        forecast=lambda one: forecast.scratch(one).p50,
        pays=lambda one: search.fits(replace(roomy, scratch=one)),
        costs=lambda one: search.cost(search.with_answers(replace(roomy, scratch=one))),
    )
    return search.grow(replace(roomy, scratch=found)), _scratch_notes(search, found, forecast)


def _scratch_notes(search: _Search, scratch: Scratch, forecast: Forecast) -> dict[str, str]:
    """The reasons for its numbers."""
    answers = f", and for {search.job.answers:,.0f} answers with it" if search.job.answers else ""
    return {
        "steps.scratch": f"{forecast.of_scratch(scratch)} {scratch.shape.parameters / 1e6:.0f} M parameters on {scratch.tokens:,.0f} "
        f"tokens: of the models that the budget pays for{answers}, the cheapest that comes within {ALIKE:.0%} of the best forecast. "
        "It is there to be compared.",
        "steps.scratch.batch_tokens": "16 for each unit of width; where it is more, what Li et al. 2025 (arXiv 2503.04715) find best for "
        "so many tokens.",
        "steps.scratch.matrix_lr": "The defaults were found on 4 M parameters; for more they fall as in Bi et al. 2024 "
        "(arXiv 2401.02954).",
    }


def _answers_note(search: _Search) -> str:
    """What the demand adds to the cost of making, where somebody said what it is."""
    job = search.job
    if not job.answers:
        return ""
    models = (("the adapted model", job.model.shape), ("the smallest from scratch", SCRATCH_SHAPES[0]))
    each = (f"{at_least(search.cost(search.answering(shape)), search.budget.kind)} by {name}" for name, shape in models)
    return f" Answering {job.answers:,.0f} times then takes about {', '.join(each)}."


def _notes(search: _Search, choice: Choice) -> dict[str, str]:
    """The reason for each chosen number, by its path in the recipe."""
    job, budget = search.job, search.budget
    estimate = search.estimate(choice)
    middle, high = (at_least(takes(estimate, budget.kind, search.rates, point), budget.kind) for point in POINTS)
    size = job.texts[0].text_bytes
    held = min(choice.evidence.heldout_bytes, size * job.heldout_fraction(choice.evidence))
    seen = choice.tokens * (1 - job.replay) / text_tokens(size)
    steps = f"{choice.tokens // job.row:,} optimizer steps of {job.row:,} tokens, the text seen {seen:.2g} times"
    capped = choice.tokens == search.most * job.row
    limit = (
        f"more repeats gain little (Muennighoff et al. 2023, arXiv 2305.16264: up to {MAX_EPOCHS:g})"
        if capped
        else "the most for which the budget holds with a chance of nine in ten"
    )
    evidence = choice.evidence
    lean = "" if evidence == FULL else f" ({FULL.questions} did not fit the budget)"
    ratio = job.machine.bf16_flops / job.machine.fp32_flops
    precision = f"bf16 products are {ratio:.1f} times as fast as fp32 here" if ratio > 1 else "bf16 is no faster here"
    asked = _asked_notes(job, choice) if job.questions else {}
    return {
        **asked,
        "budget": f"The plan expects about {middle}, and more than {high} with a chance of one in ten."
        f"{_answers_note(search)}",
        "steps.curate.heldout_fraction": f"About {held:,.0f} of {size:,} bytes that no model is trained on: what the routes "
        "are measured by costs time, so no more than this, and no more than 20 % of the text.",
        "steps.exam.questions": f"Of each source; the standard error of an accuracy is at most "
        f"{0.5 / evidence.questions**0.5:.2f}{lean}.",
        "steps.open": f"The usual start: an open model, {job.model.shape.parameters / 1e6:,.0f} M parameters.",
        "steps.adapt.tokens": f"{steps}: {limit}.",
        "steps.adapt.replay": "The other texts, so that less is forgotten."
        if job.replay
        else "There is no other text.",
        "steps.adapt.precision": f"{precision}.",
        "steps.adapt.compile": "Compiling pays for itself in a run of this length."
        if choice.compile
        else "Too short a run for compiling to pay for itself.",
        "steps.score_open": "Every route is scored from the file that ships, on the same held-out bytes.",
        "steps.score_xz": "A compressor that has read the training text: what a model of it must beat.",
    }


def _asked_notes(job: Job, choice: Choice) -> dict[str, str]:
    """The reasons that hold only where the user's own questions are asked."""
    by = (
        "by words and, with this encoder, by meaning"
        if choice.encoder != "none"
        else "by words alone: no encoder that knows the text's language is installed, or the budget does not pay for it"
    )
    pairs = choice.evidence.pairs // (2 if job.spelled else 1)
    rented = (
        f"Rented models are asked until the cap is reached, {job.cap_nano / NANO:g} {job.rented[0].price['currency']} in all."
        if job.rented
        else "No rented model is asked: `luosi new --rent NAME=URL#KEY_VARIABLE` adds one."
    )
    return {
        "steps.passages": "All files, cut into passages that can be found by a question and shown to a model with it; found "
        f"{by}.",
        "steps.pairs.pairs": f"{pairs} questions with answers made of the training text, never of what is held out: the adapted "
        "model learns from them how to answer, half of them from passages and half by heart.",
        "steps.race": "Every route is asked the same questions of yours, in rounds; one that can no longer win is asked no more. "
        + rented,
    }
