"""Rounds over workers, and strata with equal samples merged."""

import os
import signal

import numpy as np
import pytest

from sphereufm.landscape.points import CriticalFamily, embed
from sphereufm.landscape.proofs import prove_landscape
from sphereufm.landscape.search.effort import Effort
from sphereufm.landscape.verify import verify_landscape
from sphereufm.parallel import Workers
from sphereufm.problem.equal_samples import merged_at_random
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.ufm import UFMProblem


def test_the_report_does_not_depend_on_the_number_of_workers():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=2)
    alone = verify_landscape(problem, starts=20, rng=5).to_json()
    with Workers(2) as workers:
        assert verify_landscape(problem, starts=20, rng=5, workers=workers).to_json() == alone


def test_equal_samples_are_searched_merged_and_coverage_says_so():
    problem = UFMProblem(class_sizes=(12, 12), dim=2, tau=3)
    report = verify_landscape(problem)
    assert "rank 2, merged" in report.coverage
    # the plain stratum has had one batch, which showed that features coincide
    assert report.coverage["rank 2"].starts <= 256
    isolated = [entry for entry in report.critical if not isinstance(entry, CriticalFamily)]
    assert len(isolated) > 20
    for entry in isolated:
        assert float(relative_gradient_norm(problem.at(embed(entry.X, 2)))) <= 1e-9


def test_a_number_of_starts_is_kept_to_and_nothing_merged():
    report = verify_landscape(UFMProblem(class_sizes=(12, 12), dim=2, tau=3), starts=8)
    assert {name: found.starts for name, found in report.coverage.items()} == {"rank 2": 8}


@pytest.mark.parametrize("seed", range(5))
def test_merged_problems_have_the_cost_and_the_gradient_of_the_whole(seed):
    rng = np.random.default_rng(seed)
    problem = UFMProblem(class_sizes=(7, 0, 4), dim=3, tau=2)
    space = merged_at_random(problem, rng, 3)
    Y = space.problem.spheres.random_point(rng, (2,))
    X = space.expand(Y)
    np.testing.assert_allclose(space.problem.at(Y).cost, problem.at(X).cost, rtol=1e-13)
    parts = problem.at(X).gradient
    whole = space.problem.at(Y).gradient
    np.testing.assert_allclose(parts[..., :3], whole[..., :3], atol=1e-13)
    for group in range(space.problem.samples):
        members = 3 + np.flatnonzero(space.group == group)
        np.testing.assert_allclose(parts[..., members].sum(axis=-1), whole[..., 3 + group], atol=1e-13)


def test_efforts_are_named_on_the_command_line_as_here():
    assert [Effort.named(effort.name.lower()) for effort in Effort] == list(Effort)


def test_a_killed_worker_of_a_cluster_loses_nothing():
    """Batches, neighbours, orbits and proofs are tasks of a Dask cluster, whose scheduler gives them to another."""
    distributed = pytest.importorskip("distributed")
    problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=2)
    alone = prove_landscape(verify_landscape(problem, rng=5))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        victims = [next(iter(cluster.workers.values())).pid]

        def kill_once(stage, done, total, detail=""):
            if stage != "rank 2":
                return
            while victims:
                os.kill(victims.pop(), signal.SIGKILL)

        with Workers(1, cluster.scheduler_address) as workers:
            report = verify_landscape(problem, rng=5, workers=workers, progress=kill_once)
            assert not victims
            assert prove_landscape(report, workers=workers).to_json() == alone.to_json()


def test_strata_that_floats_hardly_resolve_are_left_early():
    report = verify_landscape(UFMProblem(class_sizes=(1, 1), dim=2, tau=8000), rng=0)
    for name, found in report.coverage.items():
        assert not found.is_hardly_resolved or found.starts < 1000
        assert found.is_hardly_resolved == any(
            name in note for note in report.notes if "fewer than half" in note
        )
    assert any(found.is_hardly_resolved for found in report.coverage.values())
