"""Sources: digests that do not depend on place or order, packages found but never imported, licence files left out."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from luosi.errors import InputError
from luosi.text import sources
from luosi.text.docstrings import docstrings
from luosi.text.sources import SourceSpec
from luosi.text.streams import Unreadable


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_digest_depends_on_names_and_contents_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write(tmp_path / "one", a_dot_txt="alpha", sub__b_dot_md="beta")
    second = write(tmp_path / "elsewhere" / "two", sub__b_dot_md="beta", a_dot_txt="alpha")
    digest = sources.digest(SourceSpec(paths=(str(first),)))
    assert digest == sources.digest(SourceSpec(paths=(str(second),)))
    assert digest == sources.digest(SourceSpec(paths=(str(second / "sub"), str(second / "a.txt"))))
    monkeypatch.chdir(second)
    assert digest == sources.digest(SourceSpec(paths=(".",)))
    (second / "a.txt").write_text("Alpha", encoding="utf-8")
    assert digest != sources.digest(SourceSpec(paths=(str(second),)))


def test_walk_passes_over_hidden_and_unknown_files(tmp_path: Path) -> None:
    write(tmp_path, a_dot_txt="alpha", _dot_git__x_dot_txt="hidden", pic_dot_png="?", sub___dot_b_dot_md="hidden")
    spec = SourceSpec(paths=(str(tmp_path), str(tmp_path / "a.txt")))
    assert [file.name for file in sources.files(spec)] == ["a.txt"]
    assert sources.skipped(spec) == {".png": 1}
    write(tmp_path, old_dot_DOC="?", more_dot_doc="?", **{"~$old_dot_docx": "a lock of Word's"})
    assert sources.skipped(spec) == {".png": 1, "old Word format (.doc): save it as .docx": 2}
    assert [file.name for file in sources.files(spec)] == ["a.txt", "more.doc", "old.DOC"]


def test_what_is_named_outright_is_read_as_text(tmp_path: Path) -> None:
    write(tmp_path, NOTES="alpha")
    spec = SourceSpec(paths=(str(tmp_path / "NOTES"),))
    (file,) = sources.files(spec)
    assert [raw.text for raw in sources.read(spec, file)] == ["alpha"]


@pytest.mark.parametrize("paths", [("no/such/file.txt",), ()])
def test_nothing_to_read_is_an_input_error(paths: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        sources.files(SourceSpec(paths=paths))


def test_an_empty_folder_says_what_is_taken(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to read"):
        sources.files(SourceSpec(paths=(str(tmp_path),)))


def test_front_matter_is_cut_at_the_beginning_only(tmp_path: Path) -> None:
    write(tmp_path, a_dot_txt="---\nkey: mit\n---\n\nText\n---\nmore\n---\n", b_dot_txt="Text\n---\nx\n---\n")
    spec = SourceSpec(paths=(str(tmp_path),), front_matter=True)
    texts = [raw.text for file in sources.files(spec) for raw in sources.read(spec, file)]
    assert texts == ["\nText\n---\nmore\n---\n", "Text\n---\nx\n---\n"]


def test_docstrings_of_a_distribution_without_importing_it() -> None:
    pin = f"networkx=={metadata.version('networkx')}"
    spec = SourceSpec(kind="docstrings", distributions=(pin,), include=("networkx/drawing/*.py",))
    files = sources.files(spec)
    names = [file.name for file in files]
    assert names == sorted(names) and "networkx/drawing/layout.py" in names
    loaded = "networkx" in sys.modules
    text = "".join(raw.text for file in files for raw in sources.read(spec, file))
    assert "Position nodes" in text and "def " not in text.split("Position nodes")[0]
    assert ("networkx" in sys.modules) == loaded


def test_wrong_or_missing_versions_name_the_pip_line() -> None:
    with pytest.raises(InputError, match=r"pip install --no-deps 'no-such-package-here==1.0'"):
        sources.distribution("no-such-package-here==1.0")
    with pytest.raises(InputError, match=rf"installed as {metadata.version('networkx')}, the recipe has 0.0.1"):
        sources.distribution("networkx==0.0.1")
    with pytest.raises(InputError, match="expected NAME==VERSION"):
        sources.distribution("networkx")


def test_licence_files_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ["pkg/LICENSE.txt", "pkg/NOTICE", "pkg/licenses.md", "pkg/copying.rst", "pkg/mit.LICENSE", "pkg/guide.md"]
    files += ["pkg-1.0.dist-info/METADATA.txt", "../bin/x.txt"]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    (tmp_path / "pkg-1.0.dist-info" / "METADATA").write_text("Name: pkg\nVersion: 1.0\n", encoding="utf-8")
    record = "".join(f"{name},,\n" for name in files)
    (tmp_path / "pkg-1.0.dist-info" / "RECORD").write_text(record, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = SourceSpec(kind="package", distributions=("pkg==1.0",))
    assert [file.name for file in sources.files(spec)] == ["pkg/guide.md"]
    spec = SourceSpec(kind="package", distributions=("pkg==1.0",), include=("pkg/*",))
    assert [file.name for file in sources.files(spec)] == ["pkg/guide.md", "pkg/mit.LICENSE"]


def test_docstrings_stand_in_source_order() -> None:
    source = b'''"""Module."""
class A:
    """Class."""
    def f(self):
        """Method.

            indented
        """
if True:
    async def g():
        "Late \\d"
'''
    assert docstrings(source) == "Module.\n\nClass.\n\nMethod.\n\nindented\n\nLate \\d"
    for broken in (b"def f(:\n", b"x = '\0'", b"(" * 5000):
        with pytest.raises(Unreadable, match="not parseable"):
            docstrings(broken)


def test_text_bytes_are_counted_or_estimated_from_a_spread(tmp_path: Path) -> None:
    write(tmp_path, a_dot_txt="alpha", b_dot_md="beta")
    spec = SourceSpec(paths=(str(tmp_path),))
    assert sources.text_bytes(spec) == 9
    write(tmp_path, c_dot_html="<p>gamma</p>")
    assert sources.text_bytes(spec) == 9 + len("gamma")
    whole = 0
    for number in range(100):
        text = "Ä word. " * (10 + 3 * number)
        write(tmp_path, **{f"{number}_dot_html": f"<html><body><h1>T</h1><p>{text}</p></body></html>"})
        whole += len(f"# T\n\n{text.strip()}".encode())
    assert abs(sources.text_bytes(spec) / whole - 1) < 0.1
    assert sources.text_bytes(spec) == sources.text_bytes(spec)


def test_text_bytes_read_only_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(60):
        write(tmp_path, **{f"{number}_dot_html": f"<p>{'word ' * (1 + number)}</p>"})
    spec, taken = SourceSpec(paths=(str(tmp_path),)), []
    read = sources.read
    monkeypatch.setattr(sources, "read", lambda spec, file: taken.append(file.name) or read(spec, file))
    sources.text_bytes(spec)
    assert len(taken) == len(set(taken)) == sources.SAMPLE_FILES and {"0.html", "59.html"} <= set(taken)
    taken.clear()
    monkeypatch.setattr(sources, "SAMPLE_BYTES", 1)
    assert sources.text_bytes(spec) > 0 and len(taken) == 1
