"""Maps over the processors of one machine or over a Dask cluster; the only importer of dask.

Results come back in the order of the items, so whoever merges them gets the same bits with any number of workers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

from sphereufm.errors import InvalidInputError, MissingExtraError, check_integer

__all__ = ["ordered_map"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# items sent ahead of the one awaited, for each worker: enough to keep it busy, few enough to bound memory
_AHEAD = 2


def ordered_map(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    workers: int = 1,
    scheduler: str | None = None,
) -> Iterator[_Result]:
    """Yield ``function(item)`` for each item, in the items' order.

    Parameters
    ----------
    function : callable
        A function of a module (it is sent by name).
    items : iterable
        Taken as they are needed; each must pickle where there are several workers.
    workers : int
        Processes on this machine; 1 computes in this one.
    scheduler : str, optional
        Address of a Dask scheduler; its workers are used instead, and must see the same files.

    Raises
    ------
    InvalidInputError
        If ``workers < 1``, or the scheduler cannot be reached.
    MissingExtraError
        If ``scheduler`` is given and the extra ``distributed`` is not installed.

    Examples
    --------
    >>> list(ordered_map(abs, [-2, 1]))
    [2, 1]
    """
    count = check_integer("workers", workers, 1)
    if scheduler is not None:
        yield from _on_dask(function, items, scheduler)
    elif count == 1:
        yield from map(function, items)
    else:
        # spawned, since a fork copies the state of BLAS threads that it does not copy
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            try:
                yield from _in_order(pool.submit, function, items, _AHEAD * count)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _in_order(submit: Callable[..., Any], function: Any, items: Iterable[Any], ahead: int) -> Iterator[Any]:
    """Results in order, with at most ``ahead`` items under way."""
    waiting: deque[Any] = deque()
    for item in items:
        waiting.append(submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _on_dask(function: Any, items: Iterable[Any], scheduler: str) -> Iterator[Any]:
    """The same on the workers of a Dask cluster."""
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError(
            f"scheduler={scheduler!r} needs dask; install the extra: pip install 'sphereufm[distributed]'"
        ) from error
    try:
        client = Client(scheduler, timeout="10s")
    except (OSError, ValueError, TimeoutError) as error:
        raise InvalidInputError(f"scheduler={scheduler!r} cannot be reached: {error}") from error
    with client:
        threads = sum(client.nthreads().values())
        # impure: a file may have changed since an equal task ran
        submit = _submit_impure(client)
        yield from _in_order(submit, function, items, _AHEAD * max(threads, 1))


def _submit_impure(client: Any) -> Callable[..., Any]:
    """``client.submit`` that never answers from an earlier result."""

    def submit(function: Any, item: Any) -> Any:
        return client.submit(function, item, pure=False)

    return submit
