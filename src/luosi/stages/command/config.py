"""Settings of the command stage: which program, with which arguments and environment, and what it must leave behind."""

from __future__ import annotations

from pathlib import PurePosixPath

from pydantic import Field, field_validator

from luosi.pipeline.stage import NOT_IN_KEY, StageConfig


class Config(StageConfig):
    """A program and its arguments. In `command` and the values of `env` these stand for paths:

    {out} the folder to fill, {scratch} a folder that survives kills, {here} the folder Luosi was started in, {python} the
    interpreter Luosi runs in, {in:STEP} the output folder of the input step STEP. All else is passed as it is: there is no
    shell, so `*`, `|`, `$` and `;` mean nothing.
    """

    command: tuple[str, ...] = Field(min_length=1)
    """The program (a name on PATH, or a path) and its arguments."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment variables to set, besides those Luosi was started with."""
    outputs: tuple[str, ...] = ()
    """Files or folders, relative to {out}, that must be there when the program has ended."""
    version: str = ""
    """Yours to change when the program itself does: Luosi sees the arguments, not the program."""
    expected_seconds: float = Field(default=10.0, gt=0, json_schema_extra=NOT_IN_KEY)
    """Your guess of the wall seconds it takes; the plan's first estimate, which the ledger then corrects."""

    @field_validator("command")
    @classmethod
    def _names_a_program(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        if not command[0]:
            raise ValueError("the program's name is empty")
        if any("\0" in part for part in command):
            raise ValueError("an argument holds a NUL character")
        return command

    @field_validator("env")
    @classmethod
    def _can_be_set(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if not name or "=" in name or "\0" in name + value:
                raise ValueError(f"{name!r} cannot be an environment variable")
        return env

    @field_validator("outputs")
    @classmethod
    def _stay_inside(cls, outputs: tuple[str, ...]) -> tuple[str, ...]:
        for name in outputs:
            path = PurePosixPath(name)
            if not name or path.is_absolute() or ".." in path.parts or "\\" in name:
                raise ValueError(f"{name!r} is not a path below {{out}}")
        return outputs
