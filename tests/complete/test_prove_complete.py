"""Complete lists: the closed form, the search and other searches agree; what is cut away is noticed."""

import base64
import json
import time
import zlib
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from sphereufm import UFMProblem, align, find_critical_points, hessian_spectrum, prove_complete
from sphereufm.certify.checker.kernel import CheckError, Undecided
from sphereufm.certify.complete.check import check_complete_bytes
from sphereufm.certify.complete.lemmas import collapsed_are_saddles, compared, signed_sums
from sphereufm.certify.complete.reading import FORMAT, read_instance
from sphereufm.certify.complete.symmetry import symmetries
from sphereufm.certify.expressions import Cost, exp, fourth_powers
from sphereufm.complete.prove import two_class_points
from sphereufm.complete.searches import closed_neighbourhood, search_plane
from sphereufm.errors import InvalidInputError
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.progress import silent

SIGNS = [(two, one) for two in ((1, 1), (1, -1), (-1, -1)) for one in (1, -1)]


def searched_plane(problem):
    """By the search, where the closed form would do."""
    return search_plane(problem.exact_instance(), read(problem), 10_000, silent)


def read(problem):
    """The instance as the checker reads it."""
    return read_instance(problem.exact_instance().to_json())


@pytest.mark.parametrize(("sizes", "tau"), [((1, 1), 1), ((2, 1), 0.5), ((1, 1), 5)])
def test_the_search_and_the_closed_form_agree_for_two_classes(sizes, tau):
    problem = UFMProblem(class_sizes=sizes, dim=2, tau=tau)
    searched, closed = searched_plane(problem), prove_complete(problem)
    assert searched.status.name == closed.status.name == "PROVED"
    assert searched.costs == pytest.approx(closed.costs, abs=1e-12)
    assert sorted(searched.copies) == sorted(closed.copies)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_points_of_the_closed_form_are_critical_and_distinct(weights, tau, seed):
    labels = np.random.default_rng(seed).integers(0, 2, len(weights))
    labels[:2] = 0, 1
    problem = UFMProblem(
        class_sizes=np.bincount(labels), labels=labels, dim=2, tau=Fraction(tau, 4), weights=weights
    )
    points = two_class_points(read(problem))
    assert float(relative_gradient_norm(problem.at(np.array(points))).max()) < 1e-9
    result = prove_complete(problem)
    assert result.status.name == "PROVED"
    assert len(result.copies) == len(points)


def test_a_search_by_descent_finds_nothing_that_the_closed_form_lacks():
    problem = UFMProblem(class_sizes=(2, 1), dim=2, tau=0.5)
    points = prove_complete(problem).points
    search = find_critical_points(problem, problem.spheres.random_point(0, (100,)))
    for X in search.X[search.converged]:
        collapsed = np.abs(X[:, 0] - X[:, 1]).max() < 1e-4
        assert collapsed or any(align(X, Y, problem.symmetry) for Y in points)


@pytest.mark.parametrize(
    ("sizes", "tau"), [((1, 1, 1), 0.5), ((1, 1, 1), 6.0), ((2, 2, 2), 1), ((1, 1, 2), 2), ((2, 1, 1, 1), 3)]
)
def test_no_descent_ends_in_the_neighbourhood_that_a_lemma_closes(sizes, tau):
    problem, K = UFMProblem(class_sizes=sizes, dim=2, tau=tau), len(sizes)
    closed = closed_neighbourhood(read(problem))
    assert closed > 0.03
    rng = np.random.default_rng(0)
    angles = np.hstack([rng.uniform(-closed, closed, (100, K)), rng.uniform(0, 7, (100, sum(sizes)))])
    search = find_critical_points(problem, np.stack([np.cos(angles), np.sin(angles)], 1))
    for X in search.X[search.converged]:
        chords = np.linalg.norm(X[:, :K, None] - X[:, None, :K], axis=0).max()
        assert chords < 1e-5 or chords > 2 * np.sin(closed / 2)


@given(*[st.lists(st.integers(1, 30), max_size=5)] * 2)
def test_signed_sums_are_compared_as_they_are_one_by_one(a, b):
    first, second = ({sum(s, Fraction(0)) for s in product(*((x, -x) for x in side))} for side in (a, b))
    differ, shared = compared(first, second)
    apart = [abs(s - t) for s in first for t in second if s != t]
    assert differ == min(apart, default=None)
    assert shared == min((abs(s) for s in first if s in second), default=None)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 4)), min_size=2, max_size=9))
