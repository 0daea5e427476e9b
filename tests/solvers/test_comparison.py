"""Comparisons of solvers: what counts as reached, what is charged, profiles by hand, the command line."""

import json
import pickle
import time

import numpy as np
import pytest

from sphereufm.cli import main
from sphereufm.comparison import (
    SUITES,
    Gauge,
    Instance,
    Measurement,
    Rules,
    compare_solvers,
    data_profile,
    load_peers,
    performance_profile,
    speed_ratios,
)
from sphereufm.comparison.suites import SMALL
from sphereufm.errors import InvalidInputError, UnreadableFileError
from sphereufm.parallel import Workers
from sphereufm.plots.comparison import convergence_figure, profiles_figure
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.ufm import UFMProblem
from sphereufm.solvers import solve

THREE = Instance(name="three", make=lambda: UFMProblem(class_sizes=(2, 2, 2), dim=4, tau=1.0))
ONCE = Rules(starts=2, repeats=1, limit=5.0)


def measurement(solver, instance, seconds, *, reached=True, calls=10):
    return Measurement(
        instance=instance,
        seed=0,
        solver=solver,
        reached=reached,
        seconds=seconds,
        charged=seconds if reached else 60.0,
        relative_gradient_norm=0.0,
        cost_value=0.0,
        cost=calls,
        gradient=0,
        hessian=0,
        note="",
    )


BY_HAND = [
    measurement("x", "a", 1.0, calls=5),
    measurement("y", "a", 2.0, calls=3),
    measurement("x", "b", 4.0, calls=7),
    measurement("y", "b", 1.0, calls=9, reached=False),
]


def test_performance_profile_by_hand():
    profile = performance_profile(BY_HAND)
    assert profile["x"].tolist() == [1.0, 1.0]
    assert profile["y"].tolist() == [2.0, np.inf]


def test_data_profile_by_hand():
    profile = data_profile(BY_HAND)
    assert profile["x"].tolist() == [5.0, 7.0]
    assert profile["y"].tolist() == [3.0, np.inf]


def test_ratios_charge_failures_the_limit():
    ratio = speed_ratios(BY_HAND, "x")["y"]
    assert ratio.geometric_mean == pytest.approx(np.sqrt(2.0 * 15.0))
    assert (ratio.least, ratio.most) == (pytest.approx(2.0), pytest.approx(15.0))
    assert ratio.where_reached == pytest.approx(2.0)
    assert (ratio.instances_reached, ratio.instances) == (1, 2)


def descend(problem, start, gauge):
    """A peer that goes where our own solver goes, and shows the gauge each point."""
    gauge.begin()

    def show(progress):
        gauge.count("cost", "gradient")
        gauge.look(progress.X)

    solve(problem, start, callback=show)


def crash(problem, start, gauge):
    raise ZeroDivisionError("no luck")


def leave(problem, start, gauge):
    raise SystemExit(0)


def give_up(problem, start, gauge):
    gauge.count("gradient")
    gauge.look(start)


def dawdle(problem, start, gauge):
    while True:
        gauge.count("cost")


PEERS = {"descend": descend, "crash": crash, "leave": leave, "give-up": give_up, "dawdle": dawdle}


def test_peers_are_stopped_and_their_failures_shown():
    rules = Rules(starts=2, repeats=1, limit=0.3)
    comparison = compare_solvers([THREE], ["lbfgs", *PEERS], peers=PEERS, rules=rules)
    first = {m.solver: m for m in comparison.measurements if m.seed == 0}
    assert comparison.complete
    assert first["descend"].reached
    assert first["descend"].relative_gradient_norm <= rules.tolerance
    assert first["crash"].note == "ZeroDivisionError: no luck"
    assert (first["give-up"].note, first["give-up"].gradient) == ("returned", 1)
    assert first["dawdle"].note == "time limit"
    assert first["leave"].note == "SystemExit: 0"
    for name in ("crash", "leave", "give-up", "dawdle"):
        assert not first[name].reached
        assert first[name].charged == rules.limit
    second = next(m for m in comparison.measurements if m.solver == "dawdle" and m.seed == 1)
    assert (second.reached, second.cost, second.note[:9]) == (False, 0, "not tried")


def test_the_gauge_measures_points_off_the_spheres_on_them():
    problem = THREE.make()
    X = problem.spheres.random_point(0)
    for length in (3.0, 1e-200, 1e200, 1e308):
        gauge = Gauge(problem, 1e-9, 60.0)
        gauge.look(length * X)
        assert gauge.best == pytest.approx(float(relative_gradient_norm(problem.at(X))), rel=1e-12)
        assert not gauge.reached
    with np.errstate(all="ignore"):
        for bad in (0.0, np.nan, np.inf):
            gauge = Gauge(problem, 1e-9, 60.0)
            gauge.look(np.where(np.arange(X.shape[1]) == 1, bad, X))
            assert gauge.best == np.inf


