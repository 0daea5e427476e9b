"""Costs written as expressions: evaluated for stacks of points, with exact derivatives, from what is proved.

In: a :class:`~sphereufm.certify.expressions.Cost`.  Out: a problem.
Calls ``certify.instances`` and the rest of ``problem``; users and the command line call it.
"""
