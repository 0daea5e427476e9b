"""Costs written as expressions: evaluated for stacks of points, with exact derivatives, from what is proved.

Nothing is re-exported: take names from the modules.
"""
