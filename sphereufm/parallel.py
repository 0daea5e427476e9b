"""Maps over the processors of one machine or over a Dask cluster; the only importer of dask.

One loop serves threads, processes and clusters.  :meth:`Workers.map` gives results in the order of the items, so that
merging gives the same bits with any number of workers.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, islice
from multiprocessing import get_all_start_methods, get_context, parent_process
from typing import Any, TypeVar

from sphereufm.errors import InvalidInputError, MissingExtraError, check_integer

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Seconds of work in this process before others are used: small jobs do not wait for them.
PATIENCE = 0.5
# Items sent ahead of the one awaited, for each worker: enough to keep it busy, few enough to bound memory.
_AHEAD = 4
# What the usual builds of BLAS and OpenMP read.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Times that an item is given to a worker before it is held to be what kills them.
_ATTEMPTS = 3
# Workers are forks of one process that has loaded what this one has: a fork of this one would copy the state of BLAS
# threads that it does not copy.
_FORKS = "forkserver" in get_all_start_methods()
# Whether threads, and what they start, can be kept from signals.
_MASKS = hasattr(signal, "pthread_sigmask")


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(eq=False)
class _Call:
    """An item under way."""

    item: Any
    future: Future[Any]
    attempts: int = 1


class Workers:
    """Processes, threads, or the workers of a Dask cluster, for several maps one after another.

    Each process has one BLAS thread.  A process that dies is replaced, and what it had begun is begun again, three
    times at most.  What cannot be sent to a process is computed in this one.

    * ``count``: workers on this machine; 1 computes in this process.
    * ``scheduler``: address of a Dask scheduler; its workers are used instead, and must see the same files.
    * ``threads``: threads that see the same memory, for functions that spend their time in large array operations.
    * ``patience``: seconds of work in this process before others are started, which are used once they are there:
      small jobs do not wait for them.
    * ``modules``: what each process loads, beside what this one has loaded when they are started.

    Raises InvalidInputError if ``count < 1``, or the scheduler cannot be reached; MissingExtraError if ``scheduler`` is
    given and the extra ``distributed`` is not installed.
    """

    def __init__(
        self,
        count: int = 1,
        scheduler: str | None = None,
        *,
        threads: bool = False,
        patience: float = 0.0,
        modules: Sequence[str] = (),
    ) -> None:
        self.count = check_integer("workers", count, 1)
        self._scheduler = scheduler
        self._threads = threads
        self._patience = patience
        self._warming = 0.5 * PATIENCE
        self._modules = modules
        self._starting: Future[Executor] | None = None
        self._executor: Executor | None = None
        self._cluster: Any = None

    @classmethod
    def of(cls, workers: Workers | int | None) -> AbstractContextManager[Workers]:
        """The workers as they are, or so many processes once half a second of work is done."""
        if isinstance(workers, Workers):
            return nullcontext(workers)
        return cls(1 if workers is None else workers, patience=PATIENCE)

    def __enter__(self) -> Workers:
        if self._scheduler is not None:
            self._cluster = _client(self._scheduler)
            # impure: a file may have changed since an equal task ran
            self._executor = self._cluster.get_executor(pure=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._cluster is None:
            self._stop()
        else:
            self._cluster.close()

    def map(
        self,
        function: Callable[..., _Result],
        items: Iterable[_Item],
        *shared: Any,
        together: int = 1,
    ) -> Iterator[_Result]:
        """Yield ``function(item, *shared)`` for each item, in the items' order; what it raises is raised here.

        ``function``: of a module, as it is sent by name; ``items``: taken as they are needed; ``shared``: what every
        call needs, sent once to each worker of a cluster; ``together``: how many short calls are one for a worker.
        """
        if together > 1:
            rest = iter(items)
            pieces = iter(lambda: list(islice(rest, together)), [])
            for results in self.map(_each, pieces, function, *shared):
                yield from results
            return
        for call in self._ended(function, items, shared, in_order=True):
            yield call.future.result()

    def completed(
        self, function: Callable[[_Item], _Result], items: Iterable[_Item]
    ) -> Iterator[tuple[_Item, _Result | None, str | None]]:
        """Yield ``(item, result, None)`` or ``(item, None, reason)`` as items end, in any order.

        An item that was under way three times when a worker died is given up.
        """
        for call in self._ended(function, items, (), in_order=False):
            error = call.future.exception()
            if error is None:
                yield call.item, call.future.result(), None
            elif isinstance(error, BrokenExecutor):
                reason = f"a worker process died {_ATTEMPTS} times while it was under way"
                yield call.item, None, reason
            elif isinstance(error, Exception):  # a failed item is a result; interruptions pass
                yield call.item, None, f"{type(error).__name__}: {error}"
            else:
                raise error

    def _ended(
        self, function: Any, items: Iterable[Any], shared: tuple[Any, ...], *, in_order: bool
    ) -> Iterator[_Call]:
        """The calls as they end, in order or not; where a pool breaks, what was under way goes to a new one."""
        todo = iter(items)
        first = list(islice(todo, 1))
        todo = chain(first, todo)
        here = self._cluster is None and not self._threads and not self._can_send((function, first, shared))
        if self._cluster is not None and shared:
            # results of tasks: what a dying worker held of them is computed again, as scattered data is not
            shared = tuple(self._cluster.submit(_same, each, pure=False) for each in shared)

        def begun(item: Any) -> Future[Any]:
            return self._begun(function, (item, *shared), here)

        calls: list[_Call] = []
        try:
            while True:
                while len(calls) < self._ahead(here, in_order) and (more := list(islice(todo, 1))):
                    calls.append(_Call(more[0], begun(more[0])))
                if not calls:
                    return
                awaited = calls[:1] if in_order else calls
                done = wait([each.future for each in awaited], return_when=FIRST_COMPLETED).done
                call = next(each for each in awaited if each.future in done)
                if _is_broken(call.future) and call.attempts < _ATTEMPTS:
                    wait([each.future for each in calls])
                    self._stop()
                    for each in calls:
                        if _is_broken(each.future):
                            each.future, each.attempts = begun(each.item), each.attempts + 1
                    continue
                calls.remove(call)
                yield call
        finally:  # nobody wants what is left, and the next map shall not wait for it
            for call in calls:
                call.future.cancel()

    def _ahead(self, here: bool, in_order: bool) -> int:
        """Calls under way at most."""
        if self._cluster is not None:
            return _AHEAD * max(sum(self._cluster.nthreads().values()), 1)
        if self._is_done_here(here):
            return 1
        # results of threads may be large: one waits at most
        return self.count + 1 if self._threads else _AHEAD * self.count if in_order else self.count

    def _is_done_here(self, here: bool) -> bool:
        """Whether the next call is made in this process."""
        waits = self._patience > 0.0 or (self._starting is not None and not self._starting.done())
        return here or (self._executor is None and (self.count == 1 or waits))

    def _begun(self, function: Any, words: tuple[Any, ...], here: bool) -> Future[Any]:
        """A call that is under way, or was made here."""
        if not self._is_done_here(here) and (executor := self._started()) is not None:
            with suppress(BrokenExecutor):
                return executor.submit(function, *words)
            # processes may die while they have nothing to do
            self._stop()
            return self._begun(function, words, here)
        future, begin = Future[Any](), time.monotonic()
        try:
            future.set_result(function(*words))
        except Exception as error:  # as an executor does; interruptions pass
            future.set_exception(error)
        self._patience -= time.monotonic() - begin
        if not here and self.count > 1:
            if self._patience <= 0.0:
                self.start()
            elif self._patience < self._warming:
                self._warming = -float("inf")
                with suppress(OSError):  # said where they are needed
                    _prepare_forks(self._modules)
        return future

    def start(self) -> None:
        """Start processes, if there are to be any and are none; until they are there, work is done here."""
        if self.count > 1 and self._scheduler is None and self._executor is None and self._starting is None:
            self._patience = 0.0
            # this waits for what they load
            thread = ThreadPoolExecutor(1)
            self._starting = thread.submit(_processes, self.count, self._modules)
            thread.shutdown(wait=False)

    def _started(self) -> Executor | None:
        """Threads, or the processes that were started or are now; none, with a warning, where there can be none."""
        if self._executor is None and self._threads:
            self._executor = ThreadPoolExecutor(self.count)
        elif self._executor is None:
            starting, self._starting = self._starting, None
            try:
                self._executor = starting.result() if starting else _processes(self.count, self._modules)
            except (OSError, EOFError, NotImplementedError, BrokenExecutor) as error:
                # forbidden, killed while they load, or a script that cannot be loaded again
                warnings.warn(
                    f"no processes can be started, so that one works alone: {error}; a script that asks for several "
                    'is a file, with its work under if __name__ == "__main__"',
                    RuntimeWarning,
                    stacklevel=2,
                )
                self.count = 1
        return self._executor

    def _can_send(self, words: Any) -> bool:
        """Whether other processes can be told, if there are to be any."""
        try:
            return self.count > 1 and bool(pickle.dumps(words))
        except (pickle.PicklingError, AttributeError, TypeError):
            return False

    def _stop(self) -> None:
        # what could not be started is nobody's loss where the work was done here
        if self._starting is not None and self._starting.exception() is None:
            self._executor = self._starting.result()
        self._starting = None
        if self._executor is not None:
            self._executor.shutdown(wait=self._threads, cancel_futures=True)
        self._executor = None


def _same(value: Any) -> Any:
    return value


def _each(items: list[Any], function: Callable[..., _Result], *shared: Any) -> list[_Result]:
    return [function(item, *shared) for item in items]


def _is_broken(future: Future[Any]) -> bool:
    """Whether a call was lost with its worker."""
    return future.done() and isinstance(future.exception(), BrokenExecutor)


def _processes(count: int, modules: Sequence[str]) -> ProcessPoolExecutor:
    """Started processes that follow this one, with one BLAS thread each."""
    _prepare_forks(modules)
    with _inherited():
        context = get_context("forkserver" if _FORKS else "spawn")
        pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(modules,))
        begun = [pool.submit(int) for _ in range(count)]
    begun[0].result()
    return pool


def _prepare_forks(modules: Sequence[str]) -> None:
    """Start the process that workers are forks of, if there is none, to load what this one has loaded, and more."""
    if not _FORKS:
        return
    from multiprocessing import forkserver, resource_tracker

    # it starts with the server, and lets the signals through that are kept from it
    resource_tracker.ensure_running()
    # a copy: another thread may be loading more
    ours = [
        name for name in list(sys.modules) if name.partition(".")[0] == "sphereufm" and "__main__" not in name
    ]
    get_context("forkserver").set_forkserver_preload([*ours, *modules])
    with _inherited():
        forkserver.ensure_running()


@contextmanager
def _inherited() -> Iterator[None]:
    """What is started here has one BLAS thread, unless the user chose another number, and never hears of Ctrl-C.

    The number is read when NumPy is loaded.  A terminal interrupts all processes of a command, also while they load.
    """
    added = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if _MASKS else None
    try:
        yield
    finally:
        if blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for name in added:
            os.environ.pop(name, None)  # two threads may start processes


def _begin(modules: Sequence[str]) -> None:
    """In a worker: leave Ctrl-C to the parent, and end when the parent does, even if it was killed.

    What it loads is there where it is a fork of a process that has loaded it.
    """
    parent = parent_process()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in modules:
        import_module(name)

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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
