"""`python -m promptseg` is the command `promptseg`."""

from promptseg.cli.app import main

main()
