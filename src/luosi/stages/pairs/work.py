"""The work of pairs: corrections first, then rules for their share, the model for its own, and rules again for what is missing."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator

from luosi.artifacts import Bundle, Corpus, Exam, Facts, Index, Passage
from luosi.artifacts.base import write_json, write_jsonl
from luosi.cost import Cost
from luosi.errors import InputError
from luosi.models.engine import Engine, require_engine
from luosi.models.flops import forward_flop
from luosi.pipeline.journal import Journal
from luosi.pipeline.stage import Context, Inputs
from luosi.retrieval.search import Searcher
from luosi.stages.pairs import asked, rules
from luosi.stages.pairs.candidate import Candidate, plain, said_in
from luosi.stages.pairs.config import Config
from luosi.stages.pairs.corrections import corrections
from luosi.stages.pairs.filters import Filters
from luosi.stages.pairs.pool import pool
from luosi.stages.pairs.shown import finder, found_again, pair
from luosi.text.hashing import digest

GIVE_UP_AFTER = 24
"""Passages after which a model must have given a pair from one in MIN_YIELD, or is not asked again."""
MIN_YIELD = 20
TRIES_PER_PAIR = 10
"""A model is asked about at most so many passages for each pair that it is to make."""


class Work:
    """One run of the stage: what is kept, what is dropped and why."""

    def __init__(self, config: Config, inputs: Inputs, context: Context) -> None:
        self.config, self.context = config, context
        corpus = inputs.artifact("corpus", Corpus)
        index = inputs.artifact("index", Index) if inputs.all("index") else None
        exam = inputs.artifact("exam", Exam).questions() if inputs.all("exam") else []
        self.drawn, training = pool(config, corpus, index)
        searcher = Searcher(index.path) if index is not None else None
        finds = found_again(searcher, config.round_trip) if searcher and config.round_trip else None
        self.filters = Filters(config, corpus.documents("heldout"), exam, finds)
        self.find = finder(searcher, training, [drawn.passage for drawn in self.drawn])
        self.kept: list[Candidate] = []
        self.dropped: list[dict[str, object]] = []
        self.reasons: dict[str, Counter[str]] = defaultdict(Counter)
        self.wanted = config.pairs

    def take(self, made: Candidate, refusal: str = "") -> bool:
        """Keep a candidate, or write down why not."""
        reason = refusal or self.filters.refusal(made)
        if reason:
            self.reasons[made.origin][reason] += 1
            row = {"question": made.question, "answer": made.answer, "origin": made.origin, "note": made.note}
            self.dropped.append({**row, "reason": reason})
            return False
        self.kept.append(made)
        self.context.progress(min(len(self.kept), self.wanted), self.wanted or 1, "pairs")
        return True

    def take_up_to(self, count: int, offered: Iterable[Candidate]) -> None:
        """Take offered candidates until `count` pairs are kept in all."""
        while len(self.kept) < count and (made := next(iter(offered), None)) is not None:
            self.take(made)

    def by_rules(self) -> Iterator[Candidate]:
        """What the rules offer, each rule in its turn so that none crowds out the others; of a question with two answers none."""
        supply: dict[str, deque[Candidate]] = {name: deque() for name in rules.RULES}
        answers: dict[str, set[str]] = defaultdict(set)
        for passage, opens in self.drawn:
            for made in rules.candidates(passage, opens=opens):
                supply[made.note].append(made)
                answers[plain(made.question)].add(plain(made.answer))
        while any(supply.values()):
            for made in [own.popleft() for own in supply.values() if own]:
                if len(answers[plain(made.question)]) > 1:
                    self.take(made, "another answer to the same question")
                else:
                    yield made

    def by_model(self, bundle: Bundle, count: int) -> None:
        """Ask the bundle's model about one passage after another until it made `count` pairs, or too few of its first ones are fit."""
        require_engine()
        name = str(bundle.json("bundle.json")["name"])
        threads = self.context.machine.cores
        made = 0
        with (
            Journal[list[object]](self.context.scratch / "asked.jsonl") as journal,
            Engine(bundle.gguf, threads=threads, context=asked.CONTEXT, parallel=1) as engine,
        ):
            for tried, (passage, _) in enumerate(self.drawn[: count * TRIES_PER_PAIR]):
                if made == count:
                    break
                if tried >= GIVE_UP_AFTER and made * MIN_YIELD < tried:
                    self.context.say(
                        f"{name} gave {made} fit pairs from {tried} passages and is not asked again; rules make the rest"
                    )
                    break
                made += self.take(*self._asked(engine, bundle, journal, passage, name))
                self.context.progress(min(len(self.kept), self.wanted), self.wanted, "pairs")

    def _asked(
        self, engine: Engine, bundle: Bundle, journal: Journal[list[object]], passage: Passage, name: str
    ) -> tuple[Candidate, str]:
        """What the model gave for a passage and why it is refused at once ("" if it is not), from the journal if it was asked before."""
        key = digest(passage.document, passage.number, passage.text).hex()
        if key not in journal.done:
            reply = asked.ask(engine, passage)
            made = asked.candidate(reply, passage, name)
            refusal, tokens = "", reply.prompt_tokens + reply.answer_tokens
            if not reply.question:
                refusal = "no whole question and answer"
            elif self.config.check_answers and said_in(reply.answer, passage.text):
                right, given, said = asked.confirms(engine, made)
                tokens += given + said
                refusal = "" if right else "the model does not give the answer itself"
            self.context.spend(Cost(flop=forward_flop(bundle.shape(), tokens, tokens), tokens=tokens))
            journal.add(key, [reply.question, reply.answer, refusal])
        question, answer, refusal = map(str, journal.done[key])
        return Candidate(question, answer, "model", name, passage), refusal


