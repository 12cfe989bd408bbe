"""The registry of one contract: its plug-ins, found by their entry points."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from inspect import isclass
from typing import Any, Generic, TypeVar

from gencsp.errors import GencspError, PluginError, RequestError
from gencsp.plugins.choice import Choice
from gencsp.plugins.configured import Configured

T = TypeVar("T")


class Registry(Generic[T]):
    """The plug-ins of one contract, found by the entry points of one group.

    Args:
        group: of the entry points, such as ``gencsp.moves``.
        kind: what one of them is called in messages, such as "move".
        contract: the type that what they make must be; protocols are checked for their members.
        error: raised where there is none of a name.
        hint: how else one can be given; the end of that message.
    """

    def __init__(
        self,
        group: str,
        *,
        kind: str,
        contract: type[Any],
        error: type[GencspError] = RequestError,
        hint: str = "",
    ) -> None:
        self.group = group
        self.kind = kind
        self.contract = contract
        self.error = error
        self.hint = hint
        self._points: dict[str, list[EntryPoint]] | None = None

    def __contains__(self, name: object) -> bool:
        return name in self._registered()

    def names(self) -> tuple[str, ...]:
        """Names of all plug-ins of this contract, sorted; none of them is loaded."""
        return tuple(sorted(self._registered()))

    def refresh(self) -> None:
        """Look for entry points again: for packages installed while the process runs."""
        self._points = None

    def get(self, name: str) -> type[Configured]:
        """The class of a plug-in.

        Raises:
            GencspError: of the class ``error``, where there is none of this name.
            PluginError: two packages offer it, or it cannot be loaded or is no plug-in.
        """
        return self._load(self._only(name))

    def make(
        self,
        given: str | Mapping[str, Any] | Choice,
        options: Mapping[str, Any] | None = None,
        *,
        context: object = None,
    ) -> T:
        """Make the object of a plug-in from its options.

        Args:
            given: its name; text or a table may hold options as well.
            options: of the plug-in, beside those.
            context: what the run provides, as the contract says.

        Raises:
            GencspError: as :meth:`get`, and whatever the plug-in raises of that class.
            DeckError: an option that is unknown, missing or out of range.
            PluginError: what it makes does not fulfil the contract.
        """
        made = self.configure(given, options).build(context)
        if not isinstance(made, self.contract):
            name = Choice.read(given).name
            missing = _missing(made, self.contract)
            lacks = f" has no {' and no '.join(missing)}" if missing else " is of another type"
            raise PluginError(
                f"the {self.kind} '{name}' of the package '{self._package(name)}' makes a "
                f"{type(made).__name__} that{lacks}: it is no {self.kind}."
            )
        fulfils: T = made
        return fulfils

    def configure(
        self, given: str | Mapping[str, Any] | Choice, options: Mapping[str, Any] | None = None
    ) -> Configured:
        """A plug-in with its options checked, before anything is made of it; as :meth:`make`."""
        choice = Choice.read(given)
        plugin = self.get(choice.name)
        values = {**choice.options, **(options or {})}
        if choice.value:
            if not plugin.main:
                raise self.error(
                    f"there is no {self.kind} '{choice}': '{choice.name}' takes nothing but named "
                    f"options, such as {choice.name}:KEY=VALUE."
                )
            values.setdefault(plugin.main, choice.value)
        return plugin.from_options(values)

    def choose(self, given: str | Mapping[str, Any] | Choice) -> Choice:
        """A choice with its options checked; as :meth:`configure`.

        Options that equal their defaults are left out, so that what does the same is equal. What is
        named without options is not loaded: it might import much.
        """
        choice = Choice.read(given)
        if not choice.value and not choice.options:
            self._only(choice.name)
            return choice
        plugin = self.configure(choice)
        return Choice.of(plugin.name, plugin.model_dump(mode="json", exclude_defaults=True))

    def _only(self, name: str) -> EntryPoint:
        points = self._registered().get(name, [])
        if not points:
            raise self.error(
                f"there is no {self.kind} '{name}': choose from {', '.join(self.names())}"
                f"{self.hint}."
            )
        if len({point.value for point in points}) > 1:
            packages = " and ".join(sorted(f"'{_package_of(point)}'" for point in points))
            raise PluginError(
                f"the packages {packages} both offer a {self.kind} '{name}': uninstall one of them."
            )
        return points[0]

    def _load(self, point: EntryPoint) -> type[Configured]:
        try:
            found = point.load()
        except Exception as error:  # somebody else's module: anything can be raised
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise PluginError(
                f"{self._where(point)} cannot be loaded ({reason}): install what it needs, or "
                f"uninstall it."
            ) from error
        if not (isclass(found) and issubclass(found, Configured)):
            what = found.__name__ if isclass(found) else type(found).__name__
            raise PluginError(
                f"{self._where(point)} is no plug-in: {point.value} is a {what}, and no class that "
                f"derives from gencsp.plugins.Configured."
            )
        if getattr(found, "name", "") != point.name or found.kind != self.kind:
            own = getattr(found, "name", "")
            raise PluginError(
                f"{self._where(point)} calls itself the {found.kind} '{own}': give the class the "
                f"name of its entry point, and the base of a {self.kind}."
            )
        return found

    def _where(self, point: EntryPoint) -> str:
        # Reads the metadata of the package, which takes a millisecond, for messages alone.
        return f"the {self.kind} '{point.name}' of the package '{_package_of(point)}'"

    def _package(self, name: str) -> str:
        return _package_of(self._only(name))

    def _registered(self) -> Mapping[str, list[EntryPoint]]:
        if self._points is None:
            points: dict[str, list[EntryPoint]] = {}
            for point in entry_points(group=self.group):
                points.setdefault(point.name, []).append(point)
            self._points = points
        return self._points


def plugin_names(group: str) -> tuple[str, ...]:
    """Names of all plug-ins of a group of entry points, sorted; none of them is loaded."""
    return tuple(sorted(entry_points(group=group).names))


def _package_of(point: EntryPoint) -> str:
    """Name of the distribution, or of the module where there is none."""
    return point.dist.name if point.dist is not None else point.module.partition(".")[0]


def _missing(made: object, contract: type[Any]) -> list[str]:
    """Members of a contract that an object does not have."""
    wanted = {"__call__"} & set(vars(contract))
    for base in contract.__mro__[:-1]:
        own = {*vars(base), *vars(base).get("__annotations__", {})}
        wanted |= {name for name in own if not name.startswith("_")}
    return sorted(f"'{name}'" for name in wanted if not hasattr(made, name))
