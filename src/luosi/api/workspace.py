"""Workspace: the one object through which commands, pages and programs use Luosi, and the only place where rooms are wired.

    ws = Workspace("luosi-work")
    plan = ws.plan("my.toml");  ws.run("my.toml");  ws.verdict("my.toml");  ws.bill("my.toml")

A recipe is given as a path, as the name of one that was run here before, or as a Recipe.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from luosi.api.job import Asked, left_out, make_job
from luosi.api.stages import STAGES
from luosi.api.verdicts import Verdicts, published
from luosi.artifacts import Artifact, Bundle, Corpus, Index, Manifest
from luosi.cost import Machine, Rates
from luosi.errors import DamagedArtifact, RecipeError, UnknownReference, UsageError, nearest
from luosi.ledger.attempts import Try, all_attempts, read_attempts
from luosi.ledger.learning import finished_runs
from luosi.ledger.meter import LedgerMeter
from luosi.ledger.report import Bill, bill
from luosi.pipeline.graph import Graph
from luosi.pipeline.lineage import Node, lineage
from luosi.pipeline.runner import Observer, Runner, Silence
from luosi.pipeline.stage import Stage
from luosi.pipeline.store import Store
from luosi.plan.budget import parse_budget
from luosi.plan.chain import PASSAGES
from luosi.plan.demand import parse_demand
from luosi.plan.design import design
from luosi.plan.finished import read_history
from luosi.plan.machine import calibrate, catalogue, load, measure, save
from luosi.plan.prices import PriceTable, load_prices, rates
from luosi.plan.pricing import completer, pricer
from luosi.plan.state import step_state
from luosi.plan.steps import Plan, plan_steps
from luosi.recipe import Recipe, read_recipe, recipe_graph
from luosi.stages.verdict.money import VerdictReport

if TYPE_CHECKING:
    from luosi.api.worth import Judged
    from luosi.grading.check import Report
    from luosi.grading.questions import OwnQuestions
    from luosi.ranking import Ranking
    from luosi.report.words import Language
    from luosi.serve.battles import Battles
    from luosi.serve.feedback import Feedback

RecipeRef = str | Path | Recipe

ACCOUNTS = "accounts.db"


def shipped_recipe(name: str) -> Path:
    """The file of a recipe that comes with Luosi: inside the installed package, or beside the sources in a clone."""
    package = Path(__file__).parents[1]
    installed = package / "recipes" / f"{name}.toml"
    return installed if installed.exists() else package.parents[1] / "recipes" / f"{name}.toml"


class Shown(BaseModel):
    """One published artifact, for lists."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    key: str
    kind: str
    stage: str
    names: tuple[str, ...]
    """recipe/step of every ref that means it."""
    bytes: int
    created_at: str
    folder: str


class Damage(BaseModel):
    """What `verify` found wrong with one artifact."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    key: str
    stage: str
    step: str
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Served:
    """A finished model, and the passages of its recipe's files; None where there are none."""

    name: str
    bundle: Bundle
    index: Index | None
    passages: int
    """Shown with each question: as many as when the recipe's own questions were asked."""


