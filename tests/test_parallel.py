"""Ordered maps: order, bounded look-ahead, errors, early ends."""

import operator
import time

import pytest

from sphereufm.errors import InvalidInputError
from sphereufm.parallel import ordered_map


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers):
    # the first item takes longest
    delays = [0.2, 0.0, 0.0, 0.1, 0.0]
    assert list(ordered_map(time.sleep, delays, workers)) == [None] * 5
    assert list(ordered_map(operator.neg, range(7), workers)) == [0, -1, -2, -3, -4, -5, -6]


@pytest.mark.parametrize("workers", [1, 2])
def test_items_are_taken_as_they_are_needed(workers):
    taken = []

    def items():
        for k in range(100):
            taken.append(k)
            yield k

    results = ordered_map(operator.neg, items(), workers)
    assert next(results) == 0
    assert len(taken) <= 2 * workers + 1
    results.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_is_the_callers(workers):
    with pytest.raises(ZeroDivisionError):
        list(ordered_map(_reciprocal, [1, 0, 2], workers))


def _reciprocal(value):
    return 1 / value


@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_a_number_of_workers_that_is_none_is_refused(workers):
    with pytest.raises(InvalidInputError, match="workers"):
        list(ordered_map(operator.neg, [1], workers))
