"""The house: imports run one way, public names are what they say, importing does no work."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import latentia

ROOT = Path(latentia.__file__).parent

# A room may import from rooms of a smaller number, and from itself.
FLOORS = {
    "errors": 0,
    "_version": 0,
    "history": 1,
    "storage": 1,
    "devices": 1,
    "batch": 1,
    "randomness": 1,
    "estimate": 1,
    "abilities": 2,
    "hamiltonian": 2,
    "processes": 2,
    "binarise": 2,
    "fitted": 3,
    "distributions": 2,
    "networks": 2,
    "corruption": 3,
    "families": 3,
    "scaling": 3,
    "conditional": 4,
    "models": 5,
    "posteriors": 5,
    "bounds": 6,
    "learn": 7,
    "data": 7,
    "evidence": 8,
    "testing": 9,
    "estimators": 9,
    "explore": 10,
    "reproduce": 10,
    "report": 11,
    "cli": 12,
    "__main__": 13,
}
MUST_NOT_MEET = [("models", "posteriors"), ("data", "learn"), ("bounds", "models"), ("bounds", "posteriors")]


def rooms() -> list[str]:
    return sorted(
        p.stem for p in ROOT.iterdir() if (p.suffix == ".py" or (p / "__init__.py").exists()) and p.stem != "__init__"
    )


def imports_of(path: Path) -> set[str]:
    """Top-level rooms of latentia that a file imports, inside functions too."""
    depth = len(path.relative_to(ROOT).parts) - 1
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = depth + 1 - node.level
            if above > 0:
                continue
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("latentia"):
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("latentia.")}
    return found


def edges() -> set[tuple[str, str]]:
    out = set()
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room != "__init__":
            out |= {(room, other) for other in imports_of(path) if other != room}
    return out


def test_every_room_has_a_floor() -> None:
    assert set(rooms()) == set(FLOORS)


def test_imports_run_downward() -> None:
    wrong = sorted((a, b) for a, b in edges() if b in FLOORS and FLOORS[b] >= FLOORS[a])
    assert not wrong


def test_rooms_that_must_not_meet() -> None:
    found = edges()
    assert not [(a, b) for a, b in MUST_NOT_MEET if (a, b) in found or (b, a) in found]


def test_public_names_are_there_and_no_others() -> None:
    for name in latentia.__all__:
        assert getattr(latentia, name) is not None
    assert set(dir(latentia)) == set(latentia.__all__)
    with pytest.raises(AttributeError, match="Public names"):
        _ = latentia.nothing


@pytest.mark.parametrize(
    "name", ["models", "posteriors", "families", "bounds", "learn", "evidence", "data", "estimators"]
)
def test_exported_members_exist(name: str) -> None:
    module = getattr(latentia, name)
    for member in getattr(module, "__all__", []):
        assert hasattr(module, member)


def test_importing_does_no_work() -> None:
    code = "import sys, latentia; print(*[m for m in ('torch', 'numpy', 'sklearn', 'pyarrow', 'matplotlib') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == ""


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from latentia.cli import main; main(['fit', '--help']);"
        "print('heavy:', *[m for m in ('torch', 'numpy', 'sklearn', 'pyarrow', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip().splitlines()[-1] == "heavy:"


def test_nothing_is_unpickled() -> None:
    banned = {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not {a.name.split(".")[0] for a in node.names} & banned, path
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in banned, path
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
            ):
                call = f"{node.func.value.id}.{node.func.attr}"
                assert call != "torch.load", path
                if call == "np.load":
                    assert any(
                        k.arg == "allow_pickle" and getattr(k.value, "value", True) is False for k in node.keywords
                    ), path
