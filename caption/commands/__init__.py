"""The commands of the command line, a file each; `caption.cli` puts them together."""
