"""Where the arithmetic happens, and in which precision."""

import torch

from .errors import ParameterError, choose

PRECISIONS = ("float32", "float64", "bfloat16")


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """The device of that name; "auto" is CUDA, else MPS, else the CPU.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        picked = torch.device(device)
        torch.empty(0, device=picked)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ParameterError(
            f"device={device!r} cannot be used here ({reason}). Use 'auto', 'cpu', 'cuda' or 'mps'."
        ) from None
    return picked


def pick_dtype(precision: str) -> torch.dtype:
    """The type of parameters and data; bfloat16 keeps them in float32 and casts inside the networks alone.

    >>> pick_dtype("bfloat16")
    torch.float32
    """
    return torch.float64 if choose("precision", precision, PRECISIONS) == "float64" else torch.float32
