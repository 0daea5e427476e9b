"""Figures.  They draw what others computed, and compute nothing; the only importer of matplotlib.

In: reports, sweeps, comparisons, metrics.  Out: matplotlib figures, or files.
Calls the rooms that it draws; ``report``, notebooks and the command line call it.
"""

from sphereufm.plots.branches import branch_figure
from sphereufm.plots.landscape import landscape_figure, spectra_figure
from sphereufm.plots.saving import save_figure

__all__ = ["branch_figure", "landscape_figure", "save_figure", "spectra_figure"]