@pytest.mark.parametrize(("seconds", "note"), [(0.25, "reached"), (7.0, "reached")])
def test_runs_of_another_process_are_measured_here(seconds, note):
    def elsewhere(problem, start, gauge):
        X = solve(problem, start).X
        gauge.take_over(X, seconds, {"cost": 3, "gradient": 2, "hessian": 1})

    def lies(problem, start, gauge):
        gauge.take_over(start, seconds, {"cost": 1, "gradient": 1, "hessian": 0})

    peers = {"elsewhere": elsewhere, "lies": lies}
    rules = Rules(starts=1, repeats=1, limit=5.0)
    honest, liar = compare_solvers([THREE], list(peers), peers=peers, rules=rules).measurements
    assert (honest.reached, honest.seconds, honest.calls, honest.note) == (True, seconds, 6, note)
    assert not liar.reached
    assert liar.charged == rules.limit
    assert liar.note == ("time limit" if seconds > rules.limit else "returned")


def test_processor_time_does_not_count_sleep():
    def sleep(problem, start, gauge):
        gauge.begin()
        time.sleep(0.2)

    runs = {}
    for clock in ("wall", "cpu"):
        rules = Rules(starts=1, repeats=1, clock=clock)
        runs[clock] = compare_solvers([THREE], ["sleep", "lbfgs"], peers={"sleep": sleep}, rules=rules)
    wall, cpu = (runs[clock].measurements[0].seconds for clock in ("wall", "cpu"))
    assert cpu < 0.1 < wall
    assert all(run.measurements[1].reached for run in runs.values())
    with pytest.raises(InvalidInputError, match="clock"):
        Rules(clock="sundial")


def test_every_solver_gets_the_same_start():
    starts = []

    def note(problem, start, gauge):
        starts.append(start)

    compare_solvers([THREE], ["a", "b"], peers={"a": note, "b": note}, rules=ONCE)
    assert np.array_equal(starts[0], starts[1])
    assert np.array_equal(starts[2], starts[3])
    assert not np.array_equal(starts[0], starts[2])


def test_workers_can_be_told_of_every_suite():
    for instance in (each for suite in SUITES.values() for each in suite):
        assert pickle.loads(pickle.dumps(instance)).name == instance.name


def test_measurements_do_not_depend_on_the_number_of_workers():
    def counted(workers):
        with Workers(workers) as busy:
            found = compare_solvers(SMALL[:1], ["lbfgs", "newton"], rules=rules, workers=busy)
        return [(m.solver, m.seed, m.calls, m.cost_value) for m in found.measurements]

    rules = Rules(starts=2, repeats=1)
    assert counted(2) == counted(1)


def test_calls_and_costs_are_those_of_the_solver():
    comparison = compare_solvers([THREE], ["trust-region"], rules=ONCE)
    for m in comparison.measurements:
        problem = THREE.make()
        result = solve(problem, problem.spheres.random_point(m.seed), solver=m.solver)
        assert m.cost_value == pytest.approx(result.cost, rel=2e-13)
        assert m.calls == result.calls.total


def test_an_interrupt_keeps_what_was_measured():
    def interrupt(comparison):
        if len(comparison.measurements) == 2:
            raise KeyboardInterrupt

    comparison = compare_solvers([THREE], ["lbfgs"], rules=Rules(starts=5, repeats=1), callback=interrupt)
    assert not comparison.complete
    assert len(comparison.measurements) == 2
    assert json.loads(json.dumps(comparison.to_json(), allow_nan=False))["complete"] is False


def test_an_interrupt_within_a_run_ends_the_comparison(monkeypatch):
    def interrupt(progress):
        raise KeyboardInterrupt

    def interrupted(*start, solver, **how):
        stop = {"callback": interrupt} if solver == "trust-region" else {}
        return solve(*start, solver=solver, **how | stop)

    monkeypatch.setattr("sphereufm.comparison.measure.solve", interrupted)
    comparison = compare_solvers([THREE], ["lbfgs", "trust-region", "newton"], rules=ONCE)
    assert not comparison.complete
    assert [m.solver for m in comparison.measurements] == ["lbfgs"]


