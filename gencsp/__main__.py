"""The program ``gencsp``, also ``python -m gencsp``: a signal ends it in one sentence.

Only what Python has loaded anyway is imported before signals are looked after, because importing
the commands takes as long as many of them run.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, NoReturn

#: Signals that ask a program to end: Ctrl-C, and what batch systems and ``kill`` send.
ENDING = (signal.SIGINT, signal.SIGTERM)
#: Seconds in which the program ends in its own way; a signal after that ends it at once.
PATIENCE = 2.0
#: Seconds after which an interrupt is raised again that came where Python drops all errors.
AGAIN = 0.05

_SHOW_CURSOR = b"\x1b[?25h"


class Ending:
    """What happens when a signal asks the program to end.

    The first one is raised as ``KeyboardInterrupt`` in the main thread, which closes what is open
    on its way out. Those that follow within ``PATIENCE`` seconds change nothing: Ctrl-C is often
    pressed twice, and batch systems signal every process of a group and then the group. A later one
    ends the program at once, which loses no more than a kill does.

    Attributes:
        signal: the first one; ``None`` before.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._since = 0.0

    def watch(self) -> None:
        """Look after signals from now on, but for those that the program began with ignored.

        A shell ignores Ctrl-C for what it runs in the background.
        """
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._asked)
        sys.unraisablehook = self._dropped

    def close(self) -> None:
        """Let signals end the program silently: everything has been said and written."""
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)

    def leave(self, sentence: str = "") -> NoReturn:
        """End the program with the status of a signal, and say so if nobody has."""
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
        if os.isatty(2):
            os.write(2, _SHOW_CURSOR)
        if sentence:
            os.write(2, f"gencsp: {sentence}\n".encode())
        # Past the end of the interpreter, in which a further signal would leave a traceback.
        os._exit(128 + (self.signal or signal.SIGINT))

    def _asked(self, number: int, _: FrameType | None) -> None:
        if self.signal is None:
            self.signal, self._since = number, time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._since > PATIENCE:
            self.leave("stopped at once.")

    def _dropped(self, lost: Any) -> None:
        """Raise an interrupt again that came in a finaliser or a callback, where none gets out."""
        if self.signal is None or not isinstance(lost.exc_value, KeyboardInterrupt):
            sys.__unraisablehook__(lost)
            return
        number, self.signal = self.signal, None
        threading.Timer(AGAIN, os.kill, (os.getpid(), number)).start()


def main() -> None:
    """Run the command that the command line names."""
    ending = Ending()
    try:
        ending.watch()
        status = _run(ending)
        if ending.signal is not None:
            ending.leave()
        ending.close()
    except KeyboardInterrupt:
        ending.leave("stopped.")
    sys.exit(status)


def _run(ending: Ending) -> Any:
    """The exit status of the command."""
    try:
        from gencsp.cli import app

        app()
    except SystemExit as end:
        return end.code
    except KeyboardInterrupt:
        raise
    except BaseException:
        if ending.signal is None:
            raise
        # Modules whose loading is interrupted, among others, raise something else.
        ending.leave("stopped.")
    return 0


if __name__ == "__main__":
    main()
