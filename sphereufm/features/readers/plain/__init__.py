"""Formats read by our own few lines: npy, npz, safetensors, zip members.

In: an open file.  Out: arrays as sources of blocks.  Calls ``readers.stored``; only ``features.readers`` calls it.
"""
