"""Benchmarks: each compares with a baseline in the same run, `python -m analysis bench NAME`.

A benchmark is a package with a module `command` (`add_arguments`, `run` and a docstring for its
help); its other modules are its parts, the pure ones (`figures`) apart from the measurement. They
use the laboratory (`netem`, `traces`), which the server never imports.
"""
