# SPDX-License-Identifier: Apache-2.0
"""The native module: five calls. Batches cross as tuples; bindings/python/README.md has the table."""

from typing import Any, final

__all__ = ["Host", "__version__", "open"]

__version__: str

@final
class Host:
    """An open host: in-process, the served counterpart of a proxy, or a connection to one.

    Every method may be called from any thread. In a forked child every method raises ``Invalid`` and dropping the
    object does nothing.
    """

    def submit(self, batch: list[tuple[Any, ...]], /) -> None:
        """Hands frames and requests in, in order. Never blocks.

        Raises:
            adjoin.errors.Invalid: a tuple is none of the table, or the process was forked.
        """

    def poll(self, timeout_ms: int, /) -> list[tuple[Any, ...]]:
        """What there is to handle: waits up to ``timeout_ms`` (below 0: as long as it takes) with the GIL released.

        Empty when nothing came. After ``close`` what is left, then ``[(CLOSED,)]``, again and again. One thread polls
        at a time.
        """

    def wake_fd(self) -> int:
        """A file descriptor that is readable while something is to be polled, for ``loop.add_reader``."""

    def close(self) -> None:
        """Ends the host in order, with the GIL released: what it has begun is answered, so somebody must go on polling.

        Returns when that is done. A second call waits for the first and does nothing else.
        """

def open(settings: str, /) -> Host:
    """Opens a host as the settings, a JSON object, say. bindings/python/README.md lists them.

    Raises:
        adjoin.errors.Error: what is wrong: with the settings, the spec, the folder, an address.
    """
