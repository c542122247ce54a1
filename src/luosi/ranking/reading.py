"""Files of votes: CSV, TSV, JSONL and Parquet in the layouts of arena-rank, FastChat and llmfao, or any other whose columns are named.

A CSV is read by pyarrow where it is installed and the file gives it no trouble, else by the standard library, with the same result.
Rows that cannot be read are counted like votes that cannot be used. Knows what columns are called, not what is done with them.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from luosi.errors import InputError, MissingDependency
from luosi.ranking.coding import Coded
from luosi.ranking.columns import NUMBERS, recognised, votes_of
from luosi.ranking.votes import NAMED, OUTCOMES, Votes

WRONG_WIDTH = "a row has too many or too few cells"
UNREADABLE = "a line is not a JSON object"


def as_votes(votes: Any, columns: Mapping[str, str] | None = None, features: Sequence[str] = ()) -> Votes:
    """Votes of whatever holds them: Votes, a path, a data frame or mapping of columns, a list of records (mappings).

    Args:
        votes: What holds them.
        columns: Names of columns, by the keys of ALIASES, where they are not recognised.
        features: Columns for style control: one of differences, or the common beginning of two (length_a, length_b).
    """
    if isinstance(votes, Votes):
        return votes
    if isinstance(votes, str | Path):
        return read_votes(votes, columns, features)
    if isinstance(votes, Sequence) and votes and isinstance(votes[0], Mapping):
        names = list(dict.fromkeys(name for record in votes for name in record))
        votes = {name: [record.get(name) for record in votes] for name in names}
    names = list(votes.columns if hasattr(votes, "columns") else votes)
    if names and not isinstance(names[0], str):  # a pyarrow table's columns are arrays
        names = list(votes.column_names)
    return votes_of(names, lambda name: list(votes[name]), columns or {}, features)


def read_votes(path: str | Path, columns: Mapping[str, str] | None = None, features: Sequence[str] = ()) -> Votes:
    """Votes of a file; its ending says what it is, anything unknown is taken for CSV. Raises InputError.

    Args:
        path: The file.
        columns: As `as_votes`.
        features: As `as_votes`.
    """
    path, columns = Path(path), columns or {}
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    if not path.stat().st_size:
        raise InputError(f"{path} is empty")
    kind = path.suffix.lower()
    if kind == ".parquet":
        return _parquet(path, columns, features)
    if kind in (".jsonl", ".ndjson", ".json"):
        return _jsonl(path, columns, features)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline(1 << 20)
    delimiter = "\t" if kind == ".tsv" or line.count("\t") > line.count(",") else ","
    names = next(csv.reader([line], delimiter=delimiter), [])
    try:
        found = _by_arrow(path, delimiter, names, columns, features)
    except ImportError:
        found = None
    return found or _by_csv(path, delimiter, columns, features)


def _jsonl(path: Path, columns: Mapping[str, str], features: Sequence[str]) -> Votes:
    whole = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    bad = 0
    if whole.lstrip()[:1] == b"[":
        try:
            records = orjson.loads(whole)
        except orjson.JSONDecodeError as error:
            raise InputError(f"{path} is no JSON: {error}") from error
    else:
        records = []
        for line in filter(None, map(bytes.strip, whole.splitlines())):
            try:
                records.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                bad += 1
    good = [record for record in records if isinstance(record, dict)]
    bad += len(records) - len(good)
    refused = {UNREADABLE: bad} if bad else {}
    if not good:
        raise InputError(f"{path} holds no vote", hint=f"{bad:,} x {UNREADABLE}" if bad else "")
    names = list(dict.fromkeys(name for record in good for name in record))
    return votes_of(names, lambda name: [_plain(record.get(name)) for record in good], columns, features, refused)


def _plain(value: Any) -> Any:
    """Lists and objects as text: they can be no name, but may be a prompt."""
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else value


def _by_csv(path: Path, delimiter: str, columns: Mapping[str, str], features: Sequence[str]) -> Votes:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader((line.replace("\0", "") for line in file), delimiter=delimiter)
        try:
            names = next(lines, [])
            wanted = _wanted(recognised(names, columns, features))
            places = [names.index(name) for name in wanted]
            table: list[list[str]] = [[] for _ in places]
            bad = _filled(table, lines, places, len(names))
        except csv.Error as error:
            raise InputError(f"{path}, line {lines.line_num}: {error}") from error
    data = dict(zip(wanted, table, strict=True))
    if not table[0]:
        raise InputError(f"{path} holds no vote", hint=f"{bad:,} x {WRONG_WIDTH}" if bad else "it has a heading only")
    return votes_of(names, data.__getitem__, columns, features, {WRONG_WIDTH: bad} if bad else {})


def _filled(table: list[list[str]], lines: Iterator[list[str]], places: list[int], width: int) -> int:
    """Put the rows' cells into the columns; how many rows are of another width."""
    bad = 0
    while block := list(islice(lines, 100_000)):
        rows = [row for row in block if len(row) == width]
        bad += sum(1 for row in block if row and len(row) != width)
        for cells, place in zip(table, places, strict=True):
            cells.extend([row[place] for row in rows])
    return bad


