"""How much memory there is, and whether a table fits into it."""

from pathlib import Path

from .files import MAX_BYTES

SHARE = 0.25  # of the free memory: a fit keeps the table, its training rows, and a copy in the model's type


def fits(n_bytes: int, free: int | None = None) -> bool:
    """Whether a table of that size is best held in memory: it takes at most a quarter of what is free.

    >>> fits(10, free=40), fits(11, free=40)
    (True, False)
    """
    free = free_memory() if free is None else free
    return n_bytes <= MAX_BYTES and (free is None or n_bytes <= SHARE * free)


def free_memory() -> int | None:
    """Bytes that a process may still take, the limit of its control group included; None where nobody says."""
    found = [size for size in (_machine(), _group()) if size is not None]
    return min(found) if found else None


def _machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024 * int(sizes[0]) if sizes else None


def _group() -> int | None:
    """What the control group leaves; files that it keeps in memory count as free, since they can be dropped."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = ((folder / name).read_text().strip() for name in ("memory.max", "memory.current"))
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    if not limit.isdigit():
        return None
    return max(0, int(limit) - int(used) + int(statistics.get("inactive_file", 0)))
