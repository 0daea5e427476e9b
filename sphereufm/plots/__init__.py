"""Figures.  They draw what others computed, and compute nothing; the only importer of matplotlib."""

from sphereufm.plots.branches import branch_figure, save_branches
from sphereufm.plots.landscape import landscape_figure, landscape_svg, save_landscape

__all__ = ["branch_figure", "landscape_figure", "landscape_svg", "save_branches", "save_landscape"]