def _wanted(roles: dict[str, Any]) -> list[str]:
    parts = [part for parts in roles["features"].values() for part in parts]
    return list(dict.fromkeys([*(name for key, name in roles.items() if key != "features"), *parts]))


def _by_arrow(
    path: Path, delimiter: str, names: list[str], columns: Mapping[str, str], features: Sequence[str]
) -> Votes | None:
    """By pyarrow; None where it finds trouble that the slower way can tell the cause of, or repair."""
    import pyarrow as pa
    from pyarrow import csv as fast

    roles = recognised(names, columns, features)
    wanted = _wanted(roles)
    words = pa.dictionary(pa.int32(), pa.string())
    numeric = {part for parts in roles["features"].values() for part in parts}
    numeric |= {roles[key] for key in (*NUMBERS, "time") if key in roles}
    bad = 0

    def count(row: Any) -> str:
        nonlocal bad
        bad += 1
        return "skip"

    with path.open("rb") as file:
        quoted = any(b'"' in block for block in iter(lambda: file.read(1 << 24), b""))
    try:
        table = fast.read_csv(
            path,
            fast.ReadOptions(block_size=1 << 24),
            fast.ParseOptions(delimiter=delimiter, newlines_in_values=quoted, invalid_row_handler=count),
            fast.ConvertOptions(
                include_columns=wanted, null_values=[""],
                column_types={name: pa.float64() if name in numeric else words for name in wanted},
            ),
        )  # fmt: skip
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        return None
    if not table.num_rows or len(set(names)) < len(names):
        return None
    return votes_of(names, _arrow_column(table), columns, features, {WRONG_WIDTH: bad} if bad else {})


def _parquet(path: Path, columns: Mapping[str, str], features: Sequence[str]) -> Votes:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingDependency("pyarrow", needed_for="Parquet files", install="pip install 'luosi[files]'") from error
    try:
        names = parquet.read_schema(path).names
        table = parquet.read_table(path, columns=_wanted(recognised(names, columns, features)))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is no Parquet file: {error}") from error
    return votes_of(names, _arrow_column(table), columns, features)


def _arrow_column(table: Any) -> Callable[[str], Any]:
    """A table's columns as codes with names, as numbers, or as lists."""
    import pyarrow as pa

    def column(name: str) -> Coded | Any:
        data = table[name]
        kind = data.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            data = data.dictionary_encode()
        elif not pa.types.is_dictionary(kind):
            plain = pa.types.is_floating(kind) or pa.types.is_integer(kind)
            return data.to_numpy() if plain else [_plain(value) for value in data.to_pylist()]
        data = data.unify_dictionaries().combine_chunks()
        if isinstance(data, pa.ChunkedArray):
            data = data.chunk(0)
        names = data.dictionary.to_pylist()
        if data.indices.null_count:
            return data.indices.fill_null(len(names)).to_numpy(zero_copy_only=False), [*names, ""]
        return data.indices.to_numpy(zero_copy_only=False), names

    return column


def write_votes(votes: Votes, path: str | Path) -> None:
    """All that is known of the votes as a CSV, from which the same votes are read again."""
    features = list(votes.feature_names)
    given = [name for name in ("time", "weight", "propensity") if getattr(votes, name) is not None]
    named = [name for name in NAMED if getattr(votes, name) is not None]
    lists: list[list[Any]] = [
        [votes.models[code] for code in votes.left.tolist()],
        [votes.models[code] for code in votes.right.tolist()],
        [OUTCOMES[code] for code in votes.outcome.tolist()],
    ]
    for name in named:
        names = getattr(votes, f"{name}s")
        lists.append([names[code] if len(names) else code for code in getattr(votes, name).tolist()])
    lists += [["" if x != x else repr(x) for x in getattr(votes, name).tolist()] for name in given]
    lists += [column.tolist() for column in votes.features.T] if votes.features is not None else []
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["left", "right", "winner", *named, *given, *features])
        lines.writerows(zip(*lists, strict=True))
