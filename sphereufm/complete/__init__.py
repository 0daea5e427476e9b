"""Complete lists: on small instances every critical point is found, and that none is missing is proved."""

from sphereufm.complete.prove import CompleteList, prove_complete

__all__ = ["CompleteList", "prove_complete"]
