"""The main job on instances whose answers are known."""

import json
import math
from functools import partial
from itertools import product

import numpy as np
import pytest

from sphereufm.descents.connect import connect_landscape
from sphereufm.errors import InvalidInputError, UnreadableFileError
from sphereufm.landscape.orbits.collection import Collection
from sphereufm.landscape.plan import plan_landscape
from sphereufm.landscape.points import CriticalFamily, CriticalPointKind, LandscapeVerdict, Status, embed
from sphereufm.landscape.proofs import prove_landscape
from sphereufm.landscape.report.landscape_report import load_report
from sphereufm.landscape.report.summary import summarise
from sphereufm.landscape.search.effort import Effort
from sphereufm.landscape.verify import verify_landscape
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.ufm import UFMProblem

KIND = CriticalPointKind


@pytest.fixture(scope="module")
def benign():
    return verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=1))


@pytest.fixture(scope="module")
def two_classes():
    return verify_landscape(UFMProblem(class_sizes=(2, 2), dim=3, tau=1))


def isolated(report):
    return [entry for entry in report.critical if not isinstance(entry, CriticalFamily)]


def test_verdict_rests_on_the_theorem(benign):
    assert (benign.verdict, benign.basis) == (LandscapeVerdict.BENIGN, "theorem")
    assert {entry.kind for entry in benign.critical} == {KIND.GLOBAL_MINIMUM, KIND.STRICT_SADDLE}


def test_collapsed_family_is_one_entry(benign):
    families = [entry for entry in benign.critical if isinstance(entry, CriticalFamily)]
    assert [f.name for f in families] == ["collapsed-classifiers"]
    assert families[0].cost == pytest.approx(math.log(3), rel=1e-12)
    assert families[0].kind is KIND.STRICT_SADDLE
    assert families[0].rank[0] == 1


def test_rows_are_critical_sorted_and_distinct(benign):
    costs = [entry.cost for entry in benign.critical]
    assert costs == sorted(costs)
    problem = benign.problem
    for entry in isolated(benign):
        X = embed(entry.X, problem.dim)
        assert float(relative_gradient_norm(problem.at(X))) <= 1e-11
        assert float(problem.cost(X)) == pytest.approx(entry.cost, rel=1e-12)
    assert len({round(cost, 6) for cost in costs}) == len(costs)


def test_all_ten_rank_one_orbits_are_there(benign):
    assert benign.rank_one.orbits == 10
    family = next(entry for entry in benign.critical if isinstance(entry, CriticalFamily))
    in_family = sum(member.rank == 1 and member.X.shape[0] == 1 for member in family.members)
    assert sum(entry.rank == 1 for entry in isolated(benign)) + min(in_family, 4) >= 10


def test_another_seed_finds_the_same_orbits(benign):
    other = verify_landscape(benign.problem, rng=7)
    mine = [(round(e.cost, 9), e.kind) for e in benign.critical]
    assert mine == [(round(e.cost, 9), e.kind) for e in other.critical]


