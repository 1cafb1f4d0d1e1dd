"""`python -m tidemill.cli`: the same as the `tidemill` script, for subprocesses."""

from tidemill.cli.main import main

main()
