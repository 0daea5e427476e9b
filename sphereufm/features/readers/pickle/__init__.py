"""Checkpoints of torch: pickles whose names are never imported or called.

In: a file's bytes.  Out: a tree of tensors and plain values.
Calls the rest of ``features.readers``, which calls it.
"""
