"""The targets, one a file; `fuzz.target.NAMES` lists them."""
