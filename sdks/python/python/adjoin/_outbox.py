# SPDX-License-Identifier: Apache-2.0
"""Frames on their way to the host, gathered so that many leave in one call."""

from __future__ import annotations

import threading
from collections.abc import Callable

from adjoin._frames import Frame

FULL = 64
"""Frames that are not held back any longer."""


class Outbox:
    """Answers of handlers, in the order they were given.

    Anybody may ``append``; whoever has nothing else to do calls ``flush``. A handler that blocks holds back nobody's
    answer, since the next one who takes over flushes first.
    """

    __slots__ = ("_frames", "_lock", "_submit", "append")

    def __init__(self, submit: Callable[[list[Frame]], None]) -> None:
        self._submit = submit
        self._frames: list[Frame] = []
        self._lock = threading.Lock()
        self.append = self._frames.append

    def __len__(self) -> int:
        return len(self._frames)

    def flush(self) -> None:
        """Submits what is there. The lock keeps two flushes, and so two answers of one entity, in order."""
        if not self._frames:
            return
        with self._lock:
            # Not a swap: an append may be under way on this very list in another thread.
            batch = self._frames[:]
            del self._frames[: len(batch)]
            if batch:
                self._submit(batch)
