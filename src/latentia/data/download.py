"""Fetch a file once: checked by its SHA-256, tried again when the network fails, whole or not at all."""

import time
from pathlib import Path
from typing import Any

from ..errors import DataError
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
    from urllib3.exceptions import HTTPError

    network = (RequestException, HTTPError)
    failure: Exception | None = None
    for attempt in range(max(1, attempts)):
        if attempt:
            time.sleep(backoff * 2 ** (attempt - 1))
        try:
            return _retrieve(file, url, folder, timeout)
        except (*network, ValueError) as error:
            failure = error
            if _is_final(error):
                break
        except OSError as error:
            raise DataError(f"{folder} cannot be written ({brief(error)}). Set LATENTIA_DATA to a folder.") from error
    if isinstance(failure, network):
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
    get: Any = _Exactly(file, timeout)  # the type that pooch states for it is not the one that it calls
    fetched = pooch.retrieve(url, known_hash=f"sha256:{file.sha256}", fname=path.name, path=path.parent, downloader=get)
    return Path(fetched)


def _is_final(error: Exception) -> bool:
    """An answer such as 404 will be the same next time."""
    status = getattr(getattr(error, "response", None), "status_code", None) or 0
    return 400 <= status < 500 and status not in _WORTH_WAITING


class _Exactly:
    """A pooch downloader that keeps the very bytes, and gives up once they are more than the file has.

    pooch's own one unpacks what a server labels as packed, and some label every .gz file so.
    """

    def __init__(self, file: File, timeout: float) -> None:
        self.file = file
        self.timeout = timeout

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        import requests

        headers = {"Accept-Encoding": "identity"}
        left = self.file.bytes
        with (
            requests.get(url, stream=True, timeout=self.timeout, headers=headers) as response,
            open(output_file, "wb") as out,
        ):
            response.raise_for_status()
            for chunk in response.raw.stream(2**16, decode_content=False):
                left -= len(chunk)
                if left < 0:
                    raise ValueError("more bytes came than the file has")
                out.write(chunk)
