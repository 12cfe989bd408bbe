"""The base of all plug-ins: a class whose fields are its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from gencsp.deck import first_problem
from gencsp.errors import DeckError
from gencsp.plugins.choice import Choice


class Configured(BaseModel):
    """Base of all plug-ins: options are checked fields, set once, that decks and messages name.

    Attributes:
        kind: what the contract is called in messages, such as "filter"; set by its base class.
        name: under which the plug-in is found; the same as that of its entry point.
        main: option that ``NAME:VALUE`` sets; empty where there is none.
        executes: options that name what is executed: programs, files of code, models that are
            pickles, and addresses that exchange pickles. ``None`` stands for all options of a
            plug-in of another package, and for none of gencsp's own. A run folder that sets one
            of them is resumed only where its user allows it, see :mod:`gencsp.runs.trust`.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )

    kind: ClassVar[str] = "plug-in"
    name: ClassVar[str]
    main: ClassVar[str] = ""
    executes: ClassVar[tuple[str, ...] | None] = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From options, as a deck or a call names them.

        Raises:
            DeckError: an unknown option, a missing one, or a value out of range.
        """
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            key, sort, problem, value = first_problem(error)
            known = ", ".join(cls.model_fields) or "none"
            if not key:
                raise DeckError(
                    f"the options of the {cls.kind} '{cls.name}' do not go together: {problem}."
                ) from error
            if sort == "extra_forbidden":
                raise DeckError(
                    f"the {cls.kind} '{cls.name}' has no option '{key}': known are {known}."
                ) from error
            if sort == "missing":
                raise DeckError(f"the {cls.kind} '{cls.name}' needs the option '{key}'.") from error
            raise DeckError(
                f"option '{key}' of the {cls.kind} '{cls.name}' is {value!r}: {problem}."
            ) from error

    @classmethod
    def executed_options(cls) -> tuple[str, ...]:
        """The options that ``executes`` stands for."""
        if cls.executes is not None:
            return cls.executes
        return () if cls.__module__.startswith("gencsp.") else tuple(cls.model_fields)

    def build(self, context: Any) -> Any:  # noqa: ARG002
        """Make the object that fulfils the contract from these options and the context of the run.

        A class that fulfils its contract itself leaves this as it is. One that holds only the
        options of something larger (a model to load, the state of a strategy) makes that here.

        Args:
            context: of the contract, such as :class:`gencsp.searches.moves.Tools`; ``None`` for
                contracts without one.
        """
        return self

    @property
    def text(self) -> str:
        """Name and options that differ from the defaults, for the manifest of a run."""
        options = self.model_dump(mode="json", exclude_defaults=True)
        return str(Choice.of(self.name, options))
