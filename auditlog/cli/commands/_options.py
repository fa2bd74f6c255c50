"""
Options that several commands have alike.
"""

from __future__ import annotations

import click


config_file = click.option(
    "-c",
    "--config",
    "file",
    type=click.Path(dir_okay=False),
    help="A YAML or TOML file, read before the environment.",
)

json_flag = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

color_option = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Whether to use colours; auto does on a terminal without NO_COLOR.",
)