def test_figures_draw_every_solver():
    comparison = compare_solvers(
        [THREE], ["lbfgs", "trust-region", "crash"], peers=PEERS, rules=ONCE, curves=True
    )
    left, right = profiles_figure(comparison).axes
    assert len(left.lines) == len(right.lines) == 3
    ends = {line.get_label(): line.get_ydata()[-1] for line in left.lines}
    assert ends == {"lbfgs": 1.0, "trust-region": 1.0, "crash": 0.0}
    drawn = {line.get_label() for line in convergence_figure(comparison).axes[0].lines}
    assert {"lbfgs", "trust-region"} <= drawn
    assert "crash" not in drawn


def test_figures_where_nobody_succeeds():
    comparison = compare_solvers([THREE], ["crash"], peers=PEERS, rules=ONCE, curves=True)
    assert profiles_figure(comparison).axes[0].lines[0].get_ydata()[-1] == 0.0


@pytest.mark.parametrize(
    ("solvers", "message"),
    [([], "empty"), (["nobody"], "unknown"), (["lbfgs", "lbfgs"], "twice")],
)
def test_bad_names(solvers, message):
    with pytest.raises(InvalidInputError, match=message):
        compare_solvers([THREE], solvers)


def test_files_of_peers(tmp_path):
    path = tmp_path / "peers.py"
    with pytest.raises(UnreadableFileError, match="no such file"):
        load_peers(path)
    asked = "PEERS = {'a': print}\ndef available_peers():\n    "
    ends = (
        "raise SystemError",
        "raise SystemExit(0)",
        f"{asked}return 3",
        f"{asked}exit()",
        f"{asked}return ['A']",
    )
    for text in ("1 / 0", "PEERS = 3", "PEERS = {1: print}", "x = 1", *ends):
        path.write_text(text)
        with pytest.raises(InvalidInputError, match=r"peers\.py"):
            load_peers(path)
    path.write_text("PEERS = {'a': print, 'b': print}\ndef available_peers():\n    return ['b']\n")
    assert load_peers(path) == {"b": print}


def run(*words):
    with pytest.raises(SystemExit) as ended:
        main(["compare", *words])
    return ended.value.code


def test_command_line_writes_json_and_figures(tmp_path, capsys):
    words = (
        "--classes",
        "3",
        "--per-class",
        "1",
        "--dim",
        "4",
        "--tau",
        "1",
        "--repeats",
        "1",
        "--starts",
        "2",
    )
    assert (
        run(*words, "--solvers", "lbfgs,trust-region", "--seed", "7", "--out", str(tmp_path), "--json") == 0
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "comparison.json").read_text())
    assert [m["seed"] for m in printed["measurements"]] == [7, 7, 8, 8]
    assert printed["machine"]["packages"]["numpy"] == np.__version__
    assert {p.name for p in tmp_path.iterdir()} == {
        "comparison.json",
        "convergence.png",
        "profiles.png",
        "report.html",
    }
    assert run(*words, "--out", str(tmp_path)) == 2


def test_command_line_says_when_the_first_solver_fails(tmp_path, capsys):
    path = tmp_path / "peers.py"
    path.write_text("def idle(problem, start, gauge):\n    gauge.begin()\nPEERS = {'idle': idle}\n")
    words = ("--suite", "small", "--starts", "1", "--repeats", "1", "--peers", str(path))
    assert run(*words, "--solvers", "idle,lbfgs") == 3
    assert "0 of 4" in capsys.readouterr().out
    assert run(*words, "--solvers", "lbfgs,idle") == 0


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--classes", "3", "--per-class", "1", "--dim", "4"),
        ("--suite", "small", "--classes", "3"),
        ("--suite", "enormous"),
        ("--suite", "small", "--solvers", "nobody"),
        ("--suite", "small", "--solvers", ""),
        ("--suite", "small", "--time-limit", "0"),
        ("--suite", "small", "--tolerance", "-1"),
        ("--suite", "small", "--starts", "0"),
        ("--suite", "small", "--peers", "no-such-file.py"),
    ],
)
def test_command_line_refuses_bad_input(words, capsys):
    assert run(*words) == 2
    assert capsys.readouterr().err


def test_suites_have_names_of_their_own():
    names = [instance.name for suite in ("standard", "large", "others") for instance in SUITES[suite]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("clock", "reached"), [("cpu", True), ("wall", False)])
def test_our_solvers_are_stopped_by_the_clock_that_is_charged(clock, reached):
    """Each evaluation sleeps: the limit in wall time is over at once, hardly any processor time is used."""

    class Sleepy(UFMProblem):
        def at(self, X):
            time.sleep(0.05)
            return super().at(X)

    instance = Instance(name="sleepy", make=lambda: Sleepy(class_sizes=(2, 2, 2), dim=4, tau=1.0))
    rules = Rules(starts=1, repeats=1, limit=0.4, clock=clock)
    (only,) = compare_solvers([instance], ["lbfgs"], rules=rules).measurements
    assert only.reached == reached
