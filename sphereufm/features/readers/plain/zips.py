"""A strict reader of zip directories, for ``.npz`` and ``.pt``.

The standard library parses the directory, but trusts more than we may: it follows the last of several entries of one
name, lets entries overlap, and reads a directory of any claimed size.  Here the archive must be exactly ``entries,
directory, end record``, with every local header agreeing with the directory, and nothing shared.  Nothing is ever
extracted to the disk.

References
----------
PKWARE, *APPNOTE.TXT*, sections 4.3 and 4.5.3 (zip64).
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import MAX_ENTRIES
from sphereufm.features.readers.stored import StoredFile

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q4sLQL")  # with the locator behind it
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_DIRECTORY = 2**24
_MARK32 = 0xFFFFFFFF
_MARKS = (0xFFFF, _MARK32, _MARK32)
_PIECE = 2**20
_FAILURES = (zipfile.BadZipFile, struct.error, ValueError, IndexError, OverflowError, NotImplementedError)


@dataclass(frozen=True, kw_only=True)
class ZipEntry:
    """One entry: where its bytes lie, and what the directory says of them."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    start: int


def read_zip_directory(file: StoredFile) -> dict[str, ZipEntry]:
    """Return the entries of a zip archive by name."""
    try:
        begin, count = _find_directory(file)
        with file.open() as handle, zipfile.ZipFile(handle) as archive:
            infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
            entries = [_entry(file, handle, info) for info in infos]
    except _FAILURES as error:
        raise _damaged(file, "its directory is cut short or lies") from error
    named = {entry.name: entry for entry in entries}
    if len(infos) != count or len(named) != count:
        raise _damaged(file, "its directory has another number of entries, or two of one name")
    nexts = [*(info.header_offset for info in infos[1:]), begin]
    for entry, following in zip(entries, nexts, strict=False):
        if entry.start + entry.packed > following:
            raise _damaged(file, f"entry {entry.name!r} overlaps the next one")
    return named


def inflate(file: StoredFile, entry: ZipEntry) -> Iterator[bytes]:
    """Yield the bytes of a deflated entry in pieces of at most 1 MiB, never more than its declared size."""
    machine = zlib.decompressobj(-15)
    left, produced, crc, tail = entry.packed, 0, 0, b""
    with file.open() as handle:
        handle.seek(entry.start)
        while not machine.eof:
            if not tail:
                tail = handle.read(min(left, _PIECE))
                left -= len(tail)
            try:
                piece = machine.decompress(tail, _PIECE)
            except zlib.error as error:
                raise _damaged(file, f"entry {entry.name!r} does not decompress ({error})") from error
            tail = machine.unconsumed_tail
            produced, crc = produced + len(piece), zlib.crc32(piece, crc)
            if produced > entry.size or (not piece and not tail and not left and not machine.eof):
                raise _damaged(file, f"entry {entry.name!r} does not have its declared size")
            if piece:
                yield piece
    if produced != entry.size or crc != entry.crc:
        raise _damaged(file, f"entry {entry.name!r} fails its size or checksum")


def _find_directory(file: StoredFile) -> tuple[int, int]:
    """First byte of the directory and number of its entries; the records at the end must fit the file."""
    end = file.size - _END.size
    magic, disk, first_disk, here, count, size, begin, comment = _END.unpack(
        file.read_at(max(end, 0), _END.size)
    )
    if magic != b"PK\x05\x06" or comment or (disk, first_disk) != (0, 0) or here != count:
        raise _damaged(file, "it does not end with an end-of-archive record that fits it")
    # torch writes the 64-bit records into every archive, others only where a number needs them
    at = end - _END64.size
    wide = _END64.unpack(file.read_at(at, _END64.size)) if at >= 0 else (b"",) * 14
    if wide[10] == b"PK\x06\x07":
        end = at
        fits = all(w == n or n == m for w, n, m in zip(wide[7:10], (count, size, begin), _MARKS, strict=True))
        if wide[0] != b"PK\x06\x06" or wide[12] != at or not fits:
            raise _damaged(file, "its two end records differ")
        count, size, begin = wide[7:10]
    if size > _MAX_DIRECTORY or count > MAX_ENTRIES or begin + size != end:
        raise _damaged(file, "its directory does not fit the file")
    return begin, count


def _entry(file: StoredFile, handle: BinaryIO, info: zipfile.ZipInfo) -> ZipEntry:
    """An entry of the directory, with which its local header must agree."""
    name, flags, method = info.orig_filename, info.flag_bits, info.compress_type
    raw = name.encode("utf-8" if flags & 0x800 else "cp437")
    handle.seek(info.header_offset)
    local = handle.read(_LOCAL.size + len(raw))
    magic, _, _, local_method, _, _, *sizes, name_size, extra_size = _LOCAL.unpack_from(local)
    if magic != b"PK\x03\x04" or name_size != len(raw) or local[_LOCAL.size :] != raw:
        raise _damaged(file, f"the header of entry {name[:80]!r} is not where the directory says")
    if flags & 0x2041 or method not in (STORED, DEFLATED) or local_method != method:
        raise _damaged(file, f"entry {name[:80]!r} is encrypted or uses an unknown method")
    # with flag bit 3 the sizes follow the data; marks stand for sizes of 64 bits
    told = (info.CRC, info.compress_size, info.file_size)
    agree = flags & 8 or all(a in (b, _MARK32) for a, b in zip(sizes, told, strict=True))
    if not agree or (method == STORED and info.compress_size != info.file_size):
        raise _damaged(file, f"entry {name[:80]!r} has two different sizes or checksums")
    parts = name.split("/")
    if not name or "\0" in name or "\\" in name or ".." in parts or parts[0] == "" or parts[0][1:] == ":":
        raise _damaged(file, f"entry name {name[:80]!r} is not a plain relative path")
    return ZipEntry(
        name=name,
        method=method,
        crc=info.CRC,
        packed=info.compress_size,
        size=info.file_size,
        start=info.header_offset + _LOCAL.size + name_size + extra_size,
    )


def _damaged(file: StoredFile, fact: str) -> UnreadableFileError:
    """Name the archive and what is wrong with it."""
    return UnreadableFileError(f"{file.name} is a damaged or hostile archive: {fact}; save it again")
