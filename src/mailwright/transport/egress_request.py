"""What may be asked of another server over HTTP, and where a redirect may lead. Pure.

An address is read once, by one parser, and refused where two parsers could read it in two ways: what was checked is
what is dialled.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from mailwright.errors import EgressRefused, EgressRule
from mailwright.transport.dial_policy import is_disguised_number, literal_of

_MAX_URL = 8192
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
# White space and control characters end a line or a word; a backslash is a slash to some parsers.
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\xa0\\\ud800-\udfff]")
# RFC 9110 section 4.2.4: user information, even an empty one, comes before an @ in the authority.
_AUTHORITY_WITH_AT = re.compile(r"[^:/?#]*:?//[^/?#]*@")
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?\Z")
# RFC 9110 sections 5.1 and 5.5, without obs-text.
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*\Z")
#: what the client itself says about the connection and the length: a second opinion is how requests are smuggled
_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: meant for one server: they do not follow a redirect to another one
_FOR_ONE_SERVER = frozenset({"authorization", "cookie"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Hop:
    """One request on the way to an answer."""

    method: str
    url: httpx2.URL
    headers: Mapping[str, str]
    content: bytes

    @property
    def server(self) -> str:
        """Host and port, for people. Never the whole address: webhooks carry their secret in the path."""
        return server_of(self.url)


def server_of(url: httpx2.URL) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}"


def first_hop(method: str, url: str, headers: Mapping[str, str], content: bytes) -> Hop:
    if method not in _METHODS:
        raise EgressRefused(f"the method is none of {', '.join(sorted(_METHODS))}", rule=EgressRule.METHOD)
    return Hop(method, checked_url(url), _checked_headers(headers), content)


def checked_url(text: str) -> httpx2.URL:
    """The address, or EgressRefused. The error never repeats the address: it may hold a secret."""
    if len(text) > _MAX_URL:
        raise _url_refused(f"the address is longer than {_MAX_URL} characters")
    if _AMBIGUOUS.search(text):
        raise _url_refused("the address contains white space, a control character or a backslash")
    if _AUTHORITY_WITH_AT.match(text):
        hint = "give them in a header"
        raise EgressRefused(
            "the address contains a user name or password", rule=EgressRule.CREDENTIALS, field="url", hint=hint
        )
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise _url_refused("the address cannot be read") from error
    if url.scheme not in ("http", "https"):
        raise EgressRefused("only http and https addresses are allowed", rule=EgressRule.SCHEME, field="url")
    host = url.raw_host.decode("ascii")
    if "%" in host or (literal_of(host) is None and (is_disguised_number(host) or not _HOST.match(host))):
        raise _url_refused("the address has no host name that can be looked up")
    if url.port is not None and not 1 <= url.port <= 65_535:
        raise _url_refused("the port is not between 1 and 65535")
    return url


def _url_refused(message: str) -> EgressRefused:
    return EgressRefused(message, rule=EgressRule.URL, field="url")


def _checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.match(name) or name.lower() in _OWN_HEADERS:
            message = "a header of this name cannot be set"
            raise EgressRefused(message, rule=EgressRule.HEADER, field="headers")
        if not _HEADER_VALUE.match(value):
            message = f"the value of {name} is not printable ASCII"
            raise EgressRefused(message, rule=EgressRule.HEADER, field="headers")
    return headers


def next_hop(hop: Hop, status: int, location: str) -> Hop | None:
    """Where a redirect leads (RFC 9110 section 15.4); None when the answer is none."""
    if status not in _REDIRECTS or not location:
        return None
    url = checked_url(_absolute(hop.url, location))
    if hop.url.scheme == "https" and url.scheme == "http":
        message = "the server redirects from https to http"
        raise EgressRefused(message, rule=EgressRule.REDIRECT, server=hop.server)
    headers = dict(hop.headers)
    if (url.scheme, server_of(url)) != (hop.url.scheme, hop.server):
        headers = {name: value for name, value in headers.items() if name.lower() not in _FOR_ONE_SERVER}
    # RFC 9110 sections 15.4.2 to 15.4.4: what everybody does with 301 and 302 after a POST, and 303 says.
    if (status == 303 and hop.method != "HEAD") or (status in (301, 302) and hop.method == "POST"):
        kept = {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
        return Hop("GET", url, kept, b"")
    return Hop(hop.method, url, headers, hop.content)


def _absolute(base: httpx2.URL, location: str) -> str:
    if _AMBIGUOUS.search(location):
        raise _url_refused("the server redirects to an address that cannot be read")
    try:
        # A word before a colon is a scheme, whichever: `file:…` must not be taken for a path.
        return str(base.join(location))
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise _url_refused("the server redirects to an address that cannot be read") from error
