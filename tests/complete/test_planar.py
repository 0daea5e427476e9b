"""The equations in the plane against the problem's own gradient, and boxes against points inside them."""

import numpy as np
import pytest

from sphereufm import UFMProblem
from sphereufm.certify.complete.arithmetic import Balls, point
from sphereufm.certify.complete.boxes import contract
from sphereufm.certify.complete.planar import Planar
from sphereufm.certify.complete.reading import read_instance
from sphereufm.certify.complete.symmetry import circle_orders

SHAPES = [((1, 1, 1), 1.0), ((1, 1, 2), 3.5), ((2, 1), 0.4), ((1, 1, 1, 1), 12.0)]


def plane(sizes, tau, order=None):
    problem = UFMProblem(class_sizes=sizes, dim=2, tau=tau)
    instance = read_instance(problem.exact_instance().to_json())
    return problem, instance, Planar(instance, order or range(len(sizes)), 0.0)


def values(equations, x):
    return equations.evaluate(point(x), False)[0].m


@pytest.mark.parametrize(("sizes", "tau"), SHAPES)
def test_rows_are_the_tangential_parts_of_the_gradient(sizes, tau):
    problem, _, equations = plane(sizes, tau, tuple(reversed(range(len(sizes)))))
    x = np.random.default_rng(0).uniform(0, 6, (20, equations.variables))
    for row, T in zip(x, values(equations, x), strict=True):
        X = equations.place(row)
        turned = np.array([-X[1], X[0]])
        slopes = (turned * problem.at(X).gradient).sum(0)[: len(sizes)]
        # df/da = -tau T
        assert -tau * T[: len(sizes)] == pytest.approx(slopes[equations.order], abs=1e-12)


def test_features_equations_vanish_where_the_gradient_of_the_features_does():
    problem, _, equations = plane((1, 1, 1), 2.0)
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 6, (200, equations.variables))
    chi = values(equations, x)[:, 3:]
    slopes = []
    for row in x:
        X = equations.place(row)
        slopes.append((np.array([-X[1], X[0]]) * problem.at(X).gradient).sum(0)[3:])
    slopes = np.array(slopes)
    # chi is that slope divided by a positive number, so signs agree throughout
    assert (np.sign(chi) == np.sign(slopes)).all()


@pytest.mark.parametrize(("sizes", "tau"), SHAPES)
def test_derivatives_agree_with_differences(sizes, tau):
    equations = plane(sizes, tau)[2]
    x = np.random.default_rng(2).uniform(0, 6, (5, equations.variables))
    J = equations.evaluate(point(x))[1].m

    def error(h):
        steps = h * np.eye(equations.variables)
        slopes = [(values(equations, x + step) - values(equations, x - step)) / (2 * h) for step in steps]
        return np.abs(np.stack(slopes, 2) - J).max()

    assert error(1e-3) < 0.3 * error(2e-3)
    assert error(1e-4) < 1e-4 * (1 + tau) ** 3


@pytest.mark.parametrize(("sizes", "tau"), SHAPES)
@pytest.mark.parametrize("radius", [0.02, 0.4, 1.5])
def test_boxes_hold_the_values_and_derivatives_of_their_points(sizes, tau, radius):
    equations = plane(sizes, tau)[2]
    rng = np.random.default_rng(3)
    m = rng.uniform(0, 6, (100, equations.variables))
    r = rng.uniform(0, radius, m.shape)
    F, J = equations.evaluate(Balls(m, r))
    for _ in range(5):
        x = m + rng.uniform(-1, 1, m.shape) * r
        f, j = equations.evaluate(point(x))
        assert (np.abs(f.m - F.m) <= F.r + 1e-12).all()
        assert (np.abs(j.m - J.m) <= J.r + 1e-12).all()


def test_no_pass_loses_a_zero():
    equations = plane((1, 1, 1), 3.0)[2]
    frame = np.array([2 * np.pi / 3, 2 * np.pi / 3, 0.0, 0.0, 0.0])
    rng = np.random.default_rng(4)
    r = rng.uniform(0.01, 1, (300, 5))
    m = frame + rng.uniform(-1, 1, r.shape) * r
    found = contract(equations, m - r, m + r)
    assert not found.dead.any()
    assert (found.low <= frame + 1e-12).all()
    assert (found.high >= frame - 1e-12).all()
    dead, low, high = equations.trim(m - r, m + r)
    assert not dead.any()
    assert (low <= frame).all()
    assert (high >= frame).all()


@pytest.mark.parametrize(("sizes", "orders"), [((1, 1, 1), 1), ((1, 1, 2), 2), ((1, 2, 3), 3), ((1,) * 4, 1)])
def test_orders_on_the_circle_are_counted_up_to_symmetry(sizes, orders):
    assert len(circle_orders(plane(sizes, 1)[1])) == orders


def test_all_orders_of_one_instance_share_its_group():
    _, instance, first = plane((2, 2, 1), 1)
    assert Planar(instance, [1, 0, 2], 0.0).group is first.group
    # but not those of another instance, of as many classes and samples
    assert len(plane((1, 2, 2), 1)[2].group[2]) == len(first.group[2])
    assert len(plane((3, 1, 1), 1)[2].group[2]) == 2 * 2 * 6
