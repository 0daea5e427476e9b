"""Maps over the processors of one machine or over a Dask cluster; the only importer of dask.

Results come back in the order of the items, so whoever merges them gets the same bits with any number of workers.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from sphereufm.errors import InvalidInputError, MissingExtraError, check_integer

__all__ = ["completed_map", "ordered_map"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# items sent ahead of the one awaited, for each worker: enough to keep it busy, few enough to bound memory
_AHEAD = 2
# times that an item is given to a worker before it is held to be what kills them
_ATTEMPTS = 3


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
    with _client(scheduler) as client:
        threads = sum(client.nthreads().values())
        # impure: a file may have changed since an equal task ran
        submit = _submit_impure(client)
        yield from _in_order(submit, function, items, _AHEAD * max(threads, 1))


def _client(scheduler: str) -> Any:
    """A client of a running scheduler."""
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError(
            f"scheduler={scheduler!r} needs dask; install the extra: pip install 'sphereufm[distributed]'"
        ) from error
    try:
        return Client(scheduler, timeout="10s")
    except (OSError, ValueError, TimeoutError) as error:
        raise InvalidInputError(f"scheduler={scheduler!r} cannot be reached: {error}") from error


def _submit_impure(client: Any) -> Callable[..., Any]:
    """``client.submit`` that never answers from an earlier result."""

    def submit(function: Any, item: Any) -> Any:
        return client.submit(function, item, pure=False)

    return submit


def completed_map(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    workers: int = 1,
    scheduler: str | None = None,
) -> Iterator[tuple[_Item, _Result | None, str | None]]:
    """Yield ``(item, result, None)`` or ``(item, None, reason)`` as items end, in any order.

    Workers that die are replaced, and what they had begun is begun again; an item that was under way three
    times when a worker died is given up.

    Parameters
    ----------
    function, items, workers, scheduler
        As in :func:`ordered_map`.

    Examples
    --------
    >>> list(completed_map(abs, [-2, 1]))
    [(-2, 2, None), (1, 1, None)]
    """
    count = check_integer("workers", workers, 1)
    if scheduler is not None:
        yield from _completed_on_dask(function, items, scheduler)
    elif count == 1:
        for item in items:
            yield item, *_result_or_reason(lambda item=item: function(item))  # type: ignore[misc]
    else:
        yield from _completed_on_processes(function, items, count)


def _completed_on_processes(function: Any, items: Iterable[Any], count: int) -> Iterator[Any]:
    """The same on processes of this machine; a new pool where one broke."""
    waiting = deque((item, 1) for item in items)
    while waiting:
        pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_follow_parent)
        running: dict[Future[Any], tuple[Any, int]] = {}
        try:
            while waiting or running:
                while waiting and len(running) < count:
                    entry = waiting.popleft()
                    running[pool.submit(function, entry[0])] = entry
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    if isinstance(future.exception(), BrokenProcessPool):
                        raise future.exception()  # type: ignore[misc]
                    item, _ = running.pop(future)
                    yield item, *_result_or_reason(future.result)
        except BrokenProcessPool:
            for item, attempts in running.values():
                if attempts < _ATTEMPTS:
                    waiting.append((item, attempts + 1))
                else:
                    yield item, None, f"a worker process died {_ATTEMPTS} times while it was under way"
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _result_or_reason(call: Callable[[], _Result]) -> tuple[_Result | None, str | None]:
    """What a call returns, or why it does not."""
    try:
        return call(), None
    except Exception as error:  # a failed item is a result; interruptions pass
        return None, f"{type(error).__name__}: {error}"


def _follow_parent() -> None:
    """In a worker: leave Ctrl-C to the parent, and end when the parent does, even if it was killed."""
    parent = parent_process()
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _completed_on_dask(function: Any, items: Iterable[Any], scheduler: str) -> Iterator[Any]:
    """The same on a Dask cluster, which replaces what dead workers had begun."""
    with _client(scheduler) as client:
        from distributed import as_completed

        todo = iter(items)
        sent: dict[Any, Any] = {}
        queue = as_completed()

        def send() -> None:
            for item in islice(todo, 1):
                future = client.submit(function, item, pure=False)
                sent[future.key] = item
                queue.add(future)

        for _ in range(_AHEAD * max(sum(client.nthreads().values()), 1)):
            send()
        for future in queue:
            yield sent.pop(future.key), *_result_or_reason(future.result)
            send()
