"""What a table holds, beside pandas; the command that is offered works."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentia.cli import main
from latentia.data.describing import describe_table, obstacles
from latentia.errors import DataError

CELLS = st.one_of(st.none(), st.floats(width=32), st.integers(-1000, 1000).map(float))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=30))
def test_numbers_are_those_of_pandas(rows: list[tuple[Any, Any]]) -> None:
    frame = pd.DataFrame(rows, columns=["a", "b"], dtype="float64")
    for found, name in zip(describe_table(pa.Table.from_pandas(frame)), "ab"):
        finite = frame[name].replace([np.inf, -np.inf], np.nan).dropna()
        assert found.missing == len(frame) - len(finite)
        assert found.different == len(set(finite + 0.0))
        if len(finite):
            assert float(found.least) == pytest.approx(finite.min(), rel=1e-5)
            assert float(found.greatest) == pytest.approx(finite.max(), rel=1e-5)
            assert (found.holds == "numbers") == bool((finite % 1 != 0).any())


def test_every_kind_of_column_and_what_stands_in_the_way() -> None:
    table = pa.table(
        {
            "real": [1.5, 2.5, 3.0],
            "coin": [True, False, True],
            "whole": [3, 3, 4],
            "id": [7, 8, 9],
            "same": [2.0, 2.0, 2.0],
            "gap": [1.0, None, 2.0],
            "end": [1.0, np.inf, 2.0],
            "word": ["u", "v", "u"],
            "kind": pa.array(["u", "v", "u"]).dictionary_encode(),
            "day": pa.array([1, 2, 3], pa.date32()),
            "list": [[1], [2], [3]],
            "nothing": pa.nulls(3),
        }
    )
    found = describe_table(table)
    assert [c.holds for c in found] == [
        "numbers", "zeros and ones", "whole numbers", "whole numbers", "whole numbers", "whole numbers", "whole numbers",
        "text", "text", "date32[day]", "list<item: int64>", "null",
    ]  # fmt: skip
    assert set(obstacles(found, 3)) == {"id", "same", "gap", "end", "word", "kind", "day", "list", "nothing"}
    with pytest.raises(DataError, match="no rows"):
        describe_table(table.slice(0, 0))


def test_the_command_that_is_offered_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 3)), columns=["a [b]", "b", "it's c"])
    frame["id"], frame["kind"], frame["note"] = range(40), ["u", "v"] * 20, [f"word {i}" for i in range(40)]
    frame.loc[3, "b"] = np.nan
    frame.to_csv(tmp_path / "rows of mine.csv", index=False)
    monkeypatch.chdir(tmp_path)
    assert main(["data", "describe", "rows of mine.csv"]) == 0
    out = capsys.readouterr().out
    assert "a [b]" in out
    command = shlex.split(out[out.index("Next: ") + len("Next: ") :])
    assert main([*command[1:], "--model", "ppca", "--n-latent", "1", "--no-report"]) == 0
    assert (tmp_path / "runs" / "rows of mine" / "run.json").is_file()
