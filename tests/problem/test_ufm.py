"""Making a problem: what is accepted, what is refused, and what it says of itself."""

import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from sphereufm.errors import InvalidInputError
from sphereufm.problem.ufm import UFMProblem

GIVEN = {"class_sizes": (2, 3), "dim": 3, "tau": 1}

BAD = [
    ({"dim": 0}, r"dim=0 must be an integer >= 1"),
    ({"dim": -2}, r"dim=-2 must"),
    ({"dim": 2.5}, r"dim=2\.5 must"),
    ({"dim": "3"}, r"dim='3' must"),
    ({"dim": True}, r"dim=True must"),
    ({"dim": None}, r"dim=None must"),
    ({"dim": float("nan")}, r"dim=nan must"),
    ({"tau": 0}, r"tau=0 must be positive; logits are tau \* W\.T @ H"),
    ({"tau": -1.0}, r"tau=-1\.0 must be positive"),
    ({"tau": float("nan")}, r"tau=nan must be a finite positive number"),
    ({"tau": float("inf")}, r"tau=inf must"),
    ({"tau": "one"}, r"tau='one' must"),
    ({"tau": "1/0"}, r"tau='1/0' must"),
    ({"tau": None}, r"tau=None must"),
    ({"tau": True}, r"tau=True must"),
    ({"class_sizes": (2, -1)}, r"class_sizes entry=-1 must be an integer >= 0"),
    ({"class_sizes": (2, 1.5)}, r"class_sizes entry=1\.5 must"),
    ({"class_sizes": 5}, r"class_sizes=5 must be a sequence"),
    ({"class_sizes": "23"}, r"class_sizes entry='2' must"),
    ({"class_sizes": (0, 0)}, r"there is no sample"),
    ({"class_sizes": ()}, r"there is no sample"),
    ({"class_sizes": (5,)}, r"classes=1 must be at least 2; with a single class the cost is constant"),
    ({"class_sizes": None}, r"neither class_sizes nor labels was given"),
    ({"class_sizes": None, "labels": []}, r"there is no sample"),
    ({"class_sizes": None, "labels": [0, 0]}, r"classes=1 must be at least 2"),
    ({"class_sizes": None, "labels": [0, -1]}, r"labels runs from -1 to 0"),
    ({"class_sizes": None, "labels": [0, 2], "classes": 2}, r"labels must lie in 0 \.\. 1"),
    ({"class_sizes": None, "labels": [0, 0.5]}, r"not whole numbers"),
    ({"class_sizes": None, "labels": [0, np.nan]}, r"not whole numbers"),
    ({"class_sizes": None, "labels": ["a", "b"]}, r"vector of whole numbers"),
    ({"class_sizes": None, "labels": [[0, 1]]}, r"labels has shape \(1, 2\)"),
    ({"labels": [0, 1, 1, 1, 1]}, r"class_sizes=\(2, 3\) contradicts labels, which count \(1, 4\)"),
    ({"labels": [0, 1]}, r"contradicts labels"),
    ({"classes": 3}, r"classes=3 contradicts class_sizes of 2 entries"),
    ({"classes": 0}, r"classes=0 must"),
    ({"weights": [1, 1]}, r"weights has length 2, but there are 5 samples"),
    ({"weights": [1, 1, 1, 1, 0]}, r"weight=0 must be positive"),
    ({"weights": [1, 1, 1, 1, -1]}, r"weight=-1 must be positive"),
    ({"weights": [1, 1, 1, 1, float("inf")]}, r"weight=inf must"),
    ({"weights": [1, 1, 1, 1, "x"]}, r"weight='x' must"),
    ({"weights": 2.0}, r"weights=2\.0 must be a sequence"),
    ({"loss": []}, r"loss=\[\] must be one of"),
    ({"loss": "hinge"}, r"loss='hinge' must be one of cross-entropy"),
    ({"tau": "1e400"}, r"tau='1e400' is outside the range of double"),
    ({"tau": "1e-400"}, r"tau='1e-400' is outside the range of double"),
    ({"class_sizes": (10**9, 10**30)}, r"class_sizes sum to 1e\+30 samples; at most 1e\+09"),
    ({"tau": "1e99999999"}, r"1e99999999 must have a decimal exponent within 3000"),
    ({"tau": "1e\u0669\u0669\u0669\u0669\u0669\u0669\u0669\u0669"}, r"decimal exponent within"),
    ({"tau": np.True_}, r"must be a finite positive number"),
    ({"tau": ["1e300", "1e-300"]}, r"weight times its tau is zero in double precision"),
    ({"weights": [1, 1, 1, 1, "1e-400"]}, r"weight times its tau is zero in double precision"),
    ({"weights": [1, 1, 1, 1, 1e-300], "tau": 1e-300}, r"weight times its tau is zero"),
    (
        {"class_sizes": None, "labels": np.array([1, 2**63], dtype="u8")},
        r"labels runs from 1 to 9223372036854775808",
    ),
    ({"class_sizes": None, "labels": [1.0, 2.0**63]}, r"labels runs from"),
    ({"class_sizes": None, "labels": [0, 1e300]}, r"labels runs from"),
    ({"class_sizes": None, "labels": [0, 10**12]}, r"classes=1000000000001 must be at most 1e\+09"),
    ({"class_sizes": None, "labels": [0, 1], "classes": 10**10}, r"classes=10000000000 must be at most"),
    ({"bias": "False"}, r"bias='False' must be True or False"),
    ({"memory_budget": -1}, r"memory_budget=-1 must"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=lambda value: str(value)[:50])
def test_bad_input_is_refused_with_the_reason(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        UFMProblem(**{**GIVEN, **changes})


def test_three_ways_to_say_the_classes_agree():
    sizes = UFMProblem(class_sizes=(2, 0, 1), dim=2, tau=1)
    labels = UFMProblem(labels=[0, 0, 2], dim=2, tau=1)
    all_three = UFMProblem(class_sizes=[2, 0, 1], labels=np.array([0.0, 0.0, 2.0]), classes=3, dim=2, tau=1)
    for problem in (sizes, labels, all_three):
        assert problem.class_sizes == (2, 0, 1)
        assert problem.labels.tolist() == [0, 0, 2]
        assert (problem.classes, problem.samples, problem.shape) == (3, 3, (2, 6))


def test_last_classes_may_be_empty_when_their_number_is_given():
    problem = UFMProblem(labels=[1, 0], classes=4, dim=2, tau=1)
    assert problem.class_sizes == (1, 1, 0, 0)


def test_the_order_of_labels_is_kept():
    problem = UFMProblem(labels=[2, 0, 1, 0], dim=3, tau=2)
    X = problem.spheres.random_point(0)
    Z = 2.0 * X[:, :3].T @ X[:, 3:]
    own = Z[[2, 0, 1, 0], range(4)]
    assert float(problem.cost(X)) == pytest.approx(
        float(np.mean(np.log(np.exp(Z).sum(axis=0)) - own)), rel=2e-13
    )


@pytest.mark.parametrize(
    ("tau", "exact"),
    [
        ("0.1", Fraction(1, 10)),
        ("1/3", Fraction(1, 3)),
        (Fraction(2, 7), Fraction(2, 7)),
        (0.1, Fraction(0.1)),
        (np.float64(0.5), Fraction(1, 2)),
        (np.float32(0.1), Fraction(float(np.float32(0.1)))),
        (np.int64(2**60 + 1), Fraction(2**60 + 1)),
        (Decimal("0.1"), Fraction(1, 10)),
        (7, Fraction(7)),
    ],
)
def test_tau_is_kept_exactly(tau, exact):
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=tau)
    assert problem.exact_tau == exact
    assert problem.tau == float(exact)


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u4", "i8", "u8"])
def test_integers_of_numpy_do_not_wrap_around(kind):
    most = np.iinfo(kind).max
    given = np.array([most, most - 1, 1, 2, 3, most - 2], dtype=kind)
    known = {
        "tau": given[:2],
        "weights": given,
        "loss": {"name": "cross-entropy", "offsets": [given[0], Fraction(given[1])]},
    }
    plain = {
        "tau": given[:2].tolist(),
        "weights": given.tolist(),
        "loss": {"name": "cross-entropy", "offsets": given[:2].tolist()},
    }
    one, other = (UFMProblem(class_sizes=(3, 3), dim=2, **each) for each in (known, plain))
    assert one.to_json() == other.to_json()
    np.testing.assert_array_equal(one.weights, other.weights)


def test_weights_are_relative_and_kept_exactly():
    problem = UFMProblem(class_sizes=(1, 2), dim=2, tau=1, weights=["0.1", Fraction(1, 5), 1])
    assert problem.exact_weights == (Fraction(1, 10), Fraction(1, 5), Fraction(1))
    np.testing.assert_allclose(problem.weights, np.array([0.1, 0.2, 1.0]) / 1.3, rtol=2e-13)
    doubled = UFMProblem(class_sizes=(1, 2), dim=2, tau=1, weights=np.array([0.2, 0.4, 2.0]))
    X = problem.spheres.random_point(0)
    np.testing.assert_allclose(doubled.cost(X), problem.cost(X), rtol=2e-13)


def test_equal_weights_are_no_weights():
    problem = UFMProblem(class_sizes=(2, 2), dim=2, tau=1, weights=[3, 3.0, "3", Fraction(3)])
    assert problem.exact_weights is None
    assert problem.is_balanced
    np.testing.assert_array_equal(problem.weights, np.full(4, 0.25))


def test_a_weighted_sample_counts_like_its_copies():
    weighted = UFMProblem(class_sizes=(1, 1), dim=3, tau=2, weights=[3, 1])
    copied = UFMProblem(class_sizes=(3, 1), dim=3, tau=2)
    X = weighted.spheres.random_point(0)
    expanded = X[:, [0, 1, 2, 2, 2, 3]]
    np.testing.assert_allclose(weighted.cost(X), copied.cost(expanded), rtol=2e-13)
    gradient = copied.gradient(expanded)
    np.testing.assert_allclose(weighted.gradient(X)[:, 2], gradient[:, 2:5].sum(axis=1), rtol=2e-13)


def test_balance_needs_equal_sizes_and_equal_weights():
    assert UFMProblem(class_sizes=(2, 2), dim=2, tau=1).is_balanced
    assert not UFMProblem(class_sizes=(2, 1), dim=2, tau=1).is_balanced
    assert not UFMProblem(class_sizes=(1, 1), dim=2, tau=1, weights=[1, 2]).is_balanced


def test_symmetry_respects_weights():
    problem = UFMProblem(class_sizes=(2, 2, 2), dim=2, tau=1, weights=[1, 2, 2, 1, 1, 1])
    # classes 0 and 1 carry the same weights in another order; class 2 has two alike
    assert problem.symmetry.permutations.order == 2 * 2
    assert problem.symmetry.permutations.contains(np.array([1, 0, 2, 6, 5, 4, 3, 7, 8]))
    assert not problem.symmetry.permutations.contains(np.array([1, 0, 2, 5, 6, 3, 4, 7, 8]))
    assert UFMProblem(class_sizes=(2, 2, 2), dim=2, tau=1).symmetry.permutations.order == 6 * 2**3


def test_other_dimension_and_temperature_leave_the_rest_alone():
    problem = UFMProblem(class_sizes=(2, 1), dim=3, tau=1, weights=[1, 2, 3])
    small = problem.in_dimension(2)
    assert (small.shape, small.tau, small.weights is problem.weights) == ((2, 5), 1.0, True)
    X = small.spheres.random_point(0)
    padded = np.concatenate([X, np.zeros((1, 5))])
    np.testing.assert_allclose(small.cost(X), problem.cost(padded), rtol=2e-13)
    hot = problem.with_tau("1/3")
    assert (hot.exact_tau, hot.dim) == (Fraction(1, 3), 3)
    np.testing.assert_allclose(
        hot.cost(padded),
        UFMProblem(class_sizes=(2, 1), dim=3, tau="1/3", weights=[1, 2, 3]).cost(padded),
        rtol=2e-13,
    )
    assert problem.tau == 1.0
    with pytest.raises(InvalidInputError, match="dim=0 must"):
        problem.in_dimension(0)
    with pytest.raises(InvalidInputError, match="tau=-1 must"):
        problem.with_tau(-1)


def test_temperatures_stay_with_their_samples():
    problem = UFMProblem(labels=[1, 0], dim=3, tau=[1, 2])
    assert problem.temperatures.tolist() == [2.0, 1.0]
    assert UFMProblem.from_json(problem.to_json()).temperatures.tolist() == [2.0, 1.0]
    more = UFMProblem(labels=[0, 0, 1, 1], classes=3, dim=3, tau=[1, 2, 3, 4])
    few = more.with_samples(np.array([0, 1, 3]), np.ones(3), 3)
    assert few.temperatures.tolist() == [1.0, 2.0, 4.0]
    assert UFMProblem.from_json(few.to_json()).temperatures.tolist() == [1.0, 2.0, 4.0]
    with pytest.raises(InvalidInputError, match="rates has 2 entries, but there are 3 samples"):
        UFMProblem.from_json(few.to_json() | {"rates": ["1", "1/2"]})


def test_no_other_temperature_makes_a_sample_vanish():
    problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1, weights=[1, "1e-20"])
    with pytest.raises(InvalidInputError, match="weight times its tau is zero"):
        problem.with_tau("1e-310")


