"""What click lacks for our verbs: described arguments, and help that keeps whole sentences and our order."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


class Argument(click.Argument):
    """An argument that says in the help what it is."""

    def __init__(self, declarations: Sequence[str], *, about: str, **settings: Any) -> None:
        super().__init__(declarations, **settings)
        self.about = f"{about}  [required]" if self.required else about
        if self.metavar is None:
            self.metavar = self.name if self.required else f"[{self.name}]"


def argument(name: str, about: str, **settings: Any) -> Callable[[Function], Function]:
    """Gives a verb an argument."""
    return click.argument(name, cls=Argument, about=about, **settings)


class Command(click.Command):
    """A verb; its help describes arguments above options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the arguments and the options."""
        arguments = [part for part in self.get_params(ctx) if isinstance(part, Argument)]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl([(part.metavar or "", part.about) for part in arguments])
        super().format_options(ctx, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Returns the first paragraph of the help, whole: a list of verbs has room for two lines."""
        del limit
        return " ".join(inspect.cleandoc(self.help or "").partition("\n\n")[0].split())


class Group(Command, click.Group):
    """A verb with verbs below it, listed in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns their names."""
        return list(self.commands)
