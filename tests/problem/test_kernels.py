"""Streaming over blocks of samples: every way to cut gives the same numbers."""

import numpy as np
import pytest

from sphereufm.problem import kernels
from sphereufm.problem.kernels import block_of, sample_blocks
from sphereufm.problem.ufm import UFMProblem

SIZES = (5, 0, 7, 3)


def problem_in_blocks(monkeypatch, logits, *, memory_budget=1 << 30):
    """Seventeen-odd samples of four classes, cut into blocks of about ``logits`` logits."""
    monkeypatch.setattr(kernels, "_BLOCK_LOGITS", logits)
    monkeypatch.setattr(kernels, "_SMALLEST_BLOCK", 1)
    problem = UFMProblem(
        class_sizes=SIZES, dim=3, tau=4, weights=np.linspace(1.0, 2.0, 15), memory_budget=memory_budget
    )
    assert problem.blocks[-1].samples.stop == 15
    return problem


def answers(problem, X, U):
    point = problem.at(X)
    return {
        "cost": point.cost,
        "log_cost": point.log_cost,
        "gradient": point.gradient,
        "euclidean_gradient": point.euclidean_gradient,
        "multipliers": point.multipliers,
        "gradient_scale": point.gradient_scale,
        "hessian_product": point.hessian_product(U),
        "euclidean_hessian_product": point.euclidean_hessian_product(U),
        "G": point.G,
    }


def assert_same(found, expected):
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-13, atol=2e-13, err_msg=name)


@pytest.mark.parametrize("logits", [4, 16, 28, 56])
@pytest.mark.parametrize("memory_budget", [0, 1 << 30])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_blocks_and_budget_change_nothing(monkeypatch, logits, memory_budget, batch):
    whole = problem_in_blocks(monkeypatch, 1 << 16)
    assert len(whole.blocks) == 1
    cut = problem_in_blocks(monkeypatch, logits, memory_budget=memory_budget)
    assert len(cut.blocks) == -(-15 // (logits // 4))
    X = whole.spheres.random_point(0, batch)
    U = whole.spheres.random_tangent(1, X)
    assert_same(answers(cut, X, U), answers(whole, X, U))


def test_one_block_without_memory_budget(monkeypatch):
    whole = problem_in_blocks(monkeypatch, 1 << 16)
    recomputed = problem_in_blocks(monkeypatch, 1 << 16, memory_budget=0)
    X = whole.spheres.random_point(0)
    U = whole.spheres.random_tangent(1, X)
    assert_same(answers(recomputed, X, U), answers(whole, X, U))


@pytest.mark.parametrize("memory_budget", [0, 1 << 30])
def test_the_order_of_questions_changes_nothing(monkeypatch, memory_budget):
    problem = problem_in_blocks(monkeypatch, 16, memory_budget=memory_budget)
    X = problem.spheres.random_point(0)
    U = problem.spheres.random_tangent(1, X)
    forwards, backwards = problem.at(X), problem.at(X)
    first = [forwards.cost, forwards.gradient, forwards.hessian_product(U), forwards.gradient_scale]
    last = [backwards.gradient_scale, backwards.hessian_product(U), backwards.gradient, backwards.cost]
    for a, b in zip(first, reversed(last), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-13, atol=1e-17)


def test_answers_are_not_overwritten_by_later_blocks_or_points(monkeypatch):
    problem = problem_in_blocks(monkeypatch, 16)
    X = problem.spheres.random_point(0, (2,))
    U = problem.spheres.random_tangent(1, X)
    first = problem.at(X[0])
    before = {name: np.array(value) for name, value in answers(problem, X[0], U[0]).items()}
    kept = first.gradient, first.hessian_product(U[0])
    answers(problem, X[1], U[1])
    first.hessian_product(U[1])
    np.testing.assert_array_equal(kept[0], before["gradient"])
    np.testing.assert_array_equal(kept[1], before["hessian_product"])
    assert_same(answers(problem, X[0], U[0]), before)


def test_inputs_are_not_changed(monkeypatch):
    problem = problem_in_blocks(monkeypatch, 16)
    X = problem.spheres.random_point(0)
    U = problem.spheres.random_tangent(1, X)
    copies = X.copy(), U.copy()
    answers(problem, X, U)
    np.testing.assert_array_equal(X, copies[0])
    np.testing.assert_array_equal(U, copies[1])


def test_memory_layout_of_the_input_changes_nothing():
    problem = UFMProblem(class_sizes=(2, 3), dim=4, tau=2)
    X = problem.spheres.random_point(0, (3,))
    U = problem.spheres.random_tangent(1, X)
    strided = np.zeros((3, 7, 4))
    strided[...] = np.swapaxes(X, -1, -2)
    other = np.swapaxes(strided, -1, -2)
    assert not other.flags.c_contiguous
    assert_same(answers(problem, other, np.asfortranarray(U)), answers(problem, X, U))
    assert_same(answers(problem, np.asfortranarray(X[0]), U[0]), answers(problem, X[0], U[0]))


@pytest.mark.parametrize("samples", [1, 63, 64, 65, 1000])
def test_blocks_cover_every_sample_once_with_its_own_label(samples):
    rng = np.random.default_rng(samples)
    labels = rng.integers(0, 1000, samples)
    weights = rng.random(samples)
    blocks = sample_blocks(labels, weights, 1000, 3.0)
    covered = np.concatenate([np.arange(samples)[block.samples] for block in blocks])
    np.testing.assert_array_equal(covered, np.arange(samples))
    for block in blocks:
        n = block.samples.stop - block.samples.start
        assert n <= 65
        np.testing.assert_array_equal(block.flat // n, labels[block.samples])
        np.testing.assert_array_equal(block.flat % n, np.arange(n))
        np.testing.assert_array_equal(block.scale, 3.0 * weights[block.samples])
        assert (block.columns.start, block.columns.stop) == (
            1000 + block.samples.start,
            1000 + block.samples.stop,
        )


def test_parts_of_a_buffer_do_not_overlap():
    buffer = np.zeros(2 * 3 * 10)
    for number, samples in enumerate([slice(0, 4), slice(4, 8), slice(8, 10)]):
        part = block_of(buffer, (2, 3), samples)
        assert part.flags.c_contiguous
        assert (part == 0.0).all()
        part[...] = number + 1.0
    assert np.bincount(buffer.astype(int)).tolist() == [0, 24, 24, 12]