def test_problems_cannot_be_changed():
    labels = np.array([0, 1, 1])
    problem = UFMProblem(labels=labels, dim=2, tau=1)
    labels[0] = 1
    assert problem.labels.tolist() == [0, 1, 1]
    with pytest.raises(AttributeError):
        problem.tau = 2.0
    with pytest.raises(ValueError, match="read-only"):
        problem.labels[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        problem.weights[0] = 1.0


def test_pickling_keeps_everything():
    problem = UFMProblem(labels=[1, 0, 2, 1], dim=3, tau="0.3", weights=["1/3", 1, 2, 1], memory_budget=0)
    X = problem.spheres.random_point(0)
    cost = problem.cost(X)
    copy = pickle.loads(pickle.dumps(problem))
    assert repr(copy) == repr(problem)
    assert (copy.exact_tau, copy.exact_weights, copy.memory_budget) == (
        Fraction(3, 10),
        problem.exact_weights,
        0,
    )
    assert copy.cost(X) == cost
    assert copy.symmetry == problem.symmetry
    with pytest.raises(ValueError, match="read-only"):
        copy.weights[0] = 1.0


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (
            UFMProblem(class_sizes=(2, 2), dim=3, tau=1),
            "UFMProblem(class_sizes=(2, 2), dim=3, tau=1.0, loss='cross-entropy')",
        ),
        (
            UFMProblem(class_sizes=(1, 2), dim=3, tau="1/3", weights=[1, 2, 3]),
            "UFMProblem(class_sizes=(1, 2), dim=3, tau=1/3, weights=<3 values>, loss='cross-entropy')",
        ),
        (
            UFMProblem(class_sizes=(5,) * 1000, dim=512, tau=0.1),
            "UFMProblem(classes=1000, samples=5000, dim=512, tau=0.1, loss='cross-entropy')",
        ),
    ],
)
def test_problems_print_their_sizes_and_no_arrays(problem, text):
    assert repr(problem) == text