def critical_orbits(report):
    """What identifies the orbits of a report, families as one."""
    numbers = [(e.rank, e.morse_index, e.nullity) for e in isolated(report)]
    return sorted(zip((round(e.cost, 9) for e in isolated(report)), numbers, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("K", "count"), [(3, 14), (4, 45)])
def test_five_seeds_find_the_same_orbits(K, count):
    problem = UFMProblem(class_sizes=(1,) * K, dim=K + 1, tau=1)
    reports = [verify_landscape(problem, rng=seed) for seed in range(5)]
    assert all(len(report.critical) == count for report in reports)
    assert all(critical_orbits(report) == critical_orbits(reports[0]) for report in reports)


@pytest.mark.slow
@pytest.mark.parametrize("K", [3, 4])
def test_ten_times_more_starts_find_nothing_new(K):
    problem = UFMProblem(class_sizes=(1,) * K, dim=K + 1, tau=1)
    usual = verify_landscape(problem, rng=11)
    starts = 10 * max(c.starts for c in usual.coverage.values())
    # the points of the usual search are starts of the large one: it cannot miss what they are
    points = [entry.X for entry in isolated(usual)]
    large = verify_landscape(problem, rng=12, starts=starts, initial_points=points)
    assert critical_orbits(large) == critical_orbits(usual)


def test_same_seed_same_report(benign):
    again = verify_landscape(benign.problem)
    assert json.dumps(again.to_json()) == json.dumps(benign.to_json())


@pytest.mark.parametrize("dim", [3, 4, 5])
def test_golden_values_of_two_classes_in_every_dimension(dim):
    report = verify_landscape(UFMProblem(class_sizes=(2, 2), dim=dim, tau=1))
    golden = [0.126928, 0.562335, 0.626928, 0.693147, 1.126928, 1.626928, 2.126928]
    values = np.unique(np.round([entry.cost for entry in report.critical], 9))
    np.testing.assert_allclose(values, golden, atol=1e-6)


def test_isotropy_and_copies_multiply_to_the_order_of_the_group(two_classes):
    order = two_classes.problem.symmetry.permutations.order
    assert order == 8
    for entry in isolated(two_classes):
        assert entry.isotropy_order * entry.permutation_copies == order
    # the minimiser is fixed by every permutation up to a rotation; one wrong sample can be any of four
    assert two_classes.critical[0].permutation_copies == 1
    wrong = next(entry for entry in two_classes.critical if abs(entry.cost - 0.626928) < 1e-6)
    assert wrong.permutation_copies == 4


def test_two_wrong_samples_are_two_classes_of_one_value(two_classes):
    """Both in one class, or one in each: equal costs, and no permutation relates them."""
    twins = [entry for entry in isolated(two_classes) if abs(entry.cost - 1.126928) < 1e-6]
    wrong = []
    for entry in twins:
        W, H = entry.X[:, :2], entry.X[:, 2:]
        opposite = (W[:, [0, 0, 1, 1]] * H).sum(axis=0) < 0.0
        wrong.append(sorted((int(opposite[:2].sum()), int(opposite[2:].sum()))))
    assert sorted(wrong) == [[0, 2], [1, 1]]


def quick(sizes, dim, tau):
    return verify_landscape(UFMProblem(class_sizes=sizes, dim=dim, tau=tau), effort=Effort.QUICK)


@pytest.fixture(scope="module")
def three_in_the_plane():
    return quick((1, 1, 1), 2, 12)


@pytest.fixture(scope="module")
def six_classes():
    return quick((1,) * 6, 4, 1)


@pytest.mark.parametrize(
    ("known", "spurious", "lower"),
    [("three_in_the_plane", 0.456902, 3.045996e-08), ("six_classes", 0.937285, 0.936054)],
)
def test_spurious_local_minimisers_are_found_with_a_lower_point(known, spurious, lower, request):
    report = request.getfixturevalue(known)
    assert (report.verdict, report.basis) == (LandscapeVerdict.NOT_BENIGN, "counterexample")
    named = [entry.cost for entry in report.critical if entry.kind is KIND.SPURIOUS_LOCAL_MINIMUM]
    assert any(abs(cost - spurious) < 1e-6 for cost in named)
    assert report.critical[0].cost == pytest.approx(lower, rel=1e-6)


def test_lowest_known_point_without_a_bound_is_not_called_global(six_classes):
    assert six_classes.critical[0].kind is KIND.LOCAL_MINIMUM


def test_degenerate_collapsed_point_in_the_plane():
    report = verify_landscape(UFMProblem(class_sizes=(2, 2), dim=2, tau=5))
    assert (report.verdict, report.basis) == (LandscapeVerdict.NOT_BENIGN, "counterexample")
    family = next(entry for entry in report.critical if isinstance(entry, CriticalFamily))
    assert family.kind is KIND.DEGENERATE


def test_a_search_alone_decides_nothing():
    """d = K - 1 with few samples: open, and nothing was found."""
    report = verify_landscape(UFMProblem(class_sizes=(1,) * 4, dim=3, tau="1.5"), starts=60)
    assert (report.verdict, report.basis) == (LandscapeVerdict.UNDECIDED, None)
    assert any("proves nothing" in note for note in report.notes)


def test_identical_samples_counterexample_is_never_benign():
    report = verify_landscape(UFMProblem(class_sizes=(114,) * 4, dim=3, tau="3.6"), starts=2)
    assert report.verdict is LandscapeVerdict.NOT_BENIGN
    spurious = [entry for entry in report.critical if entry.kind is KIND.SPURIOUS_LOCAL_MINIMUM]
    assert spurious[0].cost == pytest.approx(0.0371212, abs=1e-7)
    assert spurious[0].min_eigenvalue == pytest.approx(2.534e-4, rel=1e-3)


@pytest.fixture(scope="module")
def four_classes():
    return verify_landscape(UFMProblem(class_sizes=(1,) * 4, dim=5, tau=1))


def test_near_coincident_orbits_stay_apart(four_classes):
    near = [entry.cost for entry in four_classes.critical if 2.1121 < entry.cost < 2.1123]
    np.testing.assert_allclose(near, [2.112182, 2.112199], atol=1e-6)


@pytest.mark.parametrize("sizes", [(1, 1), (1, 1, 1), (2, 1)])
def test_one_dimension_is_a_finite_set_of_which_every_orbit_is_listed_and_proved(sizes):
    problem = UFMProblem(class_sizes=sizes, dim=1, tau=1)
    report = verify_landscape(problem, prove=True)
    assert report.verdict is LandscapeVerdict.FINITE
    assert len(report.critical) == report.rank_one.orbits == report.rank_one.listed
    every_sign = [np.array([signs], dtype=float) for signs in product((-1, 1), repeat=problem.shape[1])]
    costs = {round(float(problem.cost(X)), 9) for X in every_sign}
    assert {round(entry.cost, 9) for entry in report.critical} == costs
    assert sum(entry.permutation_copies for entry in report.critical) == len(every_sign) / 2
    assert {entry.status for entry in report.critical} == {Status.PROVED}
    assert {entry.sentence for entry in report.critical} <= {"critical point of rank one", "global minimiser"}
    summary = summarise(report)
    facts = " ".join(summary.facts)
    assert "exact and complete" in facts
    assert summary.verdict_line.startswith(
        "FINITE: the list is exact and complete, and row 1 has the least cost"
    )
    assert "UNDECIDED" not in str(report)
    assert "lower bound" not in facts
    assert "search" not in facts
    assert dict(report.coverage) == {}


def test_descents_alone_find_the_minimisers_and_no_more():
    problem = UFMProblem(class_sizes=(1, 1, 1, 1, 1, 1), dim=4, tau=1)
    report = verify_landscape(problem, effort=Effort.MINIMISERS, starts=40)
    assert [(e.cost, e.rank) for e in report.critical if e.hits] == [
        (pytest.approx(0.936054, abs=1e-6), 4),
        (pytest.approx(0.937285, abs=1e-6), 4),
    ]
    assert list(report.coverage) == ["descents"]
    assert report.coverage["descents"].converged == sum(e.hits for e in report.critical) == 40
    assert report.rank_one.orbits > 0
    assert report.rank_one.listed == 0
    assert min(e.rank for e in report.critical if not isinstance(e, CriticalFamily)) > 1


def test_unbalanced_weighted_and_empty_classes():
    for problem in (
        UFMProblem(class_sizes=(3, 0, 1), dim=3, tau=2),
        UFMProblem(class_sizes=(2, 1), dim=3, tau=1, weights=["0.5", "1/3", 2]),
    ):
        report = verify_landscape(problem, starts=24)
        assert report.verdict is LandscapeVerdict.BENIGN
        assert report.critical[0].kind is KIND.GLOBAL_MINIMUM


def test_report_survives_a_round_trip(benign, tmp_path):
    path = tmp_path / "landscape.json"
    benign.save(path)
    back = load_report(path)
    assert back.to_json() == benign.to_json()
    starts = [entry.X for entry in isolated(back)]
    again = verify_landscape(back.problem, starts=3, initial_points=starts)
    assert len(again.critical) == len(benign.critical)


def test_damaged_reports_are_refused(benign, tmp_path):
    path = tmp_path / "landscape.json"
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        load_report(path)
    for text in ("{", "[]", '{"format": "other"}', '{"format": "sphereufm-landscape/1"}'):
        path.write_text(text)
        with pytest.raises(UnreadableFileError):
            load_report(path)


def test_bad_starts_and_too_large_problems_are_refused():
    with pytest.raises(InvalidInputError, match="starts=0"):
        verify_landscape(UFMProblem(class_sizes=(1, 1), dim=2, tau=1), starts=0)
    with pytest.raises(
        InvalidInputError, match=r"effort='hard' must be one of minimisers, quick, standard, thorough"
    ):
        verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1), effort="hard")
    with pytest.raises(InvalidInputError, match="unknowns"):
        verify_landscape(UFMProblem(class_sizes=(5000, 5000), dim=3, tau=1))


