"""`mailwright config`: the settings that are in force, and where each comes from."""

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from mailwright.cli.exit_codes import exit_code_of
from mailwright.cli.office_command import set_parameters
from mailwright.cli.output import print_error
from mailwright.cli.settings_flags import settings_parameters, taken_settings
from mailwright.cli.tables import Output
from mailwright.errors import MailwrightError
from mailwright.settings import effective_settings


def _own(
    *,
    config: Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one value in each line.")] = False,
) -> tuple[Path | None, bool]:
    return config, as_json


def config(**given: Any) -> None:
    """Show every setting, and where it comes from. Secrets are not shown."""
    flags = taken_settings(given)
    file, as_json = _own(**given)
    try:
        found = effective_settings(flags=flags, file=file or "")
    except MailwrightError as error:
        print_error(error, as_json=as_json)
        raise typer.Exit(exit_code_of(error)) from None
    Output(as_json).rows(
        ("setting", "value", "from"),
        [
            ((one.name, one.value, one.origin), {"name": one.name, "value": one.value, "origin": one.origin})
            for one in found
        ],
    )


set_parameters(config, [*settings_parameters(), *inspect.signature(_own).parameters.values()])
