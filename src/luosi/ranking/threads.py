"""One thread for the small matrices of a ranking: with more they cost ten times the processor time and end no sooner."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


@lru_cache
def _controller() -> ThreadpoolController:
    import numpy  # noqa: F401  its library must be there to be found

    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """While this lasts, linear algebra runs in one thread."""
    found: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return found
