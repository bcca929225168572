"""Fetch a file once: checked by its SHA-256, tried again when the network fails, whole or not at all."""

import time
from pathlib import Path
from typing import IO, Any

from latentia.errors import DataError

from .catalogue import File
from .checks import brief

_WORTH_WAITING = {408, 425, 429}


def download(
    file: File, url: str, folder: Path, *, timeout: float = 30.0, attempts: int = 4, backoff: float = 1.0
) -> Path:
    """Make sure that `file` lies in `folder`, fetching it from `url` if it does not.

    Args:
        file: its path below `folder`, its size in bytes and its SHA-256.
        url: where it is.
        folder: the root under which its path is made.
        timeout: seconds without a byte after which an attempt has failed.
        attempts: how often it is tried, at least once.
        backoff: seconds before the second attempt, doubled for each one after it.

    Raises:
        DataError: the last attempt failed, what came is not the file, or the folder cannot be written.
    """
    from requests.exceptions import RequestException

    failure: Exception | None = None
    for attempt in range(max(1, attempts)):
        if attempt:
            time.sleep(backoff * 2 ** (attempt - 1))
        try:
            return _retrieve(file, url, folder, timeout)
        except (RequestException, ValueError) as error:
            failure = error
            if _is_final(error):
                break
        except OSError as error:
            raise DataError(f"{folder} cannot be written ({brief(error)}). Set LATENTIA_DATA to a folder.") from error
    if isinstance(failure, RequestException):
        raise DataError(
            f"{url} could not be fetched: {brief(failure)}. Check the network, try again, set LATENTIA_MIRROR to "
            "another address, or put the file into a folder named by LATENTIA_DATA."
        ) from failure
    raise DataError(
        f"{url} does not hold the expected file: its size or SHA-256 is not that of {file.path}; nothing was kept. "
        "Try again later or set LATENTIA_MIRROR to another address."
    ) from failure


def _retrieve(file: File, url: str, folder: Path, timeout: float) -> Path:
    import pooch

    path = folder / file.path
    get: Any = _Capped(file, timeout)  # the type that pooch states for it is not the one that it calls
    fetched = pooch.retrieve(url, known_hash=f"sha256:{file.sha256}", fname=path.name, path=path.parent, downloader=get)
    return Path(fetched)


def _is_final(error: Exception) -> bool:
    """An answer such as 404 will be the same next time."""
    status = getattr(getattr(error, "response", None), "status_code", None) or 0
    return 400 <= status < 500 and status not in _WORTH_WAITING


class _Capped:
    """A pooch downloader that gives up on an answer longer than the file is known to be."""

    def __init__(self, file: File, timeout: float) -> None:
        self.file = file
        self.timeout = timeout

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        from pooch import HTTPDownloader

        # Some servers label .gz files as packed transport, and they would arrive unpacked.
        headers = {"Accept-Encoding": "identity"}
        get = HTTPDownloader(timeout=self.timeout, headers=headers, chunk_size=2**16)
        with open(output_file, "wb") as out:
            get(url, _CappedFile(out, self.file.bytes), pooch)


class _CappedFile:
    def __init__(self, out: IO[bytes], limit: int) -> None:
        self.out, self.left = out, limit

    def write(self, chunk: bytes) -> None:
        self.left -= len(chunk)
        if self.left < 0:
            raise ValueError("more bytes came than the file has")
        self.out.write(chunk)

    def flush(self) -> None:
        self.out.flush()
