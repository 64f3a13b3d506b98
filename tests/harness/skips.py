"""The one way for a test to do without a real part."""

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skips, saying why. With CI=true it fails: a suite that quietly skips its real servers proves nothing."""
    if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(f"CI=true, and a real part is missing: {reason}", pytrace=False)
    pytest.skip(reason)
