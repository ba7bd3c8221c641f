"""Functions that are compiled to machine code (Numba), for loops that arrays are no use for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(signature: str) -> Callable[[Function], Function]:
    """Compiles for just these types as the module is imported; the interpreter is free meanwhile.

    What is compiled is kept beside the source, or in the user's cache where that can't be written:
    seconds at the first import, tens of milliseconds from then on.
    """

    def compile_(function: Function) -> Function:
        try:
            made = njit(signature, cache=True, nogil=True)(function)
        except RuntimeError:  # nowhere to keep it
            made = njit(signature, nogil=True)(function)
        return cast(Function, made)

    return compile_
