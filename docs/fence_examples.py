"""For mkdocstrings: the examples in docstrings, which begin with >>>, become blocks of code."""

import re
from typing import Any

from griffe import Extension

EXAMPLE = re.compile(r"^(>>> .*(?:\n(?!\s*$).*)*)", re.M)


class FenceExamples(Extension):
    """Put a fence around each example."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(r"```pycon\n\1\n```", obj.docstring.value)
