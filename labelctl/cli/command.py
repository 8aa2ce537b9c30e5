"""A command of the program: its parameters with the common options, checks, and the help's layout."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from labelctl.cli import help_layout
from labelctl.cli.options import OUTPUTS, common_options
from labelctl.errors import UsageError


class CliCommand(TyperCommand):
    """A command that also takes the common options.

    A command may declare its own -o (an output file); --output then has no short form.
    """

    def __init__(self, *args: Any, params: list[Any] | None = None, **more: Any) -> None:
        own = params or []
        self._file_option = next((param.name for param in own if "-o" in param.opts), None)
        super().__init__(*args, params=[*own, *common_options(self._file_option is None)], **more)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if getattr(error, "ctx", ctx) is None:  # of an option without its value, for example
                error.ctx = ctx  # type: ignore[attr-defined]  # whose help the message suggests
            raise

    def invoke(self, ctx: Any) -> Any:
        self._check_paths(ctx)
        self._check_file_option(ctx)
        return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the usage line: PATH..., where Typer would write {PATH...}."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        help_layout.write_command(self, ctx, formatter)

    def _check_paths(self, ctx: Any) -> None:
        """Refuse an empty path (an unset shell variable): pathlib takes it for this folder."""
        for param in self.params:
            value = ctx.params.get(param.name)
            paths = value if isinstance(value, list | tuple) else [value]
            if param.type.name == "path" and "" in paths:
                name = param.opts[0] if param.param_type_name == "option" else "A path"
                file = (param.metavar or "").startswith("FILE")
                raise UsageError(
                    f"{name} is empty.",
                    "Give a file name." if file else "Give a path, or a dot (.) for this folder.",
                )

    def _check_file_option(self, ctx: Any) -> None:
        """Refuse `-o json` where -o is a file: the user means --output."""
        file = ctx.params[self._file_option] if self._file_option else None
        if file and str(file) in OUTPUTS:
            raise UsageError(
                f"In this command -o names the output file, and {file} is an output format.",
                f"Use the long option: --output {file}",
            )
