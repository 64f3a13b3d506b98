"""A message for many: `{column}` in its subject, text and HTML stands for what a row has there. Pure.

This is all there is to it: no conditions, no loops. What stands in HTML is escaped.
"""

import html
import re
from collections.abc import Mapping
from typing import NamedTuple

from mailwright.errors import InvalidInput

# A style sheet has braces too: a name begins with a letter right behind the brace and has nothing odd in it.
_PLACE = re.compile(r"\{\{|\}\}|\{([^\W\d][\w.-]*(?: [\w.-]+)*)\}")


class Template(NamedTuple):
    subject: str = ""
    text: str | None = None
    html: str | None = None

    def check(self, columns: list[str]) -> None:
        """A name that is mistyped is noticed before the first message, not by its readers."""
        for field, template in zip(self._fields, self, strict=True):
            for found in _PLACE.finditer(template or ""):
                if found[1] is not None and found[1] not in columns:
                    raise InvalidInput(
                        f"there is no column {found[1]!r}",
                        field=field,
                        hint=f"there are {', '.join(columns)}; write {{{{{found[1]}}}}} for the braces themselves",
                    )

    def filled(self, row: Mapping[str, str]) -> "Template":
        escaped = {name: html.escape(value) for name, value in row.items()}
        return Template(
            # A line break in a column would end the header.
            _filled(self.subject, {name: " ".join(value.split()) for name, value in row.items()}),
            _filled(self.text, row) if self.text is not None else None,
            _filled(self.html, escaped) if self.html is not None else None,
        )


def _filled(template: str, row: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        return found[0][0] if found[1] is None else row.get(found[1], "")

    return _PLACE.sub(value, template)
