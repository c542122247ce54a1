"""Store: plain folders in which an artifact either exists whole or does not exist.

    artifacts/<stage>/<key>/   manifest.json, out/           published by one rename
    staging/<key>/             begun.json, out/, scratch/    being built; found again by its key after a kill
    attempts/<key>.jsonl       what every try cost           never deleted by gc
    locks/<key>                held while building; the kernel frees it on a kill
    trash/<key>                on its way out; gc removes what a kill left
    refs/<recipe>/<step>       the key the step last had: its human name

All on one local file system, so that a rename is atomic; not for network disks. Knows no stages and no money.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from luosi.artifacts import KINDS, Artifact, FileDigest, Manifest
from luosi.artifacts.base import MANIFEST_FORMAT, file_sha256, folder_digests, write_json
from luosi.errors import ArtifactError, DamagedArtifact, UnknownReference

BEGUN = "begun.json"


class Store:
    """The folders of one workspace.

    Args:
        root: Made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, stage: str, key: str) -> Path:
        """Where a published artifact stands."""
        return self.root / "artifacts" / stage / key

    def staging(self, key: str) -> Path:
        """Where an artifact is being built."""
        return self.root / "staging" / key

    def attempts_file(self, key: str) -> Path:
        """Where the tries at a key are logged."""
        return self.root / "attempts" / f"{key}.jsonl"

    def manifest(self, stage: str, key: str) -> Manifest | None:
        """The manifest of a published artifact, or None if there is none.

        Raises:
            DamagedArtifact: It is there and cannot be read.
        """
        path = self.folder(stage, key) / "manifest.json"
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            if path.parent.exists():
                raise DamagedArtifact(
                    f"{path.parent} has no manifest", hint="delete the folder, or run with --rebuild"
                ) from None
            return None
        try:
            return Manifest.model_validate_json(text)
        except ValueError as error:
            raise DamagedArtifact(
                f"{path} is not a manifest of format {MANIFEST_FORMAT}", hint="run with --rebuild"
            ) from error

    def manifests(self) -> Iterator[Manifest]:
        """Every readable manifest, by stage and key."""
        for path in sorted((self.root / "artifacts").glob("*/*/manifest.json")):
            try:
                yield Manifest.model_validate_json(path.read_bytes())
            except ValueError:
                continue

    def find(self, key: str) -> Manifest:
        """The manifest with this key or unique beginning of one.

        Raises:
            UnknownReference: None, or more than one.
        """
        found = sorted((self.root / "artifacts").glob(f"*/{key}*/manifest.json")) if key.startswith("k") else []
        if len(found) != 1:
            what = "no artifact has" if not found else f"{len(found)} artifacts have"
            raise UnknownReference(f"{what} the key {key!r}", hint="`luosi show` lists what is there")
        manifest = self.manifest(found[0].parent.parent.name, found[0].parent.name)
        assert manifest is not None
        return manifest

    def open(self, manifest: Manifest, kind: type[Artifact] | None = None) -> Artifact:
        """The typed reader of a published artifact; `kind` for types that only a stage of the user's own knows."""
        reader = kind or KINDS.get(manifest.kind, Artifact)
        return reader(self.folder(manifest.stage, manifest.key) / "out")

    def damage(self, manifest: Manifest, *, digests: bool = True) -> list[str]:
        """What differs between the files and their manifest, in words; [] if nothing. Without `digests` only sizes are compared."""
        out = self.folder(manifest.stage, manifest.key) / "out"
        found = []
        for file in manifest.files:
            path = out / file.path
            if not path.is_file():
                found.append(f"{file.path} is missing")
            elif path.stat().st_size != file.bytes:
                found.append(f"{file.path} has {path.stat().st_size:,} bytes, expected {file.bytes:,}")
            elif digests and file_sha256(path) != file.sha256:
                found.append(f"{file.path} has other content than its digest says")
        known = {file.path for file in manifest.files}
        extra = (p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
        return found + [f"{name} does not belong there" for name in sorted(extra) if name not in known]

    def require_whole(self, manifest: Manifest, step: str, *, digests: bool = True) -> None:
        """Raise if the artifact's files differ from its manifest.

        Raises:
            DamagedArtifact: Names the files and how to rebuild.
        """
        damage = self.damage(manifest, digests=digests)
        if damage:
            raise DamagedArtifact(
                f"{manifest.stage} {manifest.key} (step {step}) is damaged: {'; '.join(damage[:3])}",
                hint=f"`luosi run RECIPE --rebuild {step}` makes it again",
            )

    @contextmanager
    def lock(self, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the key: two processes never build one artifact. `waiting` is called each second that another holds it."""
        path = self.root / "locks" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        while True:
            try:
                lock.acquire(timeout=1)
                break
            except Timeout:
                waiting()
        try:
            yield
        finally:
            lock.release()

    def publish(self, manifest: Manifest) -> None:
        """Make what stands in staging the artifact: manifest last, everything synced, one rename."""
        staging = self.staging(manifest.key)
        for file in manifest.files:
            _sync(staging / "out" / file.path)
        for folder in {(staging / "out" / file.path).parent for file in manifest.files} | {staging / "out"}:
            _sync(folder)
        temporary = staging / "manifest.tmp"
        temporary.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        _sync(temporary)
        temporary.rename(staging / "manifest.json")
        self.finish_publishing(manifest)

    def begin(self, key: str, recipe: str, step: str, config: object) -> None:
        """Make room for an artifact that is going to be built, or goes on being built, and write down what for."""
        staging = self.staging(key)
        (staging / "out").mkdir(parents=True, exist_ok=True)
        (staging / "scratch").mkdir(exist_ok=True)
        write_json(staging / BEGUN, {"recipe": recipe, "step": step, "config": config})

    def begun(self, recipe: str, step: str) -> Iterator[tuple[str, object]]:
        """Key and canonical config of what was begun as this step and is not done, the newest first."""
        files = [path for path in (self.root / "staging").glob(f"*/{BEGUN}") if path.is_file()]
        for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True):
            try:
                begun = json.loads(path.read_bytes())
            except ValueError:  # cut short by a kill
                continue
            if (begun["recipe"], begun["step"]) == (recipe, step):
                yield path.parent.name, begun["config"]

    def staged_manifest(self, key: str) -> Manifest | None:
        """The manifest of an artifact that was complete in staging when its process was killed, if its files still agree."""
        path = self.staging(key) / "manifest.json"
        if not path.exists():
            return None
        try:
            manifest = Manifest.model_validate_json(path.read_bytes())
        except ValueError:
            return None
        return manifest if folder_digests(path.parent / "out") == manifest.files else None

    def finish_publishing(self, manifest: Manifest) -> None:
        """The last part of `publish`, also for what a killed process left complete."""
        staging, folder = self.staging(manifest.key), self.folder(manifest.stage, manifest.key)
        shutil.rmtree(staging / "scratch", ignore_errors=True)
        (staging / BEGUN).unlink(missing_ok=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging.rename(folder)
        _sync(folder.parent)
        self.set_ref(manifest.recipe, manifest.step, manifest.key)

    def digests(self, key: str) -> list[FileDigest]:
        """Digests of what stands in staging."""
        return folder_digests(self.staging(key) / "out")

    def discard(self, stage: str, key: str) -> None:
        """Remove a published artifact and what is staged under its key, to build it again; its attempts stay."""
        folder, staging = self.folder(stage, key), self.staging(key)
        if folder.exists():
            doomed = self.root / "trash" / key
            shutil.rmtree(doomed, ignore_errors=True)
            doomed.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(doomed)
            shutil.rmtree(doomed)
        shutil.rmtree(staging, ignore_errors=True)

    def ref(self, recipe: str, step: str) -> str:
        """The key the step last had, "" if it never had one."""
        try:
            return (self.root / "refs" / recipe / step).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    def set_ref(self, recipe: str, step: str, key: str) -> None:
        """Let the human name `recipe/step` mean `key`."""
        path = self.root / "refs" / recipe / step
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{step}.{os.getpid()}")
        temporary.write_text(key + "\n", encoding="utf-8")
        temporary.replace(path)

    def refs(self) -> dict[tuple[str, str], str]:
        """(recipe, step) -> key for every ref."""
        paths = sorted((self.root / "refs").glob("*/*"))
        return {(p.parent.name, p.name): p.read_text(encoding="utf-8").strip() for p in paths if p.name[0] != "."}

    def collect(self, wanted: set[str], *, dry_run: bool) -> list[tuple[str, int]]:
        """Delete published artifacts that no ref leads to, staging of keys not `wanted`, and trash.

        Attempts stay: they are the bill. What another process is building (its lock is held) stays too.

        Returns:
            (path relative to the store, bytes) of what was, or with `dry_run` would be, deleted.

        Raises:
            DamagedArtifact: A manifest cannot be read, so nobody knows what it leads to.
        """
        alive = self._reachable(set(self.refs().values()) | wanted)
        doomed = [path for path in sorted((self.root / "artifacts").glob("*/*")) if path.name not in alive]
        doomed += [path for path in sorted((self.root / "staging").glob("*")) if path.name not in wanted]
        doomed += sorted((self.root / "trash").glob("*"))
        freed = []
        if doomed:
            (self.root / "locks").mkdir(exist_ok=True)
        for path in doomed:
            try:
                with FileLock(self.root / "locks" / path.name, timeout=0):
                    freed.append((path.relative_to(self.root).as_posix(), _size(path)))
                    if not dry_run:
                        shutil.rmtree(path)
            except Timeout:
                continue
        return freed

    def _reachable(self, keys: set[str]) -> set[str]:
        """These keys and everything they were made from."""
        inputs = {}
        for path in sorted((self.root / "artifacts").glob("*/*")):
            manifest = self.manifest(path.parent.name, path.name)
            assert manifest is not None
            inputs[manifest.key] = [key for keys in manifest.inputs.values() for key in keys]
        alive: set[str] = set()
        queue = list(keys)
        while queue:
            key = queue.pop()
            if key not in alive:
                alive.add(key)
                queue += inputs.get(key, [])
        return alive

    def require_space(self, need_bytes: int) -> None:
        """Raise when the disk has less than `need_bytes` left.

        Raises:
            ArtifactError: Says how much is free.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.root).free
        if free < need_bytes:
            raise ArtifactError(
                f"the disk of {self.root} has {free / 1e6:.0f} MB free, expected at least {need_bytes / 1e6:.0f} MB",
                hint="`luosi gc` frees what no recipe needs",
            )


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _sync(path: Path) -> None:
    """Flush a file or folder to disk, so that power loss after the rename finds it whole."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders; its renames are journalled
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
