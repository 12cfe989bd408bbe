"""Questions to spglib, whose "no answer" comes in two ways.

By default spglib warns of a crystal that it cannot handle and answers ``None``. It raises instead
where ``SPGLIB_OLD_ERROR_HANDLING`` is set to ``false`` in the environment, which any use of ASE's
``FixSymmetry`` does for the rest of the process, and which is to be the default one day. All of
gencsp asks through :func:`answer`, so that both mean the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import ase.utils
import spglib

__all__ = ["FIX_SYMMETRY_ERRORS", "answer"]

Question = ParamSpec("Question")
Answer = TypeVar("Answer")

#: How ASE's ``FixSymmetry`` refuses a crystal: older releases of spglib answer None for what they
#: cannot handle, and ASE trips over it or raises an error of its own; newer ones raise SpglibError.
FIX_SYMMETRY_ERRORS: tuple[type[Exception], ...] = (
    AttributeError,
    TypeError,
    ValueError,
    IndexError,
    spglib.SpglibError,
)
if hasattr(ase.utils, "OldSpglibError"):
    FIX_SYMMETRY_ERRORS += (ase.utils.OldSpglibError,)


def answer(
    ask: Callable[Question, Answer | None], *args: Question.args, **kwargs: Question.kwargs
) -> Answer | None:
    """What a function of spglib answers; ``None``, and no warning, where it has no answer.

    Args:
        ask: such as ``spglib.get_symmetry_dataset``.
        *args: what it is asked.
        **kwargs: its tolerances and the like.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return ask(*args, **kwargs)
        except spglib.SpglibError:
            return None
