"""`python -m promptseg` is the command `promptseg`."""

import sys


def main() -> None:
    """Runs the command; an interrupt while it is still being imported ends as quietly as a later one."""
    try:
        from promptseg.cli import app

        app.main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
