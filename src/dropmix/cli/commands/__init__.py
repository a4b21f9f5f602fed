"""One file per command, imported in the order in which `dropmix --help` lists them."""
