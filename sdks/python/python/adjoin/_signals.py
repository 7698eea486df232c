# SPDX-License-Identifier: Apache-2.0
"""Waiting for the signal that ends a program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType


def wait_for_signal(on_end: Callable[[Callable[[], None]], None], on_ready: Callable[[], object] | None) -> None:
    """Waits, in the main thread, for SIGINT, SIGTERM or the end; elsewhere for the end. A second SIGINT interrupts.

    Args:
        on_end: Takes what is to be called at the end.
        on_ready: Called once a signal would be seen.
    """
    ready = on_ready or (lambda: None)
    stop = threading.Event()
    on_end(stop.set)
    if threading.current_thread() is not threading.main_thread():
        ready()
        stop.wait()
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.set()

    try:
        for number in before:
            signal.signal(number, on_signal)
        ready()
        stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
