"""What the curate stage is told: the sources of text, and the limits of cleaning, deduplication and the held-out split."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from luosi.pipeline.stage import LOCATION, NOT_IN_KEY, Seed, StageConfig


class Source(BaseModel):
    """One source of text. The text enters the key by `sha256`; where the files lie does not."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """What documents of this source are called after; the first source is the one the model is for."""
    kind: Literal["files", "package", "docstrings"] = "files"
    """The user's files, files of installed packages, or docstrings of installed packages."""
    paths: tuple[str, ...] = Field(default=(), json_schema_extra=LOCATION)
    """Files and folders, for kind "files"."""
    exclude: tuple[str, ...] = Field(default=(), json_schema_extra=LOCATION)
    """Files among them that are left out, such as the file of the questions."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Digest over the sorted (relative name, content digest) of the files, as `luosi new` writes it."""
    bytes: int = Field(default=0, ge=0, json_schema_extra=NOT_IN_KEY)
    """About how many bytes of text the files hold, so that the plan can count; 0 if not known."""
    distributions: tuple[str, ...] = ()
    """Pins such as "licensedcode-data==32.1.0", for kinds "package" and "docstrings"."""
    include: tuple[str, ...] = ()
    """Globs over the distributions' file names; () for all of a known format."""
    front_matter: bool = False
    """Whether a leading "---" block is cut off each text."""
    text_field: str = "text"
    """Field of JSONL, CSV and Parquet rows that holds the text."""
    max_bytes: int = Field(default=0, ge=0)
    """UTF-8 bytes to take of the clean text: whole documents in seeded order; 0 takes all."""

    @model_validator(mode="after")
    def _has_something_to_read(self) -> Self:
        if self.kind == "files" and (self.distributions or self.include):
            raise ValueError(f"source {self.name!r} is of kind files: it takes paths, no distributions or include")
        if self.kind != "files" and (self.paths or not self.distributions):
            raise ValueError(f"source {self.name!r} is of kind {self.kind}: it takes distributions, no paths")
        return self


class Config(StageConfig):
    """Limits are inclusive; lengths are in characters unless named bytes."""

    sources: tuple[Source, ...] = Field(min_length=1)
    """In order of importance: of two near-duplicates the one of the earlier source is kept."""
    heldout_fraction: float = Field(default=0.02, ge=0, lt=1)
    """Share of each source's bytes to hold out; 0 holds nothing out."""
    heldout_max_bytes: int = Field(default=50_000, gt=0)
    """At most so many held-out bytes of each source, since each is scored by every model."""
    near_duplicate: float = Field(default=0.8, gt=0, le=1)
    """Jaccard index of 5-word shingles from which the later of two documents is dropped."""
    family: float = Field(default=0.4, gt=0, le=1)
    """Jaccard index from which two documents stay on one side of the split."""
    leak: float = Field(default=0.3, gt=0, le=1)
    """Share of a held-out document's 13-word runs found in training text above which another is drawn, or it is dropped."""
    min_chars: int = Field(default=50, ge=1)
    """Shorter documents are dropped."""
    document_chars: int = Field(default=20_000, ge=1_000, le=1_000_000)
    """Longer texts are cut at paragraph ends into documents of at most so many characters."""
    seed: Seed = 0
    """Of the held-out draw and of the draw by `max_bytes`."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ValueError(f"source names must differ, got {', '.join(names)}")
        if self.family > self.near_duplicate:
            raise ValueError(f"family {self.family} is above near_duplicate {self.near_duplicate}")
        return self
