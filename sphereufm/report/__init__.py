"""Self-contained HTML reports; they compute nothing.

One file without any request to a network: the verdict, figures as inline SVG, tables that sort and open row by
row, and the data as JSON, which :func:`read_data` reads back.

In: reports, sweeps, comparisons, metrics.  Out: the page as text.
Calls ``plots`` and the rooms that it shows; notebooks and the command line call it.
"""

from sphereufm.report.landscape import landscape_html, save_html
from sphereufm.report.page import read_data

__all__ = ["landscape_html", "read_data", "save_html"]
