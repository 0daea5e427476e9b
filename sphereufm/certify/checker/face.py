"""The public face: one certificate in, its claims with their statuses out; and the same on a command line."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sphereufm.certify.checker.claims import CHECKS, sentence, statuses
from sphereufm.certify.checker.families import FAMILIES
from sphereufm.certify.checker.integers import Integers
from sphereufm.certify.checker.kernel import Arb, CheckError
from sphereufm.certify.checker.place import Place
from sphereufm.certify.checker.reading import LARGEST_FILE, Point, read_certificate, refuse_if
from sphereufm.certify.checker.words import named

LEVELS = (128, 256, 512)
BACKENDS: dict[str, Callable[..., Any]] = {"flint": Arb, "integers": Integers}
CODES = {"PROVED": 0, "REFUTED": 1, "UNDECIDED": 3}


@dataclass(frozen=True, kw_only=True)
class ClaimResult:
    """One claim: its type, its status, and what was verified, in words."""

    type: str
    status: str
    text: str


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """A certificate; PROVED only where all claims are, and together make a sentence about an existing point.

    ``instance`` says what it is about, and ``sha256`` tells two instances apart.
    """

    status: str
    row: str
    claims: tuple[ClaimResult, ...]
    backend: str = "flint"
    reason: str = ""
    instance: str = ""
    sha256: str = ""


def check_bytes(data: bytes, backend: str = "flint") -> CheckResult:
    """Check a certificate.

    Parameters
    ----------
    data : bytes
        The file's content.
    backend : str
        ``"flint"``, or ``"integers"`` for small instances.

    Returns
    -------
    CheckResult

    Raises
    ------
    CheckError
        If the bytes are no certificate of this format, or the backend is unknown.

    Examples
    --------
    >>> check_bytes(b"{}")
    Traceback (most recent call last):
    ...
    sphereufm.certify.checker.kernel.CheckError: certificate lacks claims, format, instance, point, producer
    """
    if backend not in BACKENDS:
        raise CheckError(f"backend={backend!r} must be one of {', '.join(BACKENDS)}")
    file, p, point, claims = read_certificate(data)
    first = min(file.get("hints", {}).get("precision", 0), LEVELS[-1])
    found: dict[str, tuple[str, str]] = {}
    spent = 0.0
    for bits in [b for b in LEVELS if b >= first]:
        arithmetic = BACKENDS[backend](bits, spent)
        with arithmetic:
            found = statuses(Place(arithmetic, p, point or Point(1, [], [], []), claims), CHECKS | FAMILIES)
        spent = arithmetic.spent
        if all(status != "UNDECIDED" for status, _ in found.values()) or spent > arithmetic.most:
            break
    status, row = sentence({kind: status for kind, (status, _) in found.items()}, claims)
    results = tuple(ClaimResult(type=kind, status=found[kind][0], text=found[kind][1]) for kind in claims)
    shown = {"reason": file.get("reason", ""), **named(p)}
    return CheckResult(status=status, row=row, claims=results, backend=backend, **shown)


@contextmanager
def regular_file(path: str | Path, name: str = "") -> Iterator[BinaryIO]:
    """A regular file, open, with its name for messages; a pipe to which nobody writes must not keep us waiting."""
    try:
        with open(
            path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
        ) as file:
            refuse_if(
                not stat.S_ISREG(os.fstat(file.fileno()).st_mode), f"{name}cannot be read: not a regular file"
            )
            yield file
    except OSError as error:
        raise CheckError(f"{name}cannot be read: {error.strerror}") from None


def read_file(path: str | Path) -> bytes:
    """Content of a regular file, at most one byte more than is allowed."""
    with regular_file(path) as file:
        return file.read(LARGEST_FILE + 1)


def check_file(path: str | Path, backend: str = "flint") -> CheckResult:
    """Check a certificate in a file; see :func:`check_bytes`.

    Raises CheckError if the file cannot be read, or is no certificate of this format.
    """
    return check_bytes(read_file(path), backend)


def main(words: list[str]) -> int:
    """Check one file and print what was found."""
    backend = words[words.index("--backend") + 1] if "--backend" in words[:-1] else "flint"
    files = [w for i, w in enumerate(words) if w != "--backend" and (i == 0 or words[i - 1] != "--backend")]
    if len(files) != 1 or words[-1] == "--backend":
        print("usage: python checker.py FILE [--backend flint|integers]", file=sys.stderr)
        return 2
    try:
        result = check_file(files[0], backend)
    except CheckError as error:
        print(f"{files[0]}: {error}", file=sys.stderr)
        return 2
    except Exception as defect:
        # Python's own exit code would be 1, which is for refutations only
        print(f"{files[0]}: internal error: {type(defect).__name__}: {defect}", file=sys.stderr)
        return 70
    print(f"instance: {result.instance} (sha256 {result.sha256})")
    for claim in result.claims:
        print(f"{claim.status} {claim.type}: {claim.text}")
    print(f"{result.status}: {result.row}")
    return CODES[result.status]
