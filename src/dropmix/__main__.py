"""`python -m dropmix` is the command line, as `dropmix` is."""

from dropmix.cli import main

main()
