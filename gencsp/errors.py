"""Every error that a user of gencsp can meet.

Each class says when it arises; each message says what to do next. The command line prints the
message as one sentence and exits with a non-zero status; scripts catch :class:`GencspError`.
"""

from __future__ import annotations


class GencspError(Exception):
    """Base class of all errors that gencsp raises on purpose."""


class CompositionError(GencspError, ValueError):
    """A formula that cannot be read, an unknown element, or a count that is not positive."""


class RequestError(GencspError, ValueError):
    """A setting out of its range, or a request whose parts disagree, such as unknown guests."""


class InpainterError(RequestError):
    """A proposer that makes whole crystals alone, where one is needed that completes a host."""


class WrongTypeError(RequestError, TypeError):
    """An object of a type that a call or a setting does not take."""


class StructureFileError(GencspError, ValueError):
    """A file of structures that is missing, empty or unreadable."""


class PartlyOccupiedError(StructureFileError):
    """A file whose crystal has sites that are occupied in part, or by several elements."""


class WeightsError(GencspError, RuntimeError):
    """Weights, a checkpoint or a shipped table: missing, changed, newer, or of another kind."""


class EngineError(GencspError, RuntimeError):
    """A relaxation engine that is not available here."""


class HullReferenceError(GencspError, RuntimeError):
    """Hull references missing for an element, or of another model or pressure than the energy."""


class StoreError(GencspError, RuntimeError):
    """A run folder that holds another run, cannot be written, or has no space left."""


class DamageError(StoreError):
    """A run whose database does not hold what was written to it."""


class TrustError(GencspError, RuntimeError):
    """A folder of somebody else whose settings or files would be executed, which nobody allowed."""


class DeckError(GencspError, ValueError):
    """A deck, or the options of a plug-in: an unknown key, a missing one, a value out of range."""


class TrainingDataError(GencspError, ValueError):
    """Training data with a held-out formula, unknown element or wrong label, or nothing at all."""


class TrainingError(GencspError, RuntimeError):
    """A training that has diverged."""


class ConstraintError(GencspError, ValueError):
    """A constraint on an Atoms object that the reverse diffusion, or a relaxation, cannot hold."""


class WorkerError(GencspError, RuntimeError):
    """A worker process that ended unexpectedly; what was finished is kept."""


class ExportError(GencspError, ValueError):
    """A pool of which nothing can be handed to another code, or a code that is not known."""


class ExecutorError(GencspError, RuntimeError):
    """An executor that is not known, whose package is missing, or that cannot start."""


class ProgramError(GencspError, RuntimeError):
    """An external program that is missing, cannot be started, or leaves nothing that is usable."""


class PotentialError(GencspError, ValueError):
    """A potential that is not known, whose package is missing, or that cannot be loaded."""


class DftError(GencspError, ValueError):
    """A calculation that cannot be written or run: no such code, or something that it needs."""


class PluginError(GencspError, RuntimeError):
    """A plug-in that cannot be loaded, breaks its contract, or that two packages offer."""


class SourceError(GencspError, RuntimeError):
    """A database on the web that cannot be reached, refuses the key, or answers in another form."""


class ReportError(GencspError, RuntimeError):
    """A report page cannot be made: a part of it that ships with gencsp is missing or changed."""


class ReferenceWarning(UserWarning):
    """Hull references at a pressure that lack some crystals, or that cannot be kept."""


class PatternError(GencspError, ValueError):
    """A powder pattern that cannot be read or compared, or a wavelength that is none."""


class SuiteError(GencspError, ValueError):
    """A benchmark suite that is not there, whose known crystals are not, or results of another."""


class UnitError(GencspError, ValueError):
    """A rigid unit that cannot be made, is not in the formula, or does not fit cell or site."""


class NoRoomError(UnitError):
    """Rigid units that found no room in any of many cells that were drawn, or in one given cell."""


class NearestFormulaWarning(UserWarning):
    """A formula with broken numbers, in whose place that of the nearest cell is taken."""


class UnreadableResultWarning(UserWarning):
    """A result of another code that cannot be read, and is left out."""


class TargetWarning(UserWarning):
    """A target property beyond what the model was trained on."""
