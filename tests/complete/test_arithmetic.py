"""Balls in doubles against Arb with 200 bits: every enclosure holds, and is not much wider than it must be."""

import numpy as np
import pytest
from flint import arb, ctx

from sphereufm.certify.complete.arithmetic import Balls, exponential, logarithm, point, power, sine_cosine
from sphereufm.certify.complete.programs import power_of_positive

SIZES = np.concatenate([np.linspace(-60, 60, 301), np.pi / 2 * np.arange(-9, 10), [0.0, 1e-30, -1e-12, 1e-7]])


@pytest.fixture(autouse=True)
def many_bits():
    with ctx.workprec(200):
        yield


def holds(balls, exact):
    low, high = balls if isinstance(balls, tuple) else (balls.low, balls.high)
    return all(arb(a) <= x <= arb(b) for a, b, x in zip(low.tolist(), high.tolist(), exact, strict=True))


def test_sine_and_cosine_hold_the_exact_ones_and_no_more():
    s, c = sine_cosine(point(SIZES))
    pairs = [arb(x).sin_cos() for x in SIZES.tolist()]
    assert holds(s, [a for a, _ in pairs])
    assert holds(c, [b for _, b in pairs])
    assert max(s.r.max(), c.r.max()) < 1e-14
    # near zero the error is relative: at large temperatures this decides
    assert s.r[np.abs(SIZES) < 1e-10].max() < 1e-26


@pytest.mark.parametrize("radius", [1e-9, 0.1, 1.4, 2.0, 5.0])
def test_sine_and_cosine_of_wide_balls_hold_those_of_their_points(radius):
    rng = np.random.default_rng(0)
    x = Balls(SIZES, np.full_like(SIZES, radius))
    s, c = sine_cosine(x)
    for _ in range(20):
        y = x.m + rng.uniform(-1, 1, len(SIZES)) * radius
        assert (np.abs(np.sin(y) - s.m) <= s.r + 1e-15).all()
        assert (np.abs(np.cos(y) - c.m) <= c.r + 1e-15).all()
    assert (np.abs(s.m) + s.r).max() <= 1 + 1e-14


def test_exponentials_logarithms_and_powers_hold_the_exact_ones():
    x = np.random.default_rng(1).uniform(-690, 690, 300)
    low, high = exponential(x)
    assert holds((low, high), [arb(v).exp() for v in x.tolist()])
    assert (high / low - 1).max() < 1e-13
    assert np.isnan(exponential(np.array([800.0, np.nan]))[0]).all()
    y = np.exp(x / 4)
    assert holds(logarithm(y), [arb(v).log() for v in y.tolist()])
    for n in (0, 1, 2, 5, 6):
        assert holds(power(point(x), n), [arb(v) ** n for v in x.tolist()])
    for exponent in (-3, -2, -1.5, -1, -0.5, 0.5):
        exact = [(arb(v).sqrt()) ** int(2 * exponent) for v in y.tolist()]
        assert holds(power_of_positive(point(y), exponent), exact)
    assert np.isnan(power_of_positive(point(-y), -1).m).all()


def test_sums_and_products_hold_the_exact_ones():
    rng = np.random.default_rng(2)
    # entries that cancel: rounding is all that is left
    a, b = rng.normal(size=(50, 6)), rng.normal(size=(50, 6))
    a = np.hstack([a, -a * (1 + 1e-15)])
    b = np.hstack([b, b])
    exact = [
        sum((arb(u) * arb(v) for u, v in zip(p, q, strict=True)), arb(0))
        for p, q in zip(a.tolist(), b.tolist(), strict=True)
    ]
    assert holds((point(a) * point(b)).sum(1), exact)
    assert holds((point(a)[:, None] @ point(b)[:, :, None])[:, 0, 0], exact)
    assert holds(
        (point(a) * point(b) - point(a * b)).sum(1),
        [e - sum((arb(float(v)) for v in row), arb(0)) for e, row in zip(exact, a * b, strict=True)],
    )
