"""A strict reader of zip directories, for ``.npz`` and ``.pt``.

The standard library trusts more than we may: it follows the last of several entries of one name, lets
entries overlap, and reads a directory of any claimed size.  Here the archive must be exactly
``entries, directory, end record``, with every local header agreeing with the directory, and nothing shared.
Nothing is ever extracted to the disk.

References
----------
PKWARE, *APPNOTE.TXT*, sections 4.3 and 4.5.3 (zip64).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from sphereufm.errors import UnreadableFileError
from sphereufm.features.readers.limits import MAX_ENTRIES
from sphereufm.features.readers.stored import StoredFile

__all__ = ["DEFLATED", "STORED", "ZipEntry", "inflate", "read_zip_directory"]

STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_DIRECTORY = 2**24
_MARK32 = 0xFFFFFFFF
_MARKS = (0xFFFF, _MARK32, _MARK32)
_PIECE = 2**20


@dataclass(frozen=True, kw_only=True)
class ZipEntry:
    """One entry: where its bytes lie, and what the directory says of them."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    header: int
    start: int


def read_zip_directory(file: StoredFile) -> dict[str, ZipEntry]:
    """Return the entries of a zip archive by name.

    Raises UnreadableFileError if the archive is damaged, lies about sizes, repeats or overlaps entries, names
    paths outside itself, is encrypted, or uses another method than stored or deflated.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> with tempfile.NamedTemporaryFile() as handle:
    ...     with zipfile.ZipFile(handle, "w") as archive:
    ...         archive.writestr("a.txt", "four")
    ...     handle.flush()
    ...     {name: entry.size for name, entry in read_zip_directory(StoredFile.at(handle.name)).items()}
    {'a.txt': 4}
    """
    try:
        begin, size, count = _find_directory(file)
        entries = _read_entries(file, begin, size, count)
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise _damaged(file, "its directory is cut short") from error
    _check_layout(file, sorted(entries, key=lambda e: e.header), begin)
    named = {entry.name: entry for entry in entries}
    if len(named) != len(entries):
        raise _damaged(file, "two entries have the same name")
    return named


def inflate(file: StoredFile, entry: ZipEntry) -> Iterator[bytes]:
    """Yield the bytes of a deflated entry in pieces of at most 1 MiB, never more than its declared size.

    Raises UnreadableFileError if the stream is damaged, longer or shorter than declared, or its checksum
    differs at the end.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> with tempfile.NamedTemporaryFile() as handle:
    ...     with zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as archive:
    ...         archive.writestr("a.txt", "four")
    ...     handle.flush()
    ...     file = StoredFile.at(handle.name)
    ...     b"".join(inflate(file, read_zip_directory(file)["a.txt"]))
    b'four'
    """
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


def _find_directory(file: StoredFile) -> tuple[int, int, int]:
    """First byte, length and number of entries of the central directory."""
    window = min(file.size, _END.size + 2**16)
    tail = file.read_at(file.size - window, window)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0:
        raise _damaged(file, "no end-of-archive record, so it is cut short")
    _, disk, first_disk, here, count, size, begin, comment = _END.unpack_from(tail, at)
    end = file.size - window + at
    if end + _END.size + comment != file.size or (disk, first_disk) != (0, 0) or here != count:
        raise _damaged(file, "its end record does not fit the file")
    # torch writes the 64-bit record into every archive, others only where a number needs it.
    at = end - _END64_LOCATOR.size
    locator = file.read_at(at, _END64_LOCATOR.size) if at >= 0 else b""
    if locator[:4] == b"PK\x06\x07":
        end = _END64_LOCATOR.unpack(locator)[2]
        record = file.read_at(end, _END64.size) if end + _END64.size <= at else b""
        if record[:4] != b"PK\x06\x06":
            raise _damaged(file, "its zip64 record is not where it should be")
        wide = _END64.unpack(record)[7:10]
        if any(w != n and n != m for w, n, m in zip(wide, (count, size, begin), _MARKS, strict=True)):
            raise _damaged(file, "its two end records differ")
        count, size, begin = wide
    if size > _MAX_DIRECTORY or count > MAX_ENTRIES or begin + size != end:
        raise _damaged(file, "its directory does not fit the file")
    return begin, size, count