def make_pairs(config: Config, inputs: Inputs, context: Context) -> Facts:
    """Fill `context.out` with Pairs; see `PairsStage.run`.

    report.json: {"wanted", "kept": {origin: n}, "by": {note: n}, "dropped": {origin: {reason: n}}, "corrections_refused": [message],
    "shown_with_passages", "passages_looked_at", "documents"}.
    """
    work = Work(config, inputs, context)
    given, problems = corrections(config) if config.corrections else ([], [])
    for made in given:
        work.take(made)
    for problem in problems:
        context.say(f"corrections, {problem}")
    before = len(work.kept)
    work.wanted = before + config.pairs
    bundle = inputs.artifact("bundle", Bundle) if inputs.all("bundle") else None
    by_model = round(config.pairs * config.model_share) if bundle else 0
    offered = work.by_rules()
    work.take_up_to(work.wanted - by_model, offered)
    if bundle and by_model:
        work.by_model(bundle, by_model)
    work.take_up_to(work.wanted, offered)
    if not work.kept:
        reasons = Counter[str]()
        for counts in work.reasons.values():
            reasons += counts
        why = (
            ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
            or "no rule found anything to ask"
        )
        raise InputError(
            f"not one pair could be made: {why}", hint="give more text, or a model that can make questions"
        )
    if len(work.kept) < work.wanted:
        context.say(f"{len(work.kept)} pairs instead of {work.wanted}: the text gives no more that is fit")
    return _write(config, work, problems, context)


def _write(config: Config, work: Work, problems: list[str], context: Context) -> Facts:
    order = sorted(work.kept, key=lambda made: digest(config.seed, "order", made.question))
    pairs = [pair(config, made, work.find) for made in order]
    write_jsonl(context.out / "pairs.jsonl", [one.model_dump() for one in pairs])
    write_jsonl(context.out / "dropped.jsonl", work.dropped)
    kept = Counter(one.origin for one in pairs)
    shown = sum(bool(one.passages) for one in pairs)
    report: dict[str, object] = {
        "wanted": work.wanted,
        "kept": dict(kept),
        "by": dict(Counter(one.note for one in pairs if one.origin != "correction")),
        "dropped": {origin: dict(counts) for origin, counts in work.reasons.items()},
        "corrections_refused": problems,
        "shown_with_passages": shown,
        "passages_looked_at": len(work.drawn),
        "documents": len({one.document for one in pairs if one.document}),
    }
    write_json(context.out / "report.json", report)
    text = sum(len(f"{one.question}{one.answer}".encode()) + sum(len(p.text.encode()) for p in one.passages) for one in pairs)  # fmt: skip
    figures: dict[str, float | int | str | bool] = {f"by_{origin}": count for origin, count in sorted(kept.items())}
    near = ("asked in the exam", "too near to a question of the exam")
    figures["near_exam"] = sum(counts[reason] for counts in work.reasons.values() for reason in near)
    figures["dropped"] = len(work.dropped)
    return Facts(pairs=len(pairs), text_bytes=text, figures=figures)
