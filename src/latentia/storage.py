"""Files that are written whole or not at all, and read without running anybody's code."""

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from torch import Tensor

from .errors import RunError


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Call `write` on a temporary name beside `path`, then rename it into place once."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
        write(temporary)
        temporary.chmod(mode)  # some writers make files that only their owner may read
        _sync(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_whole(path, write)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes whole or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_whole(path, write)


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all; what is not a JSON value becomes its text."""
    write_text(path, json.dumps(value, indent=2, default=str, allow_nan=True) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; raises `RunError` where the file is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing. A file that latentia wrote was expected there.") from None
    except (UnicodeDecodeError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}). Restore it from a copy, or fit again.") from None


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, whole or not at all."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}

    def save(temporary: Path) -> None:
        try:
            save_file(plain, temporary)
        except SafetensorError as error:  # its own class for a failed write, with the system's number in the text
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error

    write_whole(path, save)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read safetensors; raises `RunError` where the file is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise RunError(f"{path} is missing. A weights file that latentia wrote was expected there.")
    try:
        return load_file(path)
    except (SafetensorError, ValueError, OSError, RuntimeError) as error:
        raise RunError(f"{path} is damaged ({error}). Restore it from a copy, or fit again.") from None


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fill a temporary folder, then rename it to `folder`, which must not exist yet."""
    temporary = folder.with_name(f".{folder.name}.{uuid4().hex}")
    try:
        temporary.mkdir(parents=True)
        fill(temporary)
        os.rename(temporary, folder)
        _sync(folder.parent)
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def disk_error(error: OSError, path: Path) -> RunError:
    """The operating system's refusal as a sentence."""
    if isinstance(error, RunError):
        return error
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return RunError(
            f"{path} could not be written: there is no room left ({error.strerror}). What was written before is whole; "
            "make room, then take the run up again with `latentia resume`."
        )
    reason = error.strerror or str(error)
    return RunError(f"{path} could not be written ({reason}). Choose a folder that you may write to.")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
