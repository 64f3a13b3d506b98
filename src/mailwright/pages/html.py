"""One plain page: no script, nothing loaded from anywhere, readable in any mail program's browser."""

import base64
import hashlib

from jinja2 import Environment
from litestar.response import Response

_STYLE = (
    ":root{color-scheme:light dark;font:18px/1.5 system-ui,sans-serif}"
    "body{margin:15vh auto;max-width:32rem;padding:0 1rem}"
    "button{font:inherit;padding:.5rem 1.5rem}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    # The address is the secret: it must not travel to wherever somebody clicks next.
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}
_PAGE = Environment(autoescape=True).from_string(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style|safe }}</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
<p>{{ text }}</p>
{%- if button %}
<form method="post"><input type="hidden" name="{{ field }}" value="{{ value }}"><button>{{ button }}</button></form>
{%- endif %}
</main>
</body>
</html>
"""
)


def page(
    title: str, text: str, *, status: int = 200, button: str = "", field: str = "", value: str = ""
) -> Response[str]:
    """With `button`, a form that posts `field`=`value` to the address of the page itself."""
    content = _PAGE.render(title=title, text=text, button=button, field=field, value=value, style=_STYLE)
    return Response(content, status_code=status, media_type="text/html; charset=utf-8", headers=_HEADERS)
