"""`python -m dropmix` runs the command line, as `dropmix` does."""

from dropmix.cli import main

main()
