"""Sweeps: the landscapes of a whole grid of problems, stored cell by cell, resumable.

In: a grid, and a folder.  Out: a report for each cell, in the folder.
Calls ``landscape``; plots, reports and the command line call it.
"""

from sphereufm.sweeps.grid import Cell, SweepGrid, read_grid
from sphereufm.sweeps.run import run_sweep
from sphereufm.sweeps.store import SweepFolder

__all__ = ["Cell", "SweepFolder", "SweepGrid", "read_grid", "run_sweep"]