def test_signed_sums_of_equal_samples_are_those_of_all_signs(samples):
    labels, weights = [0, 1, *(y for y, _ in samples)], [3, 2, *(w for _, w in samples)]
    problem = read(UFMProblem(class_sizes=None, labels=labels, dim=2, tau=1, weights=weights))
    for k, sums in enumerate(signed_sums(problem)):
        own = [Fraction(w, sum(weights)) for y, w in zip(labels, weights, strict=True) if y == k]
        assert sums == {sum(s) for s in product(*((w, -w) for w in own))}


def test_more_points_than_memory_holds_are_not_listed(monkeypatch):
    monkeypatch.setattr("sphereufm.complete.prove._MOST_COLUMNS", 20)
    found = [prove_complete(UFMProblem(class_sizes=(1, n), dim=2, tau=1)) for n in (1, 5)]
    assert [(f.status.name, len(f.points)) for f in found] == [("PROVED", 3), ("UNDECIDED", 0)]
    assert "too many to list" in found[1].statement


@pytest.mark.parametrize("scale", [1, 10**5, 10**9, 10**200])
def test_a_statement_prints_the_digits_of_costs_that_are_known(scale):
    cost = Cost(dim=2, columns=1)
    found = prove_complete(cost.instance((cost.x(0, 0) + cost.x(1, 0) * "1/3") * scale))
    printed = found.statement.split("costs: ")[1].split(", ")
    exact = scale * np.sqrt(10) / 3
    assert [float(words) for words in printed] == pytest.approx([-exact, exact], rel=1e-6)
    assert all(len(words.split("e")[0].strip("-").replace(".", "")) <= 7 for words in printed)


@pytest.mark.parametrize("steepness", [600, 800])
def test_costs_that_overflow_warn_of_nothing_and_print_no_negative_zero(steepness):
    cost = Cost(dim=2, columns=1)
    found = prove_complete(
        cost.instance((exp(cost.x(0, 0) * steepness) + cost.x(1, 0)) * "1/100000000"), most_boxes=900
    )
    assert found.status.name == ("PROVED" if steepness < 700 else "UNDECIDED")
    assert "-0.000000" not in found.statement


def test_equal_samples_are_settled_from_the_temperature_of_a_birth_on():
    # at K = 3, n = 2 critical points are born on the collapsed family at tau = 1/2
    def closed(tau, sizes=(2, 2, 2), **more):
        return closed_neighbourhood(read(UFMProblem(class_sizes=sizes, dim=2, tau=tau, **more)))

    assert closed("1/2") == closed("1/4") == 0 < closed("51/100") < closed("1")
    assert closed("1", (1, 1, 2)) > 0
    assert closed("1", (1, 1, 1), weights=(3, 4, 5)) > 0


def test_a_neighbourhood_that_no_lemma_closes_is_part_of_the_statement(certificate):
    data = {**certificate, "method": "planar-outside"}
    closed = float.fromhex(data["closed"])
    result = check_complete_bytes(json.dumps(data).encode())
    assert (result.status, result.outside, result.saddles) == ("PROVED", closed, False)
    # as it is printed the arc is never smaller than the one that was left out
    for arc in (closed, closed * 1.0000003, 1.5123444, 1.5):
        text = check_complete_bytes(json.dumps({**data, "closed": arc.hex()}).encode()).text
        said = Fraction(text.split("no arc of ")[1].split()[0])
        assert arc <= said < arc * 1.0001
    assert status({**data, "closed": (1.6).hex()}) == "UNREADABLE"


@pytest.mark.slow
def test_what_is_next_to_the_collapsed_family_is_named_where_no_lemma_reaches():
    result = prove_complete(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=1, weights=(1, 1, 4)))
    assert (result.status.name, result.certificate is None) == ("UNDECIDED", False)
    assert "arc of 0.015625 radians" in result.region
    assert "fit into no arc of 0.015625 radians" in check_complete_bytes(result.certificate).text