def test_interruption_keeps_what_was_found_and_says_what_was_cut():
    def stop(stage, done, total, detail):
        if stage == "rank 2":
            raise KeyboardInterrupt

    report = verify_landscape(UFMProblem(class_sizes=(2, 2), dim=3, tau=1), progress=stop)
    assert not report.complete
    assert len({round(entry.cost, 6) for entry in report.critical}) >= 6
    assert "interrupted: not searched, or not to the end: rank 2, rank 3" in report.notes


@pytest.mark.parametrize(("seconds", "again", "proved"), [(1e9, None, 8), (1e9, 3, 3), (0.0, None, 0)])
def test_what_an_interrupted_search_found_is_proved_for_a_moment(monkeypatch, seconds, again, proved):
    """The moment, or a second interruption, ends the proofs."""

    def stop(stage, done, total, detail):
        heard.append((stage, detail))
        if stage == "rank 2" or sum(said == "prove" for said, _ in heard) - 1 == again:
            raise KeyboardInterrupt

    heard = []
    monkeypatch.setattr("sphereufm.landscape.verify._LAST_PROOFS", seconds)
    report = verify_landscape(UFMProblem(class_sizes=(2, 2), dim=3, tau=1), prove=True, progress=stop)
    assert not report.complete
    assert (report.proofs.proved, len(report.critical)) == (proved, 8)
    assert {detail for stage, detail in heard if stage == "prove"} == {
        "interrupted: a few seconds of proofs; Ctrl-C again ends them"
    }
    assert any(note.startswith(f"interrupted: proofs of {proved} of 8") for note in report.notes) == (
        proved < 8
    )
    left = {entry.reason for entry in report.critical if entry.status is not Status.PROVED}
    assert left == ({"interrupted before its proof"} if proved < 8 else set())


