"""What the page about the development server must not leave out."""

from pathlib import Path

import pytest
import typer.main

from mailwright.cli import app
from mailwright.devserver import ActionKind, CertificateKind, Extension, Lie
from mailwright.devserver.failures import PHASES

PAGE = Path(__file__).parents[3].joinpath("docs", "how-to", "development-server.md").read_text()
OPTIONS = [
    option
    for parameter in typer.main.get_command(app).commands["dev"].params
    for option in parameter.opts
    if option.startswith("--") and option not in ("--help", "--show")
]


@pytest.mark.parametrize("name", [*PHASES, *Lie, *Extension, *sorted(set(CertificateKind) - {CertificateKind.VALID})])
def test_every_phase_lie_extension_and_certificate_is_described(name):
    assert f"`{name}`" in PAGE or f" {name}`" in PAGE


@pytest.mark.parametrize("kind", sorted(set(ActionKind) - {ActionKind.REPLY}))
def test_every_action_is_described(kind):
    assert f"`{kind}" in PAGE


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_named(option):
    assert f"`{option}" in PAGE
