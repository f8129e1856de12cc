"""Linear algebra on one thread: the matrices of a fit are too small for more.

Threads of OpenBLAS wait for each other in busy loops. With two of them a fit of 624 parameters took five times the CPU
time on an idle machine, fifteen times on a busy one; and its last digits depend on their number. The commands start
with one (``OPENBLAS_NUM_THREADS``); where the engine is called from a notebook or a script numpy is loaded already.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@cache
def _libraries() -> ThreadpoolController:
    """Return the loaded libraries that have threads; looked for once, since that takes milliseconds."""
    return ThreadpoolController()


def on_one_thread(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a function's linear algebra run on one thread, and give the others back afterwards."""

    @wraps(function)
    def limited(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with _libraries().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited
