"""Coverage-guided fuzzing of everything that reads bytes from strangers.

`target.py` says what a target is, `targets/` has one a file, `__main__.py` is `make fuzz`.
"""
