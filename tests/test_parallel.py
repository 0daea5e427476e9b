"""Maps over processes: order, failures, workers that die."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from multiprocessing import forkserver
from pathlib import Path

import pytest

from sphereufm import parallel
from sphereufm.errors import InvalidInputError
from sphereufm.parallel import Workers


def half(number):
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


def die_once(place):
    """Kill this process where the file is there; the second time it is not."""
    path = Path(place)
    if path.exists():
        path.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_kills_every_worker_is_given_up():
    with Workers(2) as workers:
        ((item, value, reason),) = workers.completed(die, [0])
        assert (item, value) == (0, None)
        assert "died 3 times" in reason
        with pytest.raises(BrokenExecutor):
            list(workers.map(die, [0]))


@pytest.mark.parametrize("make", [Workers, Workers.of])
def test_workers_are_at_least_one(make):
    with pytest.raises(InvalidInputError, match="workers=0"):
        make(0)


@pytest.mark.skipif(not parallel._FORKS, reason="no fork server here")
def test_an_interrupted_terminal_reaches_no_process_while_it_loads():
    """A terminal interrupts all processes of a command; what they load takes longer than a user's patience."""
    with Workers(2, modules=["scipy.optimize"]) as workers:
        forkserver._forkserver._stop()  # as in a new run
        workers.start()
        while (server := forkserver._forkserver._forkserver_pid) is None:
            time.sleep(0.001)
        for _ in range(20):
            os.kill(server, signal.SIGINT)
            time.sleep(0.005)
        workers._starting.result()
        for pid in {*workers.map(process, range(20))} - {os.getpid()}:
            os.kill(pid, signal.SIGINT)
        assert list(workers.map(half, [4, 2])) == [2, 1]


@pytest.mark.parametrize(
    "error", [OSError("no semaphores"), EOFError("unexpected EOF"), NotImplementedError()]
)
@pytest.mark.parametrize("patience", [0.0, 0.01])
def test_where_no_process_can_be_started_one_works_alone(monkeypatch, error, patience):
    def refused(count, modules):
        raise error

    monkeypatch.setattr(parallel, "_processes", refused)
    with Workers(2, patience=patience) as workers:
        with pytest.warns(RuntimeWarning, match="no processes can be started"):
            pids = set(workers.map(process_slowly, range(10)))
        assert pids == {os.getpid()}
        assert list(workers.map(half, [4, 2])) == [2, 1]


def blas_threads(_):
    import numpy  # noqa: F401  (loads BLAS, which reads the variable)

    return os.environ.get("OPENBLAS_NUM_THREADS")


def test_workers_have_one_blas_thread_and_this_process_keeps_its_own(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    with Workers(2) as workers:
        assert list(workers.map(blas_threads, range(2))) == ["1", "1"]
    assert "OPENBLAS_NUM_THREADS" not in os.environ


@pytest.mark.parametrize(
    ("count", "threads"), [(1, False), (2, False), (2, True)], ids=["here", "processes", "threads"]
)
def test_one_pool_serves_several_maps_and_survives_a_death(tmp_path, count, threads):
    places = [tmp_path / name for name in "abcd"]
    if count == 2 and not threads:
        places[2].touch()
    with Workers(count, threads=threads) as workers:
        assert list(workers.map(half, [4, 2, 8])) == [2, 1, 4]
        assert list(workers.map(divmod, [7, 8], 2)) == [(3, 1), (4, 0)]
        assert list(workers.map(die_once, [str(p) for p in places])) == ["a", "b", "c", "d"]
        with pytest.raises(ValueError, match="3 is odd"):
            list(workers.map(half, [2, 3]))
        found = sorted(workers.completed(half, [4, 3, 2]))
        assert found == [(2, 1, None), (3, None, "ValueError: 3 is odd"), (4, 2, None)]
        assert list(workers.map(lambda item: item + 1, [1, 2])) == [2, 3]
        assert list(workers.map(divmod, range(7), 2, together=3)) == [divmod(k, 2) for k in range(7)]
        with pytest.raises(ValueError, match="3 is odd"):
            list(workers.map(half, [2, 4, 3, 6], together=2))


def test_small_jobs_start_no_process():
    with Workers(2, patience=60.0) as workers:
        assert set(workers.map(process, range(3))) == {os.getpid()}


def process(_):
    return os.getpid()


def process_slowly(_):
    time.sleep(0.01)
    return os.getpid()


STARTED_BESIDE = """
import os, sys, time
from sphereufm.parallel import Workers

NAME = "sphereufm.certify.complete.coulomb"

def asked(number):
    time.sleep(0.01)
    return number, os.getpid(), NAME in sys.modules

if __name__ == "__main__":
    with Workers(2, patience=60.0, modules=[NAME]) as workers:
        workers.start()
        workers.start()
        before = []
        for answer in workers.map(asked, range(3000)):
            before.append(answer)
            if answer[1] != os.getpid():
                break
        assert [number for number, _, _ in before] == list(range(len(before)))
        assert before[0][1:] == (os.getpid(), False)
        assert before[-1][1] != os.getpid()
        assert all(there for _, _, there in workers.map(asked, range(4)))
"""


def test_work_is_done_here_until_the_processes_are_there(tmp_path):
    """They load what they are told to; who asked works on meanwhile, and the order is kept."""
    script = tmp_path / "started.py"
    script.write_text(STARTED_BESIDE)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_processes_that_nobody_needed_are_ended():
    with Workers(2, patience=60.0) as workers:
        workers.start()
    assert workers._executor is None


def test_what_a_killed_worker_of_a_cluster_held_is_made_again(tmp_path):
    """Also what every call shares, and what the next map shares at once."""
    distributed = pytest.importorskip("distributed")

    def dying_once(item, folder, values):
        died = folder / f"died-{item}"
        if not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item + values[item]

    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with cluster, Workers(1, cluster.scheduler_address) as workers:
        for step in (0, 10):
            found = workers.map(dying_once, [step, step + 1], tmp_path, dict.fromkeys(range(20), 100))
            assert list(found) == [step + 100, step + 101]


def test_processes_that_cannot_be_started_spoil_no_work_done_here(monkeypatch):
    def refused(*_):
        raise OSError("no more processes")

    monkeypatch.setattr("sphereufm.parallel._processes", refused)
    with Workers(2, patience=60.0) as workers:
        workers.start()
        workers._patience = 60.0
        assert next(workers.map(half, [4])) == 2


def test_processes_that_died_between_two_maps_are_replaced():
    with Workers(2) as workers:
        for _ in range(2):
            pids = set(workers.map(process, range(4)))
            assert os.getpid() not in pids
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.2)
        assert list(workers.map(half, [4, 2])) == [2, 1]


@pytest.mark.parametrize("guarded", [True, False])
def test_a_script_that_cannot_be_loaded_again_is_done_by_one(tmp_path, guarded):
    """From standard input, or without a guard: what it asks for is done, with a warning."""
    lines = [
        "from sphereufm.parallel import Workers",
        "with Workers(2) as w:",
        "    print(list(w.map(abs, [-2, 3])))",
    ]
    if guarded:
        lines = ['if __name__ == "__main__":', *(f"    {line}" for line in lines)]
    script = tmp_path / "script.py"
    script.write_text("\n".join(lines))
    words = [sys.executable, "-" if guarded else str(script)]
    done = subprocess.run(
        words, input=script.read_text(), capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stdout == "[2, 3]\n"
    assert "no processes can be started" in done.stderr
    assert done.returncode == 0
