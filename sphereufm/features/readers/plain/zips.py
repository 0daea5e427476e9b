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
from dataclasses import replace
from typing import BinaryIO

from sphereufm.features.readers.limits import MAX_ENTRIES, refused
from sphereufm.features.readers.stored import StoredFile

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q4sLQL")  # with the locator behind it
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_DIRECTORY = 2**24
_MARK32 = 0xFFFFFFFF
_MARKS = (0xFFFF, _MARK32, _MARK32)
_FAILURES = (zipfile.BadZipFile, struct.error, ValueError, IndexError, OverflowError, NotImplementedError)


def read_zip_directory(file: StoredFile) -> dict[str, StoredFile]:
    """Return the members of a zip archive by name, in the order in which they lie."""
    begin, count = _find_directory(file)
    members: dict[str, StoredFile] = {}
    at = 0
    with file.open() as handle:
        try:
            with zipfile.ZipFile(handle) as archive:
                infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
            for info in infos:
                members[info.orig_filename] = member = _member(file, handle, info)
                if info.header_offset < at:
                    raise refused(file.name, f"entry {info.orig_filename[:80]!r} overlaps the one before it")
                at = member.start + info.compress_size
        except _FAILURES as error:
            raise refused(file.name, "its directory is cut short or lies") from error
    if len(infos) != count or len(members) != count or at > begin:
        raise refused(file.name, "its directory has another number of entries, or names one twice")
    return members


def _find_directory(file: StoredFile) -> tuple[int, int]:
    """First byte of the directory and number of its entries; the records at the end must fit the file."""
    end = file.size - _END.size
    if end < 0:
        raise refused(file.name, "its directory is cut short or lies")
    magic, disk, first_disk, here, count, size, begin, comment = _END.unpack(file.read_at(end, _END.size))
    if magic != b"PK\x05\x06" or comment or (disk, first_disk) != (0, 0) or here != count:
        raise refused(file.name, "it does not end with an end-of-archive record that fits it")
    # torch writes the 64-bit records into every archive, others only where a number needs them
    at = end - _END64.size
    wide = _END64.unpack(file.read_at(at, _END64.size)) if at >= 0 else (b"",) * 14
    if wide[10] == b"PK\x06\x07":
        end = at
        fits = all(w == n or n == m for w, n, m in zip(wide[7:10], (count, size, begin), _MARKS, strict=True))
        if wide[0] != b"PK\x06\x06" or wide[12] != at or not fits:
            raise refused(file.name, "its two end records differ")
        count, size, begin = wide[7:10]
    if size > _MAX_DIRECTORY or count > MAX_ENTRIES or begin + size != end:
        raise refused(file.name, "its directory does not fit the file")
    return begin, count


def _member(file: StoredFile, handle: BinaryIO, info: zipfile.ZipInfo) -> StoredFile:
    """The bytes of an entry of the directory, with which its local header must agree."""
    name, flags, method = info.orig_filename, info.flag_bits, info.compress_type
    raw = name.encode("utf-8" if flags & 0x800 else "cp437")
    handle.seek(info.header_offset)
    local = handle.read(_LOCAL.size + len(raw))
    magic, _, _, local_method, _, _, *sizes, name_size, extra_size = _LOCAL.unpack_from(local)
    if magic != b"PK\x03\x04" or name_size != len(raw) or local[_LOCAL.size :] != raw:
        raise refused(file.name, f"the header of entry {name[:80]!r} is not where the directory says")
    stored = method == zipfile.ZIP_STORED
    if flags & 0x2041 or not (stored or method == zipfile.ZIP_DEFLATED) or local_method != method:
        raise refused(file.name, f"entry {name[:80]!r} is encrypted or uses an unknown method")
    # with flag bit 3 the sizes follow the data; marks stand for sizes of 64 bits
    told = (info.CRC, info.compress_size, info.file_size)
    agree = flags & 8 or all(a in (b, _MARK32) for a, b in zip(sizes, told, strict=True))
    if not agree or (stored and info.compress_size != info.file_size):
        raise refused(file.name, f"entry {name[:80]!r} has two different sizes or checksums")
    parts = name.split("/")
    if not name or "\0" in name or "\\" in name or ".." in parts or parts[0] == "" or parts[0][1:] == ":":
        raise refused(file.name, f"entry name {name[:80]!r} is not a plain relative path")
    member = replace(file, start=info.header_offset + len(local) + extra_size, size=info.file_size)
    info.file_size += 1  # of which it may not make use
    return member if stored else replace(member, deflated=info)
