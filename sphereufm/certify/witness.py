"""Witnesses: what a checker needs to see that a symmetric matrix is nonsingular, and with which inertia.

For symmetric A take T with ``T^T A T`` near ``E = diag(-1, .., -1, 1, .., 1)``; then ``Y = T E T^T`` is near the
inverse of A, and ``|I - Y A| < 1`` proves both statements (docs/proofs.md, Lemma 6).  T is stored by columns, each a
power of two times integers of a few bytes: it needs the digits of the condition number, and a few.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# so much finer than what the condition asks for
_SPARE_BITS = 7


@dataclass(frozen=True, kw_only=True)
class Witness:
    """A matrix T of n columns; the first ``minus`` of them belong to negative eigenvalues."""

    minus: int
    width: int  #: bytes of an integer
    exponents: tuple[int, ...]  #: powers of two, one for each column
    data: bytes  #: ``n^2`` big-endian signed integers, column after column

    @classmethod
    def of(cls, T: Any, minus: int, width: int) -> Witness:
        """Round a matrix of floats; its negative columns come first."""
        T = np.asarray(T, dtype=np.float64)
        most = np.frexp(np.abs(T).max(axis=0))[1].astype(int)
        # one bit for the sign, one for rounding up
        exponents = most - (8 * min(width, 7) - 2)
        whole = np.rint(np.ldexp(T, -exponents)).astype(">i8")
        raw = np.ascontiguousarray(whole.T).view(np.uint8).reshape(-1, 8)[:, 8 - min(width, 7) :]
        return cls(minus=minus, width=min(width, 7), exponents=tuple(exponents.tolist()), data=raw.tobytes())

    @classmethod
    def exact(cls, columns: Sequence[Sequence[tuple[int, int]]], minus: int, width: int) -> Witness:
        """Round columns of numbers ``mantissa 2^exponent`` of any precision."""
        exponents, parts = [], []
        for column in columns:
            top = max(m.bit_length() + e for m, e in column if m)
            low = top - (8 * width - 2)
            exponents.append(low)
            for m, e in column:
                whole = m << (e - low) if e >= low else m >> (low - e)
                parts.append(whole.to_bytes(width, "big", signed=True))
        return cls(minus=minus, width=width, exponents=tuple(exponents), data=b"".join(parts))

    @property
    def exactly(self) -> tuple[int, list[int], list[list[int]]]:
        """``minus``, powers of two and columns of integers, as a checker reads them."""
        w, n = self.width, len(self.exponents)
        whole = [
            int.from_bytes(self.data[i : i + w], "big", signed=True) for i in range(0, len(self.data), w)
        ]
        return self.minus, list(self.exponents), [whole[j * n : j * n + n] for j in range(n)]

    def floats(self) -> NDArray[np.float64]:
        """T, rounded to floats where it has more digits."""
        n, w = len(self.exponents), self.width
        if w < 8:
            raw = np.frombuffer(self.data, np.uint8).reshape(-1, w)
            wide = np.zeros((n * n, 8), np.uint8)
            wide[:, :w] = raw
            whole = (wide.view(">i8") >> (64 - 8 * w)).reshape(n, n)
            return np.ldexp(whole.astype(np.float64), np.array(self.exponents)[:, None]).T
        columns = [
            np.ldexp(np.array(c, dtype=np.float64), e)
            for c, e in zip(self.exactly[2], self.exponents, strict=True)
        ]
        return np.array(columns).T

    def to_json(self) -> list[Any]:
        """As it stands in a file."""
        return [self.minus, self.width, list(self.exponents), base64.b64encode(self.data).decode("ascii")]


def diagonalised(middle: NDArray[np.float64], spread: float = 0.0) -> tuple[Witness, float] | None:
    """Return a witness for a float matrix, and its condition number; None where floats are too coarse.

    ``spread`` bits more are kept: those of the ratio of the weights in whose norm the test is made.
    """
    if not np.isfinite(middle).all():
        return None
    values, vectors = np.linalg.eigh((middle + middle.T) / 2)
    sizes = np.abs(values)
    if not sizes.max() < 1e11 * sizes.min():
        return None
    condition = float(sizes.max() / sizes.min())
    bits = _SPARE_BITS + spread + np.log2(condition) + np.log2(len(values))
    T = vectors / np.sqrt(sizes)
    return Witness.of(T, int((values < 0).sum()), int(np.ceil((bits + 1) / 8))), condition
