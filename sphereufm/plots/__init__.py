"""Figures.  They draw what others computed, and compute nothing; the only importer of matplotlib."""

from sphereufm.plots.branches import branch_figure, save_branches
from sphereufm.plots.landscape import landscape_figure, save_landscape, spectra_figure

__all__ = ["branch_figure", "landscape_figure", "save_branches", "save_landscape", "spectra_figure"]
