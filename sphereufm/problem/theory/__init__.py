"""What is known of the problem without a search: theorems, minimum, gaps, descent directions, known points.

In: a problem, sometimes a point.  Out: statements with their hypotheses, bounds, points in closed form.
Calls the rest of ``problem``; solvers, landscapes and position call it.
"""