def test_a_time_limit_keeps_what_was_found_and_says_what_was_cut():
    """The limit is over before the first batch is: points of rank one and constructed ones are there all the same."""
    report = verify_landscape(UFMProblem(class_sizes=(2, 2), dim=3, tau=1), time_limit=1e-9)
    assert not report.complete
    assert min(entry.cost for entry in report.critical) == pytest.approx(0.126928, abs=1e-6)
    assert any(note.startswith("the time limit was reached: not searched") for note in report.notes)
    proved = prove_landscape(report, time_limit=1e-9)
    assert proved.proofs.proved == 0
    assert {entry.reason for entry in proved.critical} == {"the time limit was reached before its proof"}


def test_the_search_leaves_time_to_classify_what_it_found(monkeypatch):
    monkeypatch.setattr(Collection, "seconds_to_classify", lambda self: 1e9 if self.entries > 4 else 0.0)
    report = verify_landscape(UFMProblem(class_sizes=(2, 2), dim=3, tau=1), time_limit=1e6)
    assert any(note.startswith("the time limit was reached") for note in report.notes)
    assert len(report.critical) > 4


def test_what_a_verdict_may_rest_on_is_proved_first():
    heard = []

    def stop(stage, done, total, detail):
        heard.append(stage)
        if stage == "prove" and heard.count(stage) > 3:
            raise KeyboardInterrupt

    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=12)
    report = verify_landscape(problem, effort="quick", prove=True, progress=stop)
    proved = [entry.kind for entry in report.critical if entry.status is Status.PROVED]
    assert {KIND.GLOBAL_MINIMUM, KIND.SPURIOUS_LOCAL_MINIMUM} <= set(proved)
    assert KIND.STRICT_SADDLE not in proved
    assert (report.verdict.name, report.proofs.basis_status) == ("NOT_BENIGN", "PROVED")


