"""Sweeps: grids, resuming after a kill, failures, one writer."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from sphereufm.errors import InvalidInputError, OutputError, UnreadableFileError
from sphereufm.plots.saving import save_figure
from sphereufm.plots.sweeps import phase_diagram_figure
from sphereufm.sweeps import Cell, SweepFolder, SweepGrid, read_grid, run_sweep
from sphereufm.sweeps.grid import distinct_cells
from sphereufm.sweeps.run import SweepSettings

GRID = SweepGrid(classes="2,3", per_class="1", dim="2..K", tau="1,12")
QUICK = SweepSettings(starts=8, proofs=False)


def contents(folder):
    """All cells without what depends on the clock."""
    cells = {p.name: json.loads(p.read_text()) for p in sorted((folder / "cells").glob("*.json"))}
    for cell in cells.values():
        cell.pop("seconds", None)
    return cells


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, run_sweep(GRID, folder, QUICK)


def test_dimensions_follow_the_classes():
    assert [(c.classes, c.dim) for c in GRID.cells()][::2] == [(2, 2), (3, 2), (3, 3)]


def test_ranges_of_temperatures_are_short_decimals():
    grid = SweepGrid(classes="2", per_class="1", dim="3", tau="0.1:50:log:3")
    assert [c.tau for c in grid.cells()] == ["0.1", "2.23607", "50"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("classes", "1"),
        ("classes", "K"),
        ("per_class", "0"),
        ("per_class", "x"),
        ("dim", "5..2"),
        ("dim", "K-9"),
        ("tau", "-1"),
        ("tau", "0.1:5:cubic:3"),
        ("tau", "nan"),
        ("tau", "0"),
        ("tau", "1/0"),
        ("tau", "1.5/2"),
        ("tau", "1e309"),
        ("tau", "1e-400"),
        ("tau", "0:1:lin:3"),
        ("tau", "\u0663"),
        ("tau", "1:2:lin:0"),
        ("tau", "1:inf:lin:3"),
        ("tau", "1:2:log:1000000000"),
        ("classes", "2..1000000000"),
        ("classes", "9" * 5000),
        ("classes", "\u0663"),
    ],
)
def test_bad_grids_are_refused(name, words):
    given = {"classes": "2", "per_class": "1", "dim": "3", "tau": "1"} | {name: words}
    with pytest.raises(InvalidInputError, match=name):
        list(SweepGrid(**given).cells())


def test_a_grid_has_a_limit_and_each_value_of_tau_once(monkeypatch):
    grid = SweepGrid(classes="2", per_class="1", dim="2", tau="1,1.0,2/2,1e0,3")
    assert [cell.tau for cell, _ in distinct_cells([grid, replace(grid, tau="1.00,3.0")])] == ["1", "3"]
    with pytest.raises(InvalidInputError, match="exponent"):
        list(replace(grid, tau="1e999999999").cells())
    monkeypatch.setattr("sphereufm.sweeps.grid._MOST_CELLS", 8)
    with pytest.raises(InvalidInputError, match="cells"):
        list(distinct_cells([replace(grid, classes="2..4", per_class="1..3")]))


def test_a_grid_is_read_from_toml(tmp_path):
    (tmp_path / "grid.toml").write_text('classes = [2, 3]\nper_class = 1\ndim = "2..K"\ntau = [1, 12]\n')
    assert read_grid(tmp_path / "grid.toml") == (GRID,)
    (tmp_path / "bad.toml").write_text("classes = 2\n")
    with pytest.raises(InvalidInputError, match="per_class"):
        read_grid(tmp_path / "bad.toml")


BLOCKS = """
[[block]]
classes = 2
per_class = 1
dim = 3
tau = 1
effort = "minimisers"
starts = 6

