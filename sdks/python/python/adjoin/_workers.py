# SPDX-License-Identifier: Apache-2.0
"""Threads that run sync handlers.

One worker polls the host, then runs what came itself: between two entities no thread has to wake. Whoever is about
to block – or is seen to, by the watch – is relieved first: another worker takes the rest and the polling over. So a
handler that calls another entity never waits for a frame in its own batch, and a slow one delays others by
milliseconds.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Protocol

from adjoin.errors import Exhausted

_log = logging.getLogger("adjoin")

_TICK_S = 0.001
"""How long an item may run before the watch looks for somebody else."""

_QUIET_TICKS = 100
"""Ticks without work after which the watch sleeps until it is called."""

_IDLE_S = 20.0
"""How long a worker without work stays."""

_MOST = 1024
"""Threads in all, those that wait for other entities included."""


class Item(Protocol):
    """Something to run."""

    def work(self) -> None: ...


Duty = Callable[[], "Iterable[Item] | None"]
"""Waits for more items; ``None`` when there will be none."""


_mine = threading.local()


def blocked() -> AbstractContextManager[None]:
    """Around waiting for an answer. In a worker, whichever runtime the answer comes from, another one takes its place.

    Raises:
        Exhausted: more threads wait than a process should have.
    """
    workers: Workers | None = getattr(_mine, "workers", None)
    return nullcontext() if workers is None else workers.without_me()


class Workers:
    """Threads for items. ``running`` bounds those that run at once; those that wait for other entities come on top."""

    def __init__(self, duty: Duty | None, flush: Callable[[], None], running: int = 32) -> None:
        self._duty = duty
        self._flush = flush
        self._most_running = running
        self._lock = threading.Lock()
        self._ready: deque[Item] = deque()
        self._parked: list[threading.Lock] = []
        self._on_duty = duty is None
        self._threads: dict[int, threading.Thread] = {}
        self._starting = 0
        self._blocked = 0
        self._polling = False
        self._steps = 0  # items finished: no progress between two ticks means somebody is stuck
        self._closed = False
        self._watch_asleep = False
        self._watch_call = threading.Lock()
        self._watch_call.acquire()
        self._watch = threading.Thread(target=self._watching, name="adjoin-watch", daemon=True)

    @property
    def here(self) -> bool:
        """Whether this thread is a worker."""
        return threading.get_ident() in self._threads

    def start(self) -> None:
        """Starts the first worker."""
        self._watch.start()
        self._wake_one()

    def put(self, items: Iterable[Item]) -> None:
        """Hands items in, from outside the workers. A worker that runs will find them; the watch sees to it if not."""
        self._ready.extend(items)
        if not self._ready:
            return
        with self._lock:
            away = len(self._parked) + self._blocked + self._polling
            hot = len(self._threads) + self._starting - away
        if hot <= 0:
            self._wake_one()
        self._rouse()

    def relieve(self) -> None:
        """Lets somebody else take over what this worker would do next: it is about to block."""
        self._flush()
        if self._ready or not self._on_duty:
            self._wake_one()

    @contextmanager
    def without_me(self) -> Iterator[None]:
        """Around a wait of this worker: another one takes its place.

        Raises:
            Exhausted: more threads wait than a process should have.
        """
        if len(self._threads) >= _MOST:
            raise Exhausted(
                f"{_MOST} threads wait for other entities: make handlers that call others async", retry_after=1
            )
        with self._lock:
            self._blocked += 1
        self.relieve()
        try:
            yield
        finally:
            with self._lock:
                self._blocked -= 1

    def close(self, wait_s: float) -> bool:
        """Ends the threads once they have nothing left to run; whether all did within ``wait_s`` each."""
        self._closed = True
        self._call_watch()
        self._unpark()
        me = threading.get_ident()
        others = [thread for ident, thread in list(self._threads.items()) if ident != me]
        for thread in [*others, self._watch]:
            if thread.is_alive() and thread.ident != me:
                thread.join(wait_s)
        return not any(thread.is_alive() for thread in others)

    def _wake_one(self) -> None:
        """Wakes a parked worker, or starts one if so many may run."""
        with self._lock:
            if self._parked:
                self._parked.pop().release()
                return
            running = len(self._threads) + self._starting - self._blocked
            if running >= self._most_running or self._closed:
                return
            self._starting += 1
        try:
            threading.Thread(target=self._main, name="adjoin-worker", daemon=True).start()
        except RuntimeError:  # the system has no more threads: those that are there go on
            _log.exception("adjoin: no thread for another worker")
            with self._lock:
                self._starting -= 1

    def _main(self) -> None:
        ident = threading.get_ident()
        _mine.workers = self
        with self._lock:
            self._threads[ident] = threading.current_thread()
            self._starting -= 1
        try:
            while self._step():
                pass
        finally:
            with self._lock:
                del self._threads[ident]

    def _step(self) -> bool:
        """Runs an item, does the duty or parks; whether to go on."""
        try:
            item = self._ready.popleft()
        except IndexError:
            self._flush()
            return self._without_item()
        try:
            item.work()
        except Exception:  # a bug of adjoin: handlers' exceptions are answers by now
            _log.exception("adjoin: an item failed")
        self._steps += 1
        return True

    def _without_item(self) -> bool:
        with self._lock:
            if self._ready:
                return True
            if not self._on_duty:
                self._on_duty = self._polling = True
                parked = None
            elif self._closed:
                return False
            else:
                parked = threading.Lock()
                parked.acquire()
                self._parked.append(parked)
        return self._do_duty() if parked is None else self._park(parked)

    def _do_duty(self) -> bool:
        assert self._duty is not None
        try:
            items = self._duty()
        finally:
            self._polling = False
        if items is None:
            # The duty stays taken, so that nobody polls again; parked workers see the end.
            self._closed = True
            self._unpark()
            return True
        self._ready.extend(items)
        self._on_duty = False
        if self._ready:
            self._rouse()
        return True

    def _park(self, lock: threading.Lock) -> bool:
        if lock.acquire(timeout=_IDLE_S):
            return True
        with self._lock:
            if lock not in self._parked:
                return True  # woken at this very moment
            if len(self._threads) - self._blocked <= 2:
                self._parked.remove(lock)
                return True
            self._parked.remove(lock)
            return False

    def _unpark(self) -> None:
        with self._lock:
            parked, self._parked = self._parked, []
        for lock in parked:
            lock.release()

    def _rouse(self) -> None:
        if self._watch_asleep:
            self._call_watch()

    def _call_watch(self) -> None:
        self._watch_asleep = False
        with suppress(RuntimeError):  # somebody else called it at this moment
            self._watch_call.release()

    def _watching(self) -> None:
        quiet, steps = 0, -1
        while not self._closed:
            if quiet >= _QUIET_TICKS:
                self._watch_asleep = True
                if not self._ready and self._on_duty:  # else something came before it was asleep
                    self._watch_call.acquire()
                self._watch_asleep, quiet = False, 0
            elif self._watch_call.acquire(timeout=_TICK_S):
                continue
            wanting = bool(self._ready) or not self._on_duty
            if wanting and steps == self._steps:
                self._flush()
                self._wake_one()
            quiet = 0 if wanting or steps != self._steps else quiet + 1
            steps = self._steps