@pytest.mark.parametrize("effort", ["quick", "standard"])
def test_progress_is_one_whole_that_only_grows_and_tells_what_was_found(effort):
    heard = []
    problem = UFMProblem(class_sizes=(2, 2), dim=3, tau=1)
    report = verify_landscape(problem, effort=effort, progress=lambda *report: heard.append(report))
    done = [done for _, done, _, _ in heard]
    assert done == sorted(done)
    assert {total for _, _, total, _ in heard} == {1000}
    assert done[-1] == 1000
    assert {stage for stage, *_ in heard} >= {"rank 2", "rank 3", "classify"}
    bounds = [c.unseen_bound for c in report.coverage.values()]
    assert all(any(f"below {bound:.0%}" in detail for *_, detail in heard) for bound in bounds)
    assert any(f"{len(report.critical)} found" in detail for *_, detail in heard)


def test_the_plan_names_what_is_searched_and_no_more_starts_are_made():
    problem = UFMProblem(class_sizes=(1,) * 4, dim=2, tau=1)
    plan = plan_landscape(problem, effort="quick")
    report = verify_landscape(problem, effort="quick")
    assert plan.strata == tuple(report.coverage)
    assert sum(c.starts for c in report.coverage.values()) <= plan.starts
    assert list(plan.seconds) == ["quick", "standard", "thorough"]
    assert all(0 < least < most for least, most in plan.seconds.values())
    assert "standard" in str(plan)
    whole = plan_landscape(problem, probe=False)
    assert len(whole.strata) > len(plan.strata)
    assert whole.seconds == {}
    exact = plan_landscape(problem, starts=7, probe=False)
    assert exact.starts == 7 * len(exact.strata)


@pytest.mark.parametrize("seed", [np.int64(3), np.uint8(3), 3.0])
def test_whole_numbers_of_any_type_are_one_seed(seed):
    problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0)
    assert verify_landscape(problem, starts=4, rng=seed).to_json() == (
        verify_landscape(problem, starts=4, rng=3).to_json()
    )


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), float("inf"), "soon"])
def test_a_time_limit_is_a_positive_number_everywhere(limit):
    problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0)
    report = verify_landscape(problem, starts=1)
    for run in (
        partial(verify_landscape, problem),
        *(partial(f, report) for f in (prove_landscape, connect_landscape)),
    ):
        with pytest.raises(InvalidInputError, match="time_limit"):
            run(time_limit=limit)


@pytest.mark.parametrize("prove", [0, None, "", np.False_, 1.0])
def test_certificates_are_asked_for_by_a_word_or_a_folder(prove):
    with pytest.raises(InvalidInputError, match="prove="):
        verify_landscape(UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0), starts=1, prove=prove)


def test_what_is_too_large_to_search_has_no_plan():
    problem = UFMProblem(class_sizes=(5000, 1), dim=3, tau=1.0)
    for run in (plan_landscape, verify_landscape):
        with pytest.raises(InvalidInputError, match="at most 4000"):
            run(problem)


def test_indices_grow_linearly_up_to_the_widest_features():
    """Every dimension more repeats the normal Hessian; no array of shape ``(d, d)`` is made."""

    def indices(d):
        report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=d, tau=1.0), starts=4)
        return np.array([np.ravel(entry.morse_index) for entry in report.critical if entry.rank == 1])

    few, more, wide = (indices(d) for d in (4, 5, 60_000))
    np.testing.assert_array_equal(wide, few + (more - few) * (60_000 - 4))
