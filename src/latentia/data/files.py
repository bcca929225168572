"""What all readers of files share: one kind of error, and no more memory than the file deserves."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ..errors import DataError, LatentiaError
from .checks import brief

MAX_BYTES = 16 * 2**30
# Packed text rarely grows more than a hundredfold; what does is refused once it is past what any machine has.
_GZIP_FREE = 2**30
_GZIP_GROWTH = 100
_CHUNK = 2**24


class Readable(Protocol):
    """Anything that gives bytes: a file, packed or not."""

    def read(self, size: int = -1, /) -> bytes: ...


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a parser raises on bytes that it did not expect into one sentence.

    Parsers are others' work and raise what they like on damaged input, so that everything is caught here;
    keep the body down to calls of parsers.
    """
    try:
        yield
    except LatentiaError:
        raise
    except MemoryError as error:
        raise DataError(f"{path} needs more memory than there is. Use fewer rows or columns.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({brief(error)}). Save it in the encoding UTF-8.") from error
    except Exception as error:
        raise DataError(
            f"{path} cannot be read as {kind} ({brief(error)}): it is damaged, cut off or of another format. "
            "Make or download it again, or correct its ending."
        ) from error


def is_gzip(path: Path) -> bool:
    """True if the file begins as gzip files do, whatever it is called."""
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def read_gzip(path: Path) -> bytes:
    """Return the unpacked content, or raise `DataError` if it grows out of proportion."""
    limit = gzip_limit(path)
    with reading(path, "a gzip file"), gzip.open(path, "rb") as file:
        content = read_up_to(file, limit + 1)
    if len(content) > limit:
        raise DataError(
            f"{path} unpacks to more than {limit} bytes, {path.stat().st_size} packed ones were not expected to. "
            "If you trust it, unpack it with gunzip first."
        )
    return content


def gzip_limit(path: Path) -> int:
    """How many bytes a packed file may unpack to."""
    return min(MAX_BYTES, max(_GZIP_FREE, _GZIP_GROWTH * path.stat().st_size))


def read_up_to(file: Readable, limit: int) -> bytes:
    """Read at most `limit` bytes in pieces: asking for all at once would allocate what may never come."""
    pieces, left = [], limit
    while left and (piece := file.read(min(left, _CHUNK))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
