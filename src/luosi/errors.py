"""What can go wrong, as a small tree; each error says what happened and, in its hint, what to do.

LuosiError                 a message for the user, an optional hint, an exit code
+-- UsageError             the request is wrong (exit 2)
|   +-- RecipeError        a recipe's field is wrong; names the field's path
|   +-- InputError         a file or text cannot be used
|   +-- MissingDependency  an optional package is absent; names the pip line
+-- BudgetExceeded         stopped by the budget; what was done is kept (exit 3)
+-- ArtifactError          something in the store cannot be used (exit 1)
|   +-- DamagedArtifact    a published artifact's bytes differ from its manifest
|   +-- UnknownReference   no artifact, step or recipe has that name (exit 2)
+-- StageError             a step failed while it ran (exit 1)
    +-- TrainingDiverged   the loss is not a number, or ran away
    +-- ParityError        an exported model does not compute what the trained one does
    +-- EngineError        the inference engine did not start, answer or survive
    +-- Interrupted        a signal asked the step to stop; it resumes next time

`assert` is for our own mistakes; everything a user can cause is one of these. Knows nothing of the rest of Luosi.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LuosiError(Exception):
    """A message for the user.

    Args:
        message: What happened, the value seen and what was expected; no full stop at the end.
        hint: What to do about it, or "".
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class UsageError(LuosiError):
    """The command, setting or request is wrong."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe cannot be used; `field` is the dotted path of the field at fault."""

    def __init__(self, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message, hint=hint)
        self.field = field


class InputError(UsageError):
    """A file or text given by the user cannot be used."""


class MissingDependency(UsageError):
    """An optional package is not installed."""

    def __init__(self, package: str, *, needed_for: str, install: str) -> None:
        super().__init__(f"package {package} is not installed, and {needed_for} needs it", hint=install)
        self.package = package


class BudgetExceeded(LuosiError):
    """Stopped by the budget; the step's checkpoints stay and a larger budget goes on from them."""

    exit_code = 3


class ArtifactError(LuosiError):
    """Something in the store cannot be used."""


class DamagedArtifact(ArtifactError):
    """A published artifact's bytes differ from its manifest."""


class UnknownReference(ArtifactError):
    """No artifact, step or recipe has that name."""

    exit_code = 2


class StageError(LuosiError):
    """A step failed while it ran."""


class TrainingDiverged(StageError):
    """The loss is not a number, or ran away."""


class ParityError(StageError):
    """An exported model does not compute what the trained one does; nothing was published."""


class EngineError(StageError):
    """The inference engine did not start, answer or survive."""


class Interrupted(StageError):
    """A signal asked the step to stop; it goes on from its checkpoint next time."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest known name, or all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names) or 'none'}"
