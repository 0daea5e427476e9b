"""The block method on operators whose spectra are known."""

import numpy as np
import pytest

from sphereufm.spectra.block_method import block_norms, lowest_eigenpairs


@pytest.mark.parametrize("copies", [1, 3])
def test_lowest_eigenvalues_with_their_copies(copies):
    a = np.repeat(np.linspace(-1.0, 4.0, 60), copies)
    start = np.random.default_rng(0).standard_normal((6, 3, 20 * copies))
    pairs = lowest_eigenpairs(lambda U: a.reshape(3, -1) * U, lambda R: R, start, 4, 1e-9, 400)
    np.testing.assert_allclose(pairs.values, a[:4], atol=1e-12)
    residuals = block_norms(a.reshape(3, -1) * pairs.vectors - pairs.values[:, None, None] * pairs.vectors)
    assert (residuals <= 1e-9 * pairs.norm).all()
    assert pairs.norm <= 4.0


def test_limit_of_iterations_is_kept():
    a = np.linspace(0.0, 1.0, 200)
    start = np.random.default_rng(0).standard_normal((3, 1, 200))
    pairs = lowest_eigenpairs(lambda U: a * U, lambda R: R, start, 1, 1e-12, 3)
    assert pairs.products <= 3 + 3 * 3
    assert pairs.values[0] > 0.0
