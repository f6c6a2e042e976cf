"""The command line. Each command lives in a module of its own and imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from xpcs_dash.errors import XpcsDashError

__all__ = ["build_app", "main"]


def build_app() -> typer.Typer:
    """Assemble the command line from the modules that each add their commands."""
    from importlib import import_module

    app = typer.Typer(
        name="xpcs-dash",
        help="A live dashboard for XPCS beamlines.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(lambda: None)  # keeps the commands' names even where there is only one
    for name in MODULES:
        import_module(f"xpcs_dash.cli.{name}").add_to(app)
    return app


#: Modules with a function ``add_to(app)``, in the order of the help text.
MODULES: tuple[str, ...] = ("serve", "doctor", "inspect", "convert", "export", "mask", "fit", "token")

#: Base of every usage error; typer may bring its own copy of click.
_CLICK_ERROR: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def main(argv: list[str] | None = None) -> int:
    """Run one command: 0 good, 1 one clear line on stderr, 2 usage."""
    try:
        code = build_app()(args=argv, standalone_mode=False)
    except XpcsDashError as err:
        print(f"xpcs-dash: {' '.join(str(err).split())}", file=sys.stderr)
        sys.exit(1)
    except MemoryError:
        print("xpcs-dash: there is not enough memory for this; ask for less, or free some.", file=sys.stderr)
        sys.exit(1)
    except _CLICK_ERROR as err:
        err.show()
        sys.exit(err.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as err:
        if os.environ.get("XPCS_DASH_LOG_LEVEL", "").lower() == "debug":
            raise
        said = " ".join(str(err).split())
        print(
            f"xpcs-dash: something went wrong in this program ({type(err).__name__}: {said}); "
            "with XPCS_DASH_LOG_LEVEL=debug it says where.",
            file=sys.stderr,
        )
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