@pytest.mark.parametrize("weights", [(3, 4, 5), (1, 2, 4)])
def test_collapsed_points_of_the_plane_are_saddles_unless_signed_sums_agree(weights):
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=1, weights=weights)
    assert collapsed_are_saddles(read(problem))
    rng = np.random.default_rng(0)
    for _ in range(20):
        # features whose weighted parts off w agree
        shares = rng.uniform(-1, 1) * min(weights) / np.array(weights)
        signs = rng.choice([-1, 1], 3)
        X = np.array([[1, 1, 1, *(signs * np.sqrt(1 - shares**2))], [0, 0, 0, *shares]])
        assert relative_gradient_norm(problem.at(X)) < 1e-12
        assert hessian_spectrum(problem, X).morse_index > 0
    assert not collapsed_are_saddles(read(UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=1)))
    assert not collapsed_are_saddles(read(UFMProblem(class_sizes=(3, 1, 1), dim=2, tau=1)))
    assert collapsed_are_saddles(read(UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1)))


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (UFMProblem(class_sizes=(1, 1, 1, 1), dim=4, tau=1), "leave the plane"),
        (UFMProblem(class_sizes=(9, 9, 9), dim=2, tau=1), "at most 16"),
        (UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=1, loss="focal"), "cross-entropy"),
        (UFMProblem(class_sizes=(1,) * 8, dim=2, tau=1), "K between 2 and 7"),
    ],
)
def test_what_is_out_of_reach_is_undecided_with_a_reason(problem, reason):
    result = prove_complete(problem)
    assert result.status.name == "UNDECIDED"
    assert reason in result.statement


@pytest.mark.parametrize("given", ["pair.toml", None, 3, [1, 2]])
def test_what_is_no_problem_is_refused(given):
    with pytest.raises(InvalidInputError, match="is no problem"):
        prove_complete(given)


def test_a_term_is_a_problem_too():
    cost = Cost(dim=3, columns=1)
    assert len(prove_complete(cost.x(0, 0) + 2 * cost.x(1, 0)).points) == 2


def test_a_search_that_is_stopped_says_where():
    result = prove_complete(UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=1), most_boxes=300)
    assert result.status.name == "UNDECIDED"
    assert "boxes are left" in result.region
    assert "w_1 to w_2" in result.region


@pytest.fixture(scope="module")
def certificate():
    """A certificate of a search with a tree of some hundred nodes."""
    return json.loads(searched_plane(UFMProblem(class_sizes=(1, 1), dim=2, tau=1)).certificate)


def status(data):
    """What the checker says; a file that it cannot read is not accepted either."""
    try:
        return check_complete_bytes(json.dumps(data).encode()).status
    except CheckError:
        return "UNREADABLE"


def head(method, class_sizes, **more):
    """A certificate of the plane without boxes."""
    instance = {"kind": "ufm", "classes": len(class_sizes), "dim": 2, "tau": "1", "loss": "cross-entropy"}
    data = {"format": FORMAT, "producer": {"name": "review", "version": "1"}, "method": method, **more}
    return {**data, "instance": {**instance, "class_sizes": class_sizes, "weights": None}}


def test_nothing_is_listed_before_its_number_is_known():
    start = time.process_time()
    empty = {"closed": "0x1p-30", "searches": [], "orbits": []}
    # orders of 11 classes, signed sums of 33 weights, a sum of many fractions
    assert status(head("planar", [1] + [0] * 10, **empty)) == "UNREADABLE"
    sums, fractions = head("planar", [11] * 3, **empty), head("two-classes", [1500, 1500])
    sums["instance"]["weights"] = [str(7 * k * k + 1) for k in range(33)]
    fractions["instance"]["weights"] = [f"1/{10**59 + k}" for k in range(3000)]
    assert status(sums) == status(fractions) == "UNREADABLE"
    # permutations of 15 equal samples
    with pytest.raises(Undecided):
        symmetries(read(UFMProblem(class_sizes=(15, 1), dim=2, tau=1)))
    assert time.process_time() - start < 5


@pytest.mark.parametrize("tau", ["1/1000", "700", "9" * 60])
def test_costs_of_the_closed_form_are_numbers_at_all_temperatures(tau):
    data = head("two-classes", [2, 1])
    data["instance"]["tau"] = tau
    costs = [orbit.cost for orbit in check_complete_bytes(json.dumps(data).encode()).orbits]
    t = float(Fraction(tau))
    # signs of the two samples and of the one, antipodal classifiers
    known = {sum(np.logaddexp(0, -2 * t * s) for s in (*two, one)) / 3 for two, one in SIGNS}
    assert all(min(abs(x - cost) for cost in costs) <= 1e-12 * (1 + x) for x in known)


