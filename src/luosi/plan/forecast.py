"""Forecast: the bits per byte that a job's models will need, in numbers and in words for the recipe's comments, each with its 80 %
interval and what it comes from; or that it is not known before a first run. Knows no budgets.
"""

from __future__ import annotations

from luosi.cost import Interval
from luosi.plan.chain import Job
from luosi.plan.laws import PUBLISHED, REPEATED, Law, Training, adapting_saves
from luosi.plan.scratch import Scratch


class Forecast:
    """Of the models of `job`, by the published law and the runs that its workspace finished."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._law = Law(job.history.scratch)
        self._available = float(sum(text.text_bytes for text in job.texts))

    def scratch(self, scratch: Scratch) -> Interval:
        """Bits per byte of a model from scratch."""
        seen = scratch.text_bytes
        text = self._job.texts[0].sha256
        return self._law.predict(Training(text, scratch.shape.matrix_parameters, seen, self._available))

    def of_scratch(self, scratch: Scratch) -> str:
        """The same in words."""
        text, runs = self._job.texts[0].sha256, self._law.runs
        here = sum(run.training.text == text for run in runs)
        taught = (
            f"corrected by {_runs(len(runs))} of this workspace, {here} of them on this text"
            if runs
            else "which no run of this workspace has corrected yet"
        )
        law = f"the law of {PUBLISHED}"
        if scratch.text_bytes > self._available:
            law += f", repeated text counted as by {REPEATED}"
        return f"{_bits(self.scratch(scratch))}, by {law}, {taught}."

    def of_adapted(self, tokens: int) -> str:
        """What adapting the open model with `tokens` comes to."""
        job = self._job
        text, model = job.texts[0].sha256, job.model.sha256
        saved = adapting_saves(job.history.adapted, text=text, model=model, tokens=tokens)
        before = job.history.open_bpb.get((model, text))
        as_it_is = f"{job.model.name} as it is needs {before:.3f} bits per byte of this text" if before else ""
        if saved is None:
            known = f"{as_it_is}; what adapting saves is" if as_it_is else "Bits per byte after adapting are"
            return f"{known} not known before a first run."
        same = [run for run in job.history.adapted if (run.text, run.model) == (text, model)]
        where = "this text" if same else "other texts or models"
        source = f"by {_runs(len(same or job.history.adapted))} of adapting to {where}"
        if not before:
            share = f"{saved.p50:.1%} fewer bits per byte than {job.model.name} as it is ({saved.p10:.1%} to {saved.p90:.1%}, 80 %)"
            return f"Forecast: {share}, {source}; how many that needs of this text is not known before a first run."
        after = Interval(p10=before * (1 - saved.p90), p50=before * (1 - saved.p50), p90=before * (1 - saved.p10))
        return f"{_bits(after)}, {source}; {as_it_is}."


def _bits(bpb: Interval) -> str:
    return f"Forecast: {bpb.p50:.2f} bits per byte ({bpb.p10:.2f} to {bpb.p90:.2f}, 80 %)"


def _runs(count: int) -> str:
    return f"{count} finished run{'s' if count > 1 else ''}"
