"""Formats read by others' libraries (HDF5, Arrow), in a child process with limits.

In: a file and an order.  Out: arrays as sources of blocks.  Only ``features.readers`` calls it.
"""