def tree(data):
    """The tree's three lists: codes of nodes, places of cuts, zeros of leaves."""
    packed = data["searches"][0]["tree"]
    types = {"nodes": "u1", "cuts": "<u4", "inside": "<u2"}
    raw = {name: zlib.decompress(base64.b64decode(packed[name])) for name in types}
    return {name: np.frombuffer(raw[name], kind) for name, kind in types.items()}


def with_tree(data, **lists):
    """The certificate with other lists in its tree."""
    changed = json.loads(json.dumps(data))
    for name, values in lists.items():
        kind = {"nodes": "u1", "cuts": "<u4", "inside": "<u2"}[name]
        raw = np.asarray(values).astype(kind).tobytes()
        changed["searches"][0]["tree"][name] = base64.b64encode(zlib.compress(raw)).decode()
    return changed


def test_the_certificate_is_accepted_as_it_is(certificate):
    assert status(certificate) == "PROVED"


def test_the_certificate_follows_its_schema(certificate):
    schemas = Path(__file__).resolve().parents[2] / "docs/schemas"
    check = Draft202012Validator(json.loads((schemas / "complete.schema.json").read_text(encoding="utf-8")))
    check.validate(certificate)
    check.validate(json.loads(prove_complete(UFMProblem(class_sizes=(1, 1), dim=2, tau=1)).certificate))
    for key in certificate:
        assert not check.is_valid({k: v for k, v in certificate.items() if k != key})


