"""The core opcodes, a family a file."""
