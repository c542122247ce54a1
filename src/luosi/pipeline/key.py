"""Keys: the identity of an artifact, known before it is made.

`k1-` + the first 16 hex digits of the SHA-256 of the canonical JSON of {format, stage, version, config, inputs}. Config is
hashed automatically, code is versioned by hand. Frozen by tests/golden/keys.json. Knows no files.
"""

from __future__ import annotations

import hashlib
import json
import math
import types
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Union, get_args, get_origin

from pydantic import BaseModel

FORMAT = 1


def canonical(value: object, path: str = "config") -> object:
    """`value` as plain JSON data, with fields that are not identity left out.

    Raises:
        TypeError: A value has no single JSON form (a set, a callable, NaN, ...); names the path.
    """
    if value is None or isinstance(value, (bool, str, int)):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{path} is {value}; a key holds finite numbers only")
        return value
    if isinstance(value, BaseModel):
        return _canonical_model(value, path)
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise TypeError(f"{path} has the key {name!r}; a key holds text keys only")
        return {name: canonical(value[name], f"{path}.{name}") for name in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [canonical(item, f"{path}[{number}]") for number, item in enumerate(value)]
    raise TypeError(
        f"{path} is a {type(value).__name__}; a key holds text, numbers, booleans, lists and records only: "
        "give the field one of these types, or mark it NOT_IN_KEY"
    )


def _canonical_model(model: BaseModel, path: str) -> dict[str, object]:
    result = {}
    for name, field in sorted(type(model).model_fields.items()):
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        value = getattr(model, name)
        if extra.get("not_in_key") or (
            extra.get("added_later") and value == field.get_default(call_default_factory=True)
        ):
            continue
        if isinstance(value, int) and not isinstance(value, bool) and _is_float(field.annotation):
            value = float(value)
        result[name] = canonical(value, f"{path}.{name}")
    return result


def _is_float(annotation: object) -> bool:
    """Whether a field's type is `float` or `float | None`: 1 and 1.0 are then the same setting."""
    if get_origin(annotation) in (Union, types.UnionType):
        return all(part in (float, type(None)) for part in get_args(annotation))
    return annotation is float


def artifact_key(stage: str, version: int, config: BaseModel, inputs: Mapping[str, Sequence[str]]) -> str:
    """The key of what `stage` makes of `config` and the artifacts `inputs` ({role: [keys]}; empty roles do not count)."""
    identity = {
        "format": FORMAT,
        "stage": stage,
        "version": version,
        "config": canonical(config),
        "inputs": {role: list(keys) for role, keys in inputs.items() if keys},
    }
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"k{FORMAT}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