def test_a_leaf_dropped_is_not_accepted(certificate):
    nodes = tree(certificate)["nodes"]
    leaves = np.flatnonzero(nodes < 128)
    for n in leaves[:: max(1, len(leaves) // 8)]:
        assert status(with_tree(certificate, nodes=np.delete(nodes, n))) != "PROVED"


def test_the_work_of_a_tree_and_of_zeros_is_known_before_it_is_done(certificate):
    start = time.process_time()
    whole = np.full(1 << 22, 128 + 7 * 16, dtype=np.uint8)
    many = json.loads(json.dumps(certificate))
    many["searches"][0]["zeros"] *= 10_000 // len(many["searches"][0]["zeros"])
    for changed in (with_tree(certificate, nodes=whole), many):
        result = check_complete_bytes(json.dumps(changed).encode())
        assert (result.status, "too large" in result.text) == ("UNDECIDED", True)
    assert time.process_time() - start < 10


def test_a_leaf_near_a_zero_cannot_be_called_free_of_zeros(certificate):
    lists = tree(certificate)
    near = np.flatnonzero(lists["nodes"] == 1)
    for z in range(len(certificate["searches"][0]["zeros"])):
        nodes = lists["nodes"].copy()
        nodes[near[lists["inside"] == z]] = 0
        changed = with_tree(certificate, nodes=nodes, inside=lists["inside"][lists["inside"] != z])
        assert status(changed) != "PROVED"


def test_a_subtree_pruned_is_not_accepted(certificate):
    lists = tree(certificate)
    assert status(with_tree(certificate, nodes=[0], cuts=[], inside=[])) != "PROVED"
    # drop everything below the first cut
    pruned = with_tree(certificate, nodes=[lists["nodes"][0], 0, 0], cuts=lists["cuts"][:1], inside=[])
    assert status(pruned) != "PROVED"


def test_a_cut_moved_outside_or_over_a_zero_is_not_accepted(certificate):
    cuts = tree(certificate)["cuts"]
    for place in (0, 2**32 - 1):
        assert status(with_tree(certificate, cuts=np.full_like(cuts, place))) != "PROVED"


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(-(2**10), 2**10))
def test_a_cut_moved_a_little_proves_the_same_or_nothing(certificate, which, by):
    # the tree with another cut is another proof: what is accepted states the same orbits
    cuts = tree(certificate)["cuts"].astype(np.int64)
    cuts[which % len(cuts)] += by
    data = with_tree(certificate, cuts=np.clip(cuts, 0, 2**32 - 1))
    if status(data) == "PROVED":
        expected = check_complete_bytes(json.dumps(certificate).encode())
        assert check_complete_bytes(json.dumps(data).encode()) == expected


def test_a_zero_whose_box_is_shrunk_grown_or_moved_is_not_accepted(certificate):
    for change in (lambda r: 1e-17, lambda r: min(40 * r, 3.0)):
        for z in range(len(certificate["searches"][0]["zeros"])):
            changed = json.loads(json.dumps(certificate))
            zero = changed["searches"][0]["zeros"][z]
            zero["radius"] = change(float.fromhex(zero["radius"])).hex()
            assert status(changed) != "PROVED"
    changed = json.loads(json.dumps(certificate))
    point = changed["searches"][0]["zeros"][0]["point"]
    point[0] = (float.fromhex(point[0]) + 0.6).hex()
    assert status(changed) != "PROVED"


def test_orbits_removed_joined_split_or_exchanged_are_not_accepted(certificate):
    orbits = certificate["orbits"]
    assert len(orbits) == 3
    wrong = [orbits[1:], [orbits[0] + orbits[1], *orbits[2:]], [*orbits, orbits[0]], []]
    several = next(n for n, orbit in enumerate(orbits) if len(orbit) > 1)
    wrong.append([*(o for n, o in enumerate(orbits) if n != several), *([pair] for pair in orbits[several])])
    exchanged = json.loads(json.dumps(orbits))
    a, b = several, (several + 1) % len(orbits)
    exchanged[a][0], exchanged[b][0] = exchanged[b][0], exchanged[a][0]
    wrong.append(exchanged)
    for groups in wrong:
        assert status({**certificate, "orbits": groups}) != "PROVED"


@pytest.mark.parametrize("by", [1e-12, 1e-6, 1e-3, 1e-2])
def test_costs_of_zeros_that_are_not_where_they_are_said_to_be_are_right_or_not_stated(certificate, by):
    for data in (certificate, json.loads(prove_complete(fourth_powers(3)).certificate)):
        changed = json.loads(json.dumps(data))
        for zero in (zero for search in changed["searches"] for zero in search["zeros"]):
            zero["point"] = [(float.fromhex(x) + by).hex() for x in zero["point"]]
        costs = [
            [o.cost for o in check_complete_bytes(json.dumps(d).encode()).orbits] for d in (data, changed)
        ]
        assert costs[1] == pytest.approx(costs[0], abs=2e-6) if costs[1] else by > 1e-9


def test_a_zero_exchanged_with_another_is_not_accepted(certificate):
    changed = json.loads(json.dumps(certificate))
    zeros = changed["searches"][0]["zeros"]
    zeros[0], zeros[-1] = zeros[-1], zeros[0]
    assert status(changed) != "PROVED"


def test_another_instance_or_neighbourhood_is_not_accepted(certificate):
    changes = {"tau": "3", "class_sizes": [1, 2], "dim": 4, "weights": ["1", "2"]}
    for key, value in changes.items():
        changed = {**certificate, "instance": {**certificate["instance"], key: value}}
        assert status(changed) != "PROVED", key
    assert status({**certificate, "closed": (1.5).hex()}) != "PROVED"
    assert status({**certificate, "searches": []}) != "PROVED"
    assert status({**certificate, "searches": certificate["searches"] * 2}) != "PROVED"


@settings(max_examples=25)
@given(st.sampled_from(["nodes", "cuts", "inside"]), st.integers(0, 10**6), st.integers(0, 2**32 - 1))
def test_a_number_changed_never_breaks_the_checker(certificate, name, place, value):
    values = tree(certificate)[name].copy()
    values[place % len(values)] = value % np.iinfo(values.dtype).max
    data = with_tree(certificate, **{name: values})
    # a cut that moves a little is still a proof; whatever is accepted states the same orbits
    if status(data) == "PROVED":
        result = check_complete_bytes(json.dumps(data).encode())
        assert len(result.orbits) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("tau", "orbits"), [(0.5, 11), (1, 13), (3, 17), (6, 17), (12, 19)])
def test_three_classes_are_known_completely(tau, orbits):
    result = prove_complete(UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=tau))
    assert result.status.name == "PROVED"
    assert len(result.points) == orbits


@pytest.mark.slow
def test_four_classes_in_the_plane_are_known_completely():
    result = prove_complete(UFMProblem(class_sizes=(1,) * 4, dim=2, tau=1))
    assert (result.status.name, len(result.points)) == ("PROVED", 37)


@pytest.mark.slow
@pytest.mark.parametrize(("sizes", "orbits"), [((2, 2, 2), 43), ((1, 1, 2), 42)])
def test_several_samples_a_class_are_known_completely(sizes, orbits):
    result = prove_complete(UFMProblem(class_sizes=sizes, dim=2, tau=1))
    assert (result.status.name, len(result.points)) == ("PROVED", orbits)
