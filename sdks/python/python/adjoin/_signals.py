# SPDX-License-Identifier: Apache-2.0
"""Waiting for the signal that ends a program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

_LOOK_S = 0.25
"""How late a signal is seen that comes when the interpreter has just looked for one, and the system not yet waits."""


def wait_for_signal(on_end: Callable[[Callable[[], None]], None], on_ready: Callable[[], object] | None) -> None:
    """Waits, in the main thread, for SIGINT, SIGTERM or the end; elsewhere for the end. A second SIGINT interrupts.

    Args:
        on_end: Takes what is to be called at the end.
        on_ready: Called once a signal would be seen.
    """
    ready = on_ready or (lambda: None)
    # A lock and not an event: in the middle of an event's wait, a signal's handler that sets it waits for ever.
    waiting = threading.Lock()
    waiting.acquire()

    def stop() -> None:
        with suppress(RuntimeError):  # somebody else did
            waiting.release()

    on_end(stop)
    if threading.current_thread() is not threading.main_thread():
        ready()
        waiting.acquire()
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    try:
        for number in before:
            signal.signal(number, on_signal)
        ready()
        while not waiting.acquire(timeout=_LOOK_S):
            pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
