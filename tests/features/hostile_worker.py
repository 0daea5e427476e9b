"""Opens files one by one, each in a child process with limits, and reports what happened as JSON.

Run as ``python hostile_worker.py < lines``; a line is ``whole PATH``, ``truncate PATH`` (the file cut after
every byte) or ``flip PATH`` (every byte changed in turn).  The report has the exit code (2: one of our errors;
0: everything was read; 1: another exception; negative: killed by that signal), the message, the processor
seconds, the peak memory in bytes, and whatever the child touched that it should not have; for many variants, the
worst.
"""

import json
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np

import sphereufm
from sphereufm.errors import SphereUFMError, UnreadableFileError
from sphereufm.features.readers import open_arrays
from sphereufm.features.readers.isolated import parent as isolated
from sphereufm.features.readers.isolated.child import reader_of, reason
from sphereufm.features.readers.source import RefusedSource
from sphereufm.features.readers.stored import StoredFile

SECONDS = 5
ROOM = 2**29
PACKAGE = str(Path(sphereufm.__file__).resolve().parents[1])
FORBIDDEN = (
    "os.",
    "subprocess.",
    "socket.",
    "ctypes.",
    "shutil.",
    "pickle.",
    "exec",
    "import",
    "marshal.",
    "tempfile.",
    "urllib.",
    "webbrowser.",
)
# what libraries raise on damaged files
FAILURES = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, MemoryError)
HARMLESS = ("os.listdir", "os.scandir")


def read_everything(path):
    """Open a file and stream and read all of its arrays."""
    for array in open_arrays(path).values():
        for block in array.blocks(4096) if array.shape else ():
            np.isfinite(block)
        array.read()


def read_everything_here(path):
    """The same, with libraries in this process: faster for thousands of variants, and it may die."""
    form = {".h5": "hdf5", ".parquet": "parquet", ".feather": "feather"}.get(os.path.splitext(path)[1])
    if form is None:
        read_everything(path)
        return
    file = StoredFile.at(VARIANT)
    try:
        reader = reader_of(file, form)
        for array in isolated.listed(file, form, reader.describe()).values():
            for block in array.read() if isinstance(array, RefusedSource) else reader.blocks(array, 4096):
                np.isfinite(block)
    except FAILURES as error:
        raise UnreadableFileError(reason(file, error)) from error


def attempt(path, read=read_everything):
    """Exit code, message and unwanted events of one file, in this process."""
    events = []
    target = os.path.realpath(path)

    def watch(event, details):
        if event == "open":
            file, mode = details[0], details[1]
            if isinstance(file, int) or file == os.devnull:
                return
            inside = os.path.abspath(str(file)).startswith((os.path.abspath(path), target))
            if not inside or (mode and set(str(mode)) & set("wax+")):
                events.append(f"open {file} {mode}")
        elif event == "os.kill" and details[1] == signal.SIGKILL:
            return  # the end of the process below
        elif event in ("subprocess.Popen", "os.posix_spawn"):
            # Libraries run in a process of their own; nothing else may be started.
            if list(details[1]) != [sys.executable, "-P", "-c", isolated._START, PACKAGE]:
                events.append(f"{event} {details!r}"[:200])
        elif event.startswith(FORBIDDEN) and event not in HARMLESS:
            events.append(f"{event} {details!r}"[:200])

    if read is read_everything:
        sys.addaudithook(watch)
    try:
        read(path)
    except SphereUFMError as error:
        return 2, f"{type(error).__name__}: {error}", list(events)
    except BaseException as error:
        return 1, f"{type(error).__name__}: {error}", list(events)
    return 0, "", list(events)


def whole(path):
    """Exit code, message, events of the file as it is."""
    signal.alarm(SECONDS)
    return attempt(path)


