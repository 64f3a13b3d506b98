"""OAuth 2 access tokens as a provider would give them: JSON Web Tokens (RFC 7519) signed with HS256 (RFC 7518)."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path

_ALGORITHM = "HS256"
# Where Dovecot looks for the key of a token that names neither a party (azp) nor a key (kid).
_KEY_FILE = Path("default") / _ALGORITHM / "default"


def write_key(directory: Path, key: bytes) -> None:
    path = directory / _KEY_FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(base64.b64encode(key))
    path.chmod(0o644)


def mint(key: bytes, username: str, *, expired: bool) -> str:
    now = int(time.time())
    issued, expires = (now - 7200, now - 3600) if expired else (now - 60, now + 3600)
    header = _part({"alg": _ALGORITHM, "typ": "JWT"})
    claims = _part({"iss": "https://issuer.test.example", "sub": username, "iat": issued, "exp": expires})
    signature = hmac.new(key, f"{header}.{claims}".encode(), hashlib.sha256).digest()
    return f"{header}.{claims}.{_base64url(signature)}"


def _part(value: dict[str, object]) -> str:
    return _base64url(json.dumps(value).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
