"""The examples on the documentation's theory page run as they are printed."""

import doctest
from pathlib import Path


def test_examples_of_the_theory_page():
    page = Path(__file__).parents[2] / "docs" / "theory.md"
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0