class Workspace:
    """A folder with a store, its ledger, this machine's measurements and the recipes that were run.

    Args:
        root: Made when first written to.
        stages: Stages of the user's own, in addition to (or instead of, by name) Luosi's.
    """

    def __init__(self, root: str | Path = "luosi-work", *, stages: Iterable[Stage[Any, Any]] = ()) -> None:
        self.root = Path(root).resolve()
        self.store = Store(self.root / "store")
        self.stages = {stage.name: stage for stage in (*STAGES, *stages)}
        self._feedback: Feedback | None = None
        self._battles: Battles | None = None

    # What there is to work with

    def machine(self) -> Machine:
        """This machine as last measured, or guessed from its cores; with what the ledger taught."""
        return load(self._machine_file) or catalogue(self.stages)

    @property
    def _machine_file(self) -> Path:
        return self.root / "machine.json"

    def measure(self, seconds: float = 3.0) -> Machine:
        """Measure this machine anew; what the ledger taught is learned again from its log."""
        self.root.mkdir(parents=True, exist_ok=True)
        return self._teach(measure(seconds, self.stages))

    def _teach(self, machine: Machine) -> Machine:
        """Correct `machine` by every artifact that was ever finished on it, and keep it."""
        machine = calibrate(machine, finished_runs(self._tries(), machine.name, machine.cores))
        save(machine, self._machine_file)
        return machine

    def prices(self) -> PriceTable:
        """Luosi's dated prices, with those of the workspace's rates.toml in front."""
        return load_prices(self.root / "rates.toml")

    def rates(self) -> Rates:
        """What this machine's time or power costs today."""
        return rates(self.machine(), self.prices())

    def recipe(self, ref: RecipeRef, overrides: Sequence[str] = ()) -> Recipe:
        """A recipe by path, or by the name it was last run under here.

        Raises:
            RecipeError: It is not there or wrong.
        """
        if isinstance(ref, Recipe):
            return ref
        snapshot = self.root / "recipes" / f"{ref}.json"
        if not Path(ref).is_file() and Path(ref).suffix != ".toml" and snapshot.exists() and not overrides:
            return Recipe.model_validate_json(snapshot.read_bytes())
        return read_recipe(Path(ref), overrides)

    def recipes(self) -> list[str]:
        """Names of the recipes that were run here, the latest first."""
        paths = (self.root / "recipes").glob("*.json")
        return [path.stem for path in sorted(paths, key=lambda path: -path.stat().st_mtime)]

    def graph(self, ref: RecipeRef, overrides: Sequence[str] = ()) -> Graph:
        """The recipe's typed steps and their keys."""
        return recipe_graph(self.recipe(ref, overrides), self.stages)

    def new(
        self,
        files: Sequence[str | Path],
        budget: str,
        *,
        asked: Asked | None = None,
        model: str | Path = "",
        name: str = "my",
        serve: str = "",
        say: Callable[[str], None] = lambda _: None,
    ) -> str:
        """A complete recipe, as TOML, for this text, this machine (measured now if it never was) and this budget.

        Args:
            files: The text: files and folders.
            budget: "10 min", "1 h", "5 USD", "2 kWh" or "1e17 FLOP".
            asked: The user's own questions, and which rented models are asked them too; None for no questions.
            model: Open model, a Hugging Face folder or a GGUF; "" for the one that comes as a package.
            name: Of the recipe.
            serve: How many answers the model is made for: "1000 a day for 1 year"; "" where nobody knows.
            say: Told what is being done.

        Raises:
            UsageError: Files, budget or model cannot be used; the hint names the smallest budget that would do.
        """
        limit, answers = parse_budget(budget), parse_demand(serve)
        say("reading the files' digests and sizes")
        for what, count in left_out(files).items():
            say(f"{count:,} not read: {what}")
        complete = completer(self.stages)
        job = make_job(name, files, model, asked or Asked(), self.machine(), self.prices(), complete)
        job = replace(job, history=read_history(self.store.manifests()), answers=answers)
        if job.machine.source != "measured":
            say("measuring this machine, a few seconds")
            job = replace(job, machine=self.measure())
        return design(job, limit, rates=self.rates(), price=pricer(self.stages, job.machine))

    # The price before, the work, the price after

    def plan(self, ref: RecipeRef, overrides: Sequence[str] = ()) -> Plan:
        """Each step: hit, resume or build, why, and what it will cost."""
        recipe = self.recipe(ref, overrides)
        return plan_steps(recipe_graph(recipe, self.stages), self.store, self.machine(), self.rates(), recipe.budget)

    def run(
        self,
        ref: RecipeRef,
        *,
        overrides: Sequence[str] = (),
        rebuild: Iterable[str] = (),
        observer: Observer | None = None,
        stop: Callable[[], str] = lambda: "",
        cap_s: float | None = None,
    ) -> dict[str, Manifest]:
        """Make every artifact of the recipe that is not there yet.

        Args:
            ref: The recipe.
            overrides: `steps.NAME.field=value`.
            rebuild: Steps to make again though they are there.
            observer: Told what happens.
            stop: Asked often; a text stops the run there, its checkpoints kept.
            cap_s: Wall seconds this run may take; beyond them it stops with BudgetExceeded.

        Returns:
            step -> manifest.

        Raises:
            LuosiError: A step failed or was stopped; everything published before stays.
        """
        if "TORCHELASTIC_RUN_ID" in os.environ:  # its processes would wait for each other's locks
            raise UsageError(
                "torchrun started this process, and a run starts its workers itself",
                hint="run it without torchrun, with runtime = { workers = N } in the training step",
            )
        recipe = self.recipe(ref, overrides)
        graph = recipe_graph(recipe, self.stages)
        machine = self.machine()
        doomed = frozenset(rebuild)
        for name in doomed - set(graph.keys):
            raise UnknownReference(f"recipe {recipe.name} has no step {name!r}", hint=nearest(name, graph.keys))
        plan = plan_steps(graph, self.store, machine, self.rates(), recipe.budget)
        self._remember(recipe)
        meter = LedgerMeter(self.store.attempts_file, recipe.name, machine)
        begun = time.monotonic()

        def why_stop() -> str:
            if cap_s is not None and time.monotonic() - begun > cap_s:
                return f"budget: the run's cap of {cap_s:g} s is used up"
            return stop()

        runner = Runner(self.store, machine, meter, observer or Silence(), why_stop)
        try:
            runner.run(graph, {line.step: line.for_runner() for line in plan.steps}, doomed)
        finally:
            self._refresh_if_possible()
        return {step.name: published(graph, self.store, step.name) for step in graph.steps}

    def _remember(self, recipe: Recipe) -> None:
        path = self.root / "recipes" / f"{recipe.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{recipe.name}.{os.getpid()}.tmp")
        temporary.write_text(recipe.model_dump_json(indent=1), encoding="utf-8")
        temporary.replace(path)

    def refresh(self) -> None:
        """Bring what is derived from the logs up to date: the SQL index, and what the ledger teaches of this machine."""
        from luosi.ledger.database import rebuild

        rebuild(self.root / "runs.db", self.store.manifests(), self._tries())
        self._teach(self.machine())

    def _refresh_if_possible(self) -> None:
        """What is derived can be derived later: trouble with it must not hide how the run ended."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self.refresh()
        except (OSError, SQLAlchemyError) as error:
            print(f"warning: runs.db and machine.json were not brought up to date: {error}", file=sys.stderr)

    def _tries(self) -> list[Try]:
        return all_attempts(self.store.root / "attempts")

    def bill(self, ref: RecipeRef) -> Bill:
        """Planned beside spent, step by step; killed attempts and abandoned keys included."""
        graph, machine = self.graph(ref), self.machine()
        plan = self.plan(ref)
        steps = [(step.name, step.stage.name, graph.keys[step.name]) for step in graph.steps]
        published = [line.key for line in plan.steps if line.state == "hit"]
        every = self._tries()
        tries = [one for one in every if one.recipe == graph.recipe]
        estimates = {line.key: line.whole for line in plan.steps}
        runs = finished_runs(every, machine.name, machine.cores)
        return bill(graph.recipe, steps, published, tries, estimates, self.rates(), machine.cores, runs)

    def verdict(self, ref: RecipeRef) -> VerdictReport:
        """The routes side by side, their quality from the recipe's verdict step, their money from the ledger and today's prices.

        Raises:
            UsageError: The recipe has no verdict step.
            ArtifactError: It was not run yet.
        """
        return self.verdicts(ref).report(self.machine(), self.rates(), self.prices())

    def verdicts(self, ref: RecipeRef) -> Verdicts:
        """What is known of the recipe's verdict: the report, the single answers, people's marks."""
        said = self.feedback() if (self.root / ACCOUNTS).exists() else None
        return Verdicts(self.graph(ref), self.store, self.stages, said)

    def answers(self, ref: RecipeRef) -> list[dict[str, Any]]:
        """What the routes answered to the user's questions; see `Verdicts.answers`."""
        return self.verdicts(ref).answers()

    def report(self, ref: RecipeRef, language: Language = "en", form: str = "html") -> bytes:
        """The verdict as a file to print, "html" or "pdf": advice, picture, routes, every question with its answers, the bill.

        Raises:
            UsageError: There is no such form.
            MissingDependency: A PDF is asked for and reportlab is not installed.
        """
        from luosi.report import render

        rows, bill = self.verdicts(ref).answer_rows(), self.bill(ref)
        return render(form, self.recipe(ref).name, self.verdict(ref), rows, bill=bill, language=language)

    def check_questions(self, ref: RecipeRef, own: OwnQuestions | None = None) -> Report:
        """Questions (the workspace's own if None) looked for in the corpus of a recipe that was run.

        Raises:
            UsageError: The recipe makes no corpus.
            ArtifactError: It was not run yet.
        """
        from luosi.grading.check import check, corpus_texts
        from luosi.grading.questions import OwnQuestions

        graph = self.graph(ref)
        step = next((step for step in graph.steps if step.stage.output is Corpus), None)
        if step is None:
            raise UsageError(f"recipe {graph.recipe} has no step that makes a corpus")
        corpus = self.store.open(published(graph, self.store, step.name))
        assert isinstance(corpus, Corpus)
        return check(own or OwnQuestions(self.feedback().questions(), []), corpus_texts(corpus))

    def questions_file(self, ref: RecipeRef) -> Path | None:
        """The file of own questions that a recipe asks; None where it asks none."""
        found = (getattr(step.config, "own", "") for step in self.graph(ref).steps)
        return next((Path(path) for path in found if path), None)

    def feedback(self) -> Feedback:
        """What people said: own questions, corrections and marks; made when first asked for."""
        from luosi.serve.feedback import Feedback  # with SQLAlchemy, which a plan has no use for

        if self._feedback is None:
            self._feedback = Feedback(self.root / ACCOUNTS)
        return self._feedback

    def battles(self) -> Battles:
        """The arena's battles and votes; made when first asked for."""
        from luosi.serve.battles import Battles

        if self._battles is None:
            self._battles = Battles(self.root / ACCOUNTS)
        return self._battles

    def worth(self, votes: Ranking | None = None, *, arena: bool = True) -> Judged:
        """Models with quality (by the votes, else the last verdict) and money, to be compared at a volume; see luosi.api.worth.

        Args:
            votes: A ranking; None takes the arena's, or the last verdict where nobody voted.
            arena: Whether `votes` are of this workspace's arena, whose battles then say what an answer costs.
        """
        from luosi.api.worth import judged

        return judged(self, votes, arena=arena)

    # What is there

    def show(self) -> list[Shown]:
        """Every published artifact, the latest first."""
        names: dict[str, list[str]] = {}
        for (recipe, step), key in self.store.refs().items():
            names.setdefault(key, []).append(f"{recipe}/{step}")
        shown = [
            Shown(
                key=m.key,
                kind=m.kind,
                stage=m.stage,
                names=tuple(names.get(m.key, [])),
                bytes=sum(file.bytes for file in m.files),
                created_at=m.created_at,
                folder=str(self.store.folder(m.stage, m.key) / "out"),
            )
            for m in self.store.manifests()
        ]
        return sorted(shown, key=lambda one: (one.created_at, one.key), reverse=True)

    def find(self, ref: str) -> Manifest:
        """A manifest by key (or unique beginning of one), by recipe/step, or by step where only one recipe has it.

        Raises:
            UnknownReference: Nothing, or more than one, is called that.
        """
        if ref.startswith("k1-"):
            return self.store.find(ref)
        found = {
            f"{recipe}/{step}": key
            for (recipe, step), key in self.store.refs().items()
            if ref in (step, f"{recipe}/{step}")
        }
        if not found:
            known = [name for recipe, step in self.store.refs() for name in (step, f"{recipe}/{step}")]
            raise UnknownReference(f"nothing here is called {ref!r}", hint=nearest(ref, known))
        if len(set(found.values())) > 1:
            raise UnknownReference(
                f"{ref!r} means {len(found)} things: {', '.join(found)}", hint="say which: RECIPE/STEP"
            )
        return self.store.find(next(iter(found.values())))

    def open(self, ref: str) -> Artifact:
        """The typed reader of an artifact."""
        manifest = self.find(ref)
        kinds = {stage.output.__name__: stage.output for stage in self.stages.values()}
        return self.store.open(manifest, kinds.get(manifest.kind))

    def served(self, refs: Sequence[str] = ()) -> list[Served]:
        """The models `refs` mean, or every finished one but those that were only made to be compressed; the largest first.

        Raises:
            UnknownReference, UsageError: A ref means nothing, or something that cannot be served.
        """
        if not refs:
            bundles = [one for one in self.show() if one.kind == "Bundle" and one.names]
            compressed = {key for one in bundles for keys in self.store.find(one.key).inputs.values() for key in keys}
            left = [one for one in bundles if one.key not in compressed]
            refs = [one.names[0] for one in sorted(left, key=lambda one: -one.bytes)]
        found: dict[str, Served] = {}
        for ref in refs:
            manifest = self.find(ref)
            artifact = self.store.open(manifest)
            if not isinstance(artifact, Bundle):
                raise UsageError(
                    f"{ref!r} is a {type(artifact).__name__}, expected a Bundle",
                    hint="serve an export or compress step",
                )
            short = ref.split("/")[-1]
            name = ref if short in found else short
            beside = self._beside(manifest.key)
            index = self.store.open(beside["Index"]) if "Index" in beside else None
            assert index is None or isinstance(index, Index)
            asked = beside["Answers"].config if "Answers" in beside else {}
            found[name] = Served(name, artifact, index, int(str(asked.get("passages", PASSAGES))))
        return list(found.values())

    def _beside(self, key: str) -> dict[str, Manifest]:
        """What else was made in the recipes of an artifact, by its kind."""
        refs = sorted(self.store.refs().items())
        recipes = {recipe for (recipe, _), other in refs if other == key}
        made = [self.store.find(other) for (recipe, _), other in refs if recipe in recipes and other != key]
        return {manifest.kind: manifest for manifest in reversed(made)}

    def lineage(self, ref: str) -> Node:
        """The tree of artifacts that `ref` was made from."""
        return lineage(self.store, self.find(ref).key)

    def verify(self) -> list[Damage]:
        """Compare every published file with its digest; [] if all is whole."""
        found = []
        for folder in sorted((self.store.root / "artifacts").glob("*/*")):
            try:
                manifest = self.store.manifest(folder.parent.name, folder.name)
                assert manifest is not None
            except DamagedArtifact as error:
                found.append(Damage(key=folder.name, stage=folder.parent.name, step="", problems=(error.message,)))
                continue
            if problems := self.store.damage(manifest):
                found.append(
                    Damage(key=manifest.key, stage=manifest.stage, step=manifest.step, problems=tuple(problems))
                )
        return found

    def gc(self, *, dry_run: bool = False) -> list[tuple[str, int]]:
        """Delete what no recipe's steps lead to; half-built steps of recipes as last run stay, and all attempts: they are the bill.

        Raises:
            DamagedArtifact: A manifest cannot be read, so nobody knows what it leads to.
        """
        wanted: set[str] = set()
        for name in self.recipes():
            try:
                wanted |= set(self.graph(name).keys.values())
            except RecipeError:
                continue  # written for stages this workspace does not know: its published steps stay by their refs
        return self.store.collect(wanted, dry_run=dry_run)

    # For pages

    def state(self, ref: RecipeRef) -> dict[str, Any]:
        """The chain as it stands: each step's state, inputs, progress and curves, for drawing."""
        plan, rates = self.plan(ref), self.rates()
        tries = {line.step: read_attempts(self.store.attempts_file(line.key)) for line in plan.steps}
        return {"recipe": plan.recipe, "steps": [step_state(line, tries[line.step], rates) for line in plan.steps]}
