"""Maps over the processors of one machine or over a Dask cluster; the only importer of dask.

Results come back in the order of the items, so that merging gives the same bits with any number of workers.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain, islice
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from sphereufm.errors import InvalidInputError, MissingExtraError, check_integer

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# items sent ahead of the one awaited, for each worker: enough to keep it busy, few enough to bound memory
_AHEAD = 2
# what the usual builds of BLAS and OpenMP read
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# times that an item is given to a worker before it is held to be what kills them
_ATTEMPTS = 3


def ordered_map(
    function: Callable[..., _Result],
    items: Iterable[_Item],
    workers: int = 1,
    scheduler: str | None = None,
    shared: tuple[Any, ...] = (),
) -> Iterator[_Result]:
    """Yield ``function(item, *shared)`` for each item, in the items' order.

    The workers are threads, which see the same memory: the function should spend its time in large array operations.

    * ``function``: a function of a module (it is sent by name to a cluster).
    * ``items``: taken as they are needed.
    * ``workers``: threads of this process.
    * ``scheduler``: address of a Dask scheduler; its workers are used instead, and must see the same files.
    * ``shared``: what every call needs; sent once to each worker of a cluster.

    Raises InvalidInputError if ``workers < 1``, or the scheduler cannot be reached; MissingExtraError if
    ``scheduler`` is given and the extra ``distributed`` is not installed.
    """
    count = check_integer("workers", workers, 1)
    if scheduler is not None:
        with _client(scheduler) as cluster:
            sent = cluster.scatter(list(shared), broadcast=True)
            ahead = _AHEAD * max(sum(cluster.nthreads().values()), 1)
            # impure: a file may have changed since an equal task ran
            yield from _in_order(lambda item: cluster.submit(function, item, *sent, pure=False), items, ahead)
    elif count == 1:
        yield from (function(item, *shared) for item in items)
    else:
        pool = ThreadPoolExecutor(count)
        try:
            # results may be large: one waits at most
            yield from _in_order(lambda item: pool.submit(function, item, *shared), items, count + 1)
        finally:
            pool.shutdown(cancel_futures=True)


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Processes, or the workers of a Dask cluster, for several maps one after another.

    Each process has one BLAS thread.  A worker that dies is replaced, and what it had begun is begun again, three
    times at most.

    * ``count``: processes on this machine; 1 computes in this one.
    * ``scheduler``: address of a Dask scheduler; its workers are used instead.
    * ``patience``: seconds of work in this process before others are started: small jobs do not wait for
      them.
    """

    def __init__(self, count: int = 1, scheduler: str | None = None, *, patience: float = 0.0) -> None:
        self.count = check_integer("workers", count, 1)
        self._scheduler = scheduler
        self._patience = patience
        self._pool: ProcessPoolExecutor | None = None
        self._cluster: Any = None

    @property
    def is_alone(self) -> bool:
        """Whether all work is done in this process."""
        return self.count == 1 and self._scheduler is None

    def __enter__(self) -> Workers:
        if self._scheduler is not None:
            self._cluster = _client(self._scheduler)
        return self

    def __exit__(self, *_: object) -> None:
        if self._cluster is not None:
            self._cluster.close()
        self._stop()

    def map(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Yield ``function(item)`` for each item, in the items' order; what it raises is raised here."""
        todo = iter(items)
        if self._cluster is not None:
            ahead = _AHEAD * max(sum(self._cluster.nthreads().values()), 1)
            yield from _in_order(partial(self._on_cluster, function), todo, ahead)
            return
        for item in todo:
            if self.count > 1 and (self._pool is not None or self._patience <= 0.0):
                yield from self._on_processes(function, chain([item], todo))
                return
            begin = time.monotonic()
            result = function(item)
            self._patience -= time.monotonic() - begin
            yield result

    def _on_cluster(self, function: Any, item: Any) -> Any:
        # impure: a file may have changed since an equal task ran
        return self._cluster.submit(function, item, pure=False)

    def _on_processes(self, function: Any, items: Iterator[Any]) -> Iterator[Any]:
        """Results in order; where the pool breaks, what was under way goes to a new one."""
        waiting: deque[tuple[Any, Any, int]] = deque()
        ahead = _AHEAD * self.count
        try:
            while True:
                while len(waiting) < ahead and (more := list(islice(items, 1))):
                    waiting.append((self._submit(function, more[0]), more[0], 1))
                if not waiting:
                    return
                future, _, attempts = waiting[0]
                try:
                    result = future.result()
                except BrokenProcessPool:
                    if attempts >= _ATTEMPTS:
                        raise
                    self._stop()
                    waiting = deque((self._submit(function, each), each, n + 1) for _, each, n in waiting)
                    continue
                waiting.popleft()
                yield result
        finally:  # nobody wants what is left, and the next map shall not wait for it
            for future, *_ in waiting:
                future.cancel()

    def _submit(self, function: Any, item: Any) -> Any:
        if self._pool is None:
            self._pool = _processes(self.count)
        return self._pool.submit(function, item)

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = None


def _processes(count: int) -> ProcessPoolExecutor:
    """Started processes that follow this one, with one BLAS thread each."""
    # spawned, since a fork copies the state of BLAS threads that it does not copy
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_follow_parent)
    # the number is read when NumPy is loaded: it must be set before a process starts
    added = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        for _ in range(count):
            pool.submit(int)
    finally:
        for name in added:
            del os.environ[name]
    return pool


def _in_order(submit: Callable[[Any], Any], items: Iterable[Any], ahead: int) -> Iterator[Any]:
    """Results in order, with at most ``ahead`` items under way."""
    waiting: deque[Any] = deque()
    for item in items:
        waiting.append(submit(item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


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


def completed_map(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    workers: int = 1,
    scheduler: str | None = None,
) -> Iterator[tuple[_Item, _Result | None, str | None]]:
    """Yield ``(item, result, None)`` or ``(item, None, reason)`` as items end, in any order.

    Workers that die are replaced, and what they had begun is begun again; an item that was under way three
    times when a worker died is given up.

    ``function``, ``items``, ``workers`` and ``scheduler``: as in :func:`ordered_map`, with processes for threads.
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
        pool = _processes(count)
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
