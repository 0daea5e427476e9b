"""Losses of the logits: value, first derivative, and second derivative along a direction.

In: a block of logits and labels.  Out: what kernels need, and the facts that theorems ask for.
Calls ``geometry`` and ``errors`` alone; ``problem`` and ``placement`` call it.
"""
