"""``python -m ziggurat``: the command line, for where the script is not on the path."""

from ziggurat.cli.main import main

main()