def truncate(path):
    """Cut the file after every byte; every piece must be refused."""
    content = _copy(path)
    for length in reversed(range(len(content))):
        os.ftruncate(MEMORY, length)
        signal.alarm(SECONDS)
        code, message, _ = attempt(path, read_variant)
        if code != 2:
            return code, f"cut after {length} of {len(content)} bytes: {message or 'was read'}", []
    return 2, f"{len(content)} pieces", []


def flip(path):
    """Change every byte in turn, two ways; a variant may be read, but not fail in another way than ours.

    Each variant of a library's format has a child of its own, as the library may die of it.
    """
    content = _copy(path)
    own_process = path.endswith((".h5", ".parquet", ".feather"))
    deaths = 0
    for at in range(len(content)):
        for mask in (0xFF, 1 << at % 8):
            os.pwrite(MEMORY, bytes([content[at] ^ mask]), at)
            child = os.fork() if own_process else 0
            if child == 0:
                signal.alarm(SECONDS)
                code, message, _ = attempt(path, read_variant)
                if own_process:
                    os._exit(code)
            else:
                _, status = os.waitpid(child, 0)
                killed = os.WIFSIGNALED(status)
                deaths += killed
                slow = killed and os.WTERMSIG(status) == signal.SIGALRM
                code, message = (3, "too slow") if slow else (0 if killed else os.WEXITSTATUS(status), "")
            if code not in (0, 2):
                return code, f"byte {at} changed by {mask}: {message}", []
        os.pwrite(MEMORY, content[at : at + 1], at)
    return 2, f"{2 * len(content)} variants, {deaths} deaths", []


def read_variant(path):
    """Read the copy in memory, as the format of the original."""
    if path.endswith((".h5", ".parquet", ".feather")):
        read_everything_here(path)
    else:
        read_everything(VARIANT)


def _copy(path):
    """Copy a file into memory; return its bytes."""
    with open(path, "rb") as file:
        content = file.read()
    os.ftruncate(MEMORY, 0)
    os.pwrite(MEMORY, content, 0)
    return content


MEMORY = os.memfd_create("variant") if hasattr(os, "memfd_create") else -1
VARIANT = f"/proc/self/fd/{MEMORY}"
ACTIONS = {"whole": whole, "truncate": truncate, "flip": flip}


def in_child(action, path):
    """Run one action in a forked child with limits."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0 if action == "whole" else 2**20,) * 2)
        resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + ROOM,) * 2)
        code, message, events = ACTIONS[action](path)
        os.write(writing, json.dumps([code, message[:2000], events[:5]]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    _, status, usage = os.wait4(child, 0)
    code, message, events = json.loads(text) if text else [-os.WTERMSIG(status), "killed", []]
    return {
        "path": path,
        "code": code,
        "message": message,
        "events": events,
        # of its processor, children included: a busy machine changes nothing
        "seconds": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * 1024,
    }


def _data_bytes():
    """Private memory that this process has mapped already, used or not."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData"))


def warm_up():
    """Load every library and module that a reader may need, so that children import nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.npz")
        np.savez_compressed(path, x=np.ones((3, 2)))
        read_everything(path)
        try:
            import h5py
            import ml_dtypes
            import pyarrow.feather
            import pyarrow.parquet
        except ImportError:
            return
        with h5py.File(os.path.join(folder, "x.h5"), "w") as file:
            file["x"] = np.ones((3, 2), ml_dtypes.bfloat16).astype(np.float32)
        table = pyarrow.table({"x": np.ones(3), "y": [[1.0], [2.0], [3.0]]})
        pyarrow.parquet.write_table(table, os.path.join(folder, "x.parquet"))
        pyarrow.feather.write_feather(table, os.path.join(folder, "x.feather"))
        for name in ("x.h5", "x.parquet", "x.feather"):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                os.pwrite(MEMORY, file.read(), 0)
            read_everything_here(path)
            os.ftruncate(MEMORY, 0)


if __name__ == "__main__":
    warm_up()
    for line in sys.stdin:
        print(json.dumps(in_child(*line.rstrip("\n").split(" ", 1))), flush=True)