def _read_entries(file: StoredFile, begin: int, size: int, count: int) -> list[ZipEntry]:
    """Parse the central directory and the local header of every entry."""
    data = file.read_at(begin, size)
    entries, at = [], 0
    with file.open() as handle:
        for _ in range(count):
            fields = _CENTRAL.unpack_from(data, at)
            name_size, extra_size, comment_size = fields[12:15]
            stop = at + _CENTRAL.size + name_size + extra_size + comment_size
            if fields[0] != b"PK\x01\x02" or stop > len(data):
                raise _damaged(file, "its directory is damaged")
            raw_name = data[at + _CENTRAL.size : at + _CENTRAL.size + name_size]
            extra = data[stop - comment_size - extra_size : stop - comment_size]
            flags, method, crc = fields[5], fields[6], fields[9]
            plain, packed, header = _wide(extra, fields[11], fields[10], fields[18])
            handle.seek(header)
            local = handle.read(_LOCAL.size + name_size + 2**10)
            start = header + _check_local(file, local, raw_name, flags, method, (crc, packed, plain))
            name = _check_name(file, raw_name, flags)
            entries.append(
                ZipEntry(
                    name=name, method=method, crc=crc, packed=packed, size=plain, header=header, start=start
                )
            )
            at = stop
    if at != size:
        raise _damaged(file, "its directory has bytes that belong to no entry")
    return entries


def _wide(extra: bytes, plain: int, packed: int, header: int) -> tuple[int, int, int]:
    """Replace 32-bit marks by the 64-bit values of the zip64 extra field, in their fixed order."""
    values = [plain, packed, header]
    at = 0
    while at + 4 <= len(extra):
        tag, size = struct.unpack_from("<2H", extra, at)
        if tag == 1:
            field = extra[at + 4 : at + 4 + size]
            marked = [i for i, value in enumerate(values) if value == _MARK32]
            for place, i in enumerate(marked):
                (values[i],) = struct.unpack_from("<Q", field, 8 * place)
            break
        at += 4 + size
    return values[0], values[1], values[2]


def _check_local(
    file: StoredFile, local: bytes, raw_name: bytes, flags: int, method: int, sizes: tuple[int, int, int]
) -> int:
    """Compare a local header with the directory; return its length, the distance to the data."""
    fields = _LOCAL.unpack_from(local)
    name_size, extra_size = fields[9], fields[10]
    if fields[0] != b"PK\x03\x04" or local[_LOCAL.size : _LOCAL.size + name_size] != raw_name:
        raise _damaged(file, f"the header of entry {raw_name[:80]!r} is not where the directory says")
    if flags & 0x2041 or method not in (STORED, DEFLATED) or fields[3] != method:
        raise _damaged(file, f"entry {raw_name[:80]!r} is encrypted or uses an unknown method")
    crc, packed, plain = fields[6:9]
    extra = local[_LOCAL.size + name_size : _LOCAL.size + name_size + extra_size]
    plain, packed, _ = _wide(extra, plain, packed, 0)
    # With flag bit 3 the sizes follow the data; then the local header holds zeros, or marks.
    if not flags & 8 and (crc, packed, plain) != sizes:
        raise _damaged(file, f"entry {raw_name[:80]!r} has two different sizes or checksums")
    if method == STORED and sizes[1] != sizes[2]:
        raise _damaged(file, f"entry {raw_name[:80]!r} is stored but claims two sizes")
    return _LOCAL.size + name_size + extra_size


def _check_name(file: StoredFile, raw: bytes, flags: int) -> str:
    """Decode an entry's name; it must be a plain relative path."""
    name = raw.decode("utf-8" if flags & 0x800 else "cp437")
    parts = name.split("/")
    if not name or "\0" in name or "\\" in name or ".." in parts or parts[0] == "" or parts[0][1:] == ":":
        raise _damaged(file, f"entry name {name[:80]!r} is not a plain relative path")
    return name


def _check_layout(file: StoredFile, entries: list[ZipEntry], end: int) -> None:
    """Entries must follow one another without sharing bytes, before the directory."""
    starts = [entry.header for entry in entries] + [end]
    for entry, following in zip(entries, starts[1:], strict=True):
        if entry.start + entry.packed > following:
            raise _damaged(file, f"entry {entry.name!r} overlaps the next one")


def _damaged(file: StoredFile, fact: str) -> UnreadableFileError:
    """Name the archive and what is wrong with it."""
    return UnreadableFileError(f"{file.name} is a damaged or hostile archive: {fact}; save it again")