[[block]]
classes = "2,3"
per_class = 1
dim = 3
tau = 1
"""


def test_blocks_choose_their_own_search(tmp_path):
    (tmp_path / "grid.toml").write_text(BLOCKS)
    index = run_sweep(read_grid(tmp_path / "grid.toml"), tmp_path / "out", QUICK)
    assert [(e["cell"]["classes"], e["effort"], e["starts"]) for e in index] == [
        (2, "minimisers", 6),
        (3, "quick", 8),
    ]
    strata = contents(tmp_path / "out")["K2-n1-d3-tau1.json"]["landscape"]["coverage"]["strata"]
    assert [(s["stratum"], s["starts"]) for s in strata] == [("descents", 6)]


def test_what_json_writes_otherwise_is_the_same_settings(tmp_path):
    grid = {"classes": "2", "per_class": "1", "dim": "2", "tau": "1"}
    loss = {"name": "cross-entropy", "offsets": ((0.0, 0.5), (0.5, 0.0))}
    settings = SweepSettings(starts=2, proofs=False, loss=loss)
    for effort in ("MINIMISERS", "minimisers"):
        index = run_sweep(SweepGrid(**grid, effort=effort, starts=2), tmp_path, settings)
        assert [line["status"] for line in index] == ["done"]


def test_a_cell_of_another_search_is_refused(tmp_path):
    grid = {"classes": "2", "per_class": "1", "dim": "3", "tau": "1"}
    run_sweep(SweepGrid(**grid, effort="minimisers", starts=4), tmp_path, QUICK)
    with pytest.raises(OutputError, match="holds K2-n1-d3-tau1 with starts=4"):
        run_sweep(SweepGrid(**grid, effort="minimisers", starts=5), tmp_path, QUICK)


@pytest.mark.parametrize(
    ("line", "word"),
    [('effort = "lazy"', "effort"), ("starts = 0", "starts"), ("temperature = 1", "temperature")],
)
def test_bad_blocks_are_refused(tmp_path, line, word):
    (tmp_path / "grid.toml").write_text(f"[[block]]\nclasses=2\nper_class=1\ndim=3\ntau=1\n{line}\n")
    with pytest.raises(InvalidInputError, match=word):
        read_grid(tmp_path / "grid.toml")


@pytest.mark.parametrize("given", ["block = 1", "block = []", "block = [1, 2]"])
def test_what_is_no_list_of_blocks_is_refused(tmp_path, given):
    (tmp_path / "grid.toml").write_text(given)
    with pytest.raises(InvalidInputError, match=r"\[\[block\]\]"):
        read_grid(tmp_path / "grid.toml")


def test_seeds_depend_on_the_cell_alone():
    seeds = [cell.seed(0) for cell in GRID.cells()]
    assert len(set(seeds)) == len(seeds)
    assert Cell(classes=2, per_class=1, dim=2, tau="1").seed(0) == seeds[0]
    assert Cell(classes=2, per_class=1, dim=2, tau="1").seed(1) != seeds[0]


def test_verdicts_of_known_cells(whole):
    lines = {(e["cell"]["classes"], e["cell"]["dim"], e["cell"]["tau"]): e for e in whole[1]}
    assert lines[3, 3, "1"]["verdict"] == "BENIGN"
    assert lines[3, 2, "12"]["verdict"] == "NOT_BENIGN"


def test_a_sweep_takes_another_loss_and_keeps_to_it(tmp_path):
    smoothed = {"name": "label-smoothing", "smoothing": "0.1"}
    grid = SweepGrid(classes="4", per_class="1", dim="4", tau="1,3", effort="minimisers", starts=2)
    index = run_sweep(grid, tmp_path, SweepSettings(proofs=False, loss=smoothed))
    assert [line["verdict"] for line in index] == ["BENIGN", "UNDECIDED"]
    with pytest.raises(OutputError, match="other loss"):
        run_sweep(grid, tmp_path, SweepSettings(proofs=False))


def test_a_finished_sweep_computes_nothing_again(whole, monkeypatch):
    before = contents(whole[0])
    monkeypatch.setattr("sphereufm.sweeps.run.verify_cell", lambda task: pytest.fail("computed again"))
    run_sweep(GRID, whole[0], QUICK)
    assert contents(whole[0]) == before


@pytest.mark.parametrize("name", ["sweep.json", "cells/K2-n1-d2-tau1.json", "cells/other.json"])
@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '{"format": 1}', "\xff"])
def test_a_damaged_file_of_a_sweep_is_named(tmp_path, name, text):
    (tmp_path / "cells").mkdir()
    (tmp_path / name).write_text(text, encoding="latin-1")
    with pytest.raises(UnreadableFileError, match=name):
        run_sweep(SweepGrid(classes=2, per_class=[1], dim=2, tau=1), tmp_path, QUICK)


@pytest.mark.parametrize("wrong", [{"effort": "no"}, {"starts": 0}, {"seed": -1}, {"loss": "hinge"}])
def test_settings_that_no_cell_can_have_are_refused(wrong):
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        SweepSettings(**wrong)


def test_two_workers_give_the_same_cells(whole, tmp_path):
    run_sweep(GRID, tmp_path, QUICK, workers=2)
    assert contents(tmp_path) == contents(whole[0])


def test_other_settings_are_refused(whole):
    with pytest.raises(OutputError, match="seed"):
        run_sweep(GRID, whole[0], SweepSettings(starts=8, proofs=False, seed=1))


def test_a_second_sweep_in_the_folder_is_refused(tmp_path):
    with SweepFolder(tmp_path).locked(), pytest.raises(OutputError, match="in use"):
        run_sweep(GRID, tmp_path, QUICK)
    run_sweep(SweepGrid(classes="2", per_class="1", dim="3", tau="1"), tmp_path, QUICK)


def test_a_failing_cell_is_recorded_and_the_sweep_goes_on(tmp_path):
    grid = SweepGrid(classes="2", per_class="1,5000", dim="3", tau="1")
    index = {line["cell"]["per_class"]: line for line in run_sweep(grid, tmp_path, QUICK)}
    assert index[1]["status"] == "done"
    assert index[5000]["status"] == "failed"
    assert "unknowns" in index[5000]["reason"]


def test_certificates_lie_beside_the_cell(tmp_path):
    grid = SweepGrid(classes="2", per_class="1", dim="3", tau="1")
    (line,) = run_sweep(grid, tmp_path, SweepSettings(starts=8))
    assert line["proved"] > 0
    names = [e["certificate"] for e in contents(tmp_path)["K2-n1-d3-tau1.json"]["landscape"]["critical"]]
    assert all((tmp_path / "cells" / "K2-n1-d3-tau1" / n).exists() for n in names if n is not None)


def test_phase_diagram_has_a_panel_for_each_number_of_classes(whole):
    titles = [axes.get_title() for axes in phase_diagram_figure(whole[1]).axes]
    assert titles == ["K = 2, n = 1", "K = 3, n = 1"]


def command(folder, *more):
    """The sweep of these tests on the command line."""
    words = ["--classes", "2,3", "--per-class", "1", "--dim", "2..K", "--tau", "1,12", "--starts", "8"]
    start = [sys.executable, "-m", "sphereufm", "sweep", *words, "--no-proofs", "--quiet"]
    return [*start, *more, "--out", str(folder)]


def killed_sweeps(folder, kills):
    """Run the sweep on two processes as a child and kill it, later each time; then let it end."""
    for i in range(kills):
        with subprocess.Popen(command(folder, "--workers", "2")) as process:
            time.sleep(1.0 + 2.0 * i / kills)
            process.kill()
    subprocess.run(command(folder, "--workers", "2"), check=True, timeout=120)


def test_a_phase_diagram_reaches_as_far_as_grids_do(tmp_path):
    # what is stored may be older than the refusals of grids
    taus = ["5e-324", "1e308", "0", "1e400", "1"]
    lines = [
        {"cell": {"classes": 2, "per_class": 1, "dim": 2, "tau": tau}, "status": "failed", "reason": ""}
        for tau in taus
    ]
    save_figure(phase_diagram_figure(lines), tmp_path / "phases.svg")


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_and_resumed_sweeps_end_with_the_same_cells(whole, tmp_path, kills):
    killed_sweeps(tmp_path, kills)
    assert contents(tmp_path) == contents(whole[0])


def kill_once_a_cell_is_there(folder, pid):
    """Kill a worker in mid-run: when the first cell has been stored."""
    deadline = time.monotonic() + 60
    while not any(folder.glob("cells/*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)


def on_a_cluster(folder, sweep):
    """Run a sweep on a local cluster of three worker processes, of which one is killed."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=":0") as cluster:
        victim = next(iter(cluster.workers.values())).process.process.pid
        killer = threading.Thread(target=kill_once_a_cell_is_there, args=(folder, victim))
        killer.start()
        sweep(cluster.scheduler_address)
        killer.join()


def test_a_cluster_gives_the_same_cells_though_a_worker_is_killed(whole, tmp_path):
    found = []
    on_a_cluster(tmp_path, lambda address: found.extend(run_sweep(GRID, tmp_path, QUICK, scheduler=address)))
    assert {line["status"] for line in found} == {"done"}
    assert contents(tmp_path) == contents(whole[0])


def test_the_command_line_uses_a_cluster(whole, tmp_path):
    def sweep(address):
        subprocess.run(command(tmp_path, "--scheduler", address), check=True, timeout=120)

    on_a_cluster(tmp_path, sweep)
    assert contents(tmp_path) == contents(whole[0])
