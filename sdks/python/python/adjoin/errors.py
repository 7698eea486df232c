# SPDX-License-Identifier: Apache-2.0
"""Everything that can go wrong, one class for each kind.

Every error says what happened and what to do (``message``), where (``context``), whether the command can have had an
effect (``outcome``) and, where trying again can help, after how long (``retry_after``, seconds). Only an error with
``outcome == "none"`` may be tried again without an idempotency key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, TypeAlias

Outcome: TypeAlias = Literal["none", "unknown"]

Code: TypeAlias = Literal[
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]
"""A canonical code of gRPC, by name."""

CODES: tuple[Code, ...] = Code.__args__  # type: ignore[attr-defined]
"""Every canonical code, by number from 1."""


class Error(Exception):
    """What every failure of adjoin is.

    Attributes:
        kind: What kind of failure; the name of the class that stands for it.
        message: What happened, where, and what to do about it.
        context: Where it happened: pairs such as ``{"entity": "shop.Cart/ada"}``.
        outcome: ``"none"``: no effect, it may be sent again. ``"unknown"``: it may have had its effect.
        code: The canonical code that a client sees.
        retry_after: Seconds after which trying again can help; ``None`` when unknown.
    """

    kind: ClassVar[str] = "Internal"
    _outcome: ClassVar[Outcome] = "none"
    _code: ClassVar[Code] = "INTERNAL"

    message: str
    context: dict[str, str]
    outcome: Outcome
    code: Code
    retry_after: float | None

    def __init__(
        self,
        message: str,
        *,
        code: Code | None = None,
        context: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        outcome: Outcome | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        if code is not None and code not in CODES:
            raise ValueError(f"{code!r} is no canonical code: use one of {', '.join(CODES)}")
        self.message = message if isinstance(message, str) else str(message)
        self.context = dict(context)
        self.outcome = outcome or self._outcome
        self.code = code or self._code
        self.retry_after = retry_after

    def __str__(self) -> str:
        where = ", ".join(f"{what}={value}" for what, value in self.context.items())
        return f"{self.message} [{where}]" if where else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments do not survive the default of Exception, which calls the class with ``args``.
        return (_unpickle, (type(self), self.message, self.__dict__))


class Invalid(Error):
    """The request, the settings or the definition of an entity are wrong."""

    kind = "Invalid"
    _code = "INVALID_ARGUMENT"


class NotFound(Error):
    """No such entity type, command or entity."""

    kind = "NotFound"
    _code = "NOT_FOUND"


class Rejected(Error):
    """The entity refuses the command; never tried again by the host.

    Raise it in a handler: ``raise Rejected("qty must be positive")``, with a canonical code where one fits better than
    ``FAILED_PRECONDITION``: ``raise Rejected("no p9 here", code="NOT_FOUND")``. The state is restored.
    """

    kind = "Rejected"
    _code = "FAILED_PRECONDITION"


class Conflict(Error):
    """The entity's sequence, or the payload under an idempotency key, differs."""

    kind = "Conflict"
    _code = "ABORTED"


class Denied(Error):
    """Not allowed, or not known who asks."""

    kind = "Denied"
    _code = "PERMISSION_DENIED"


class Exhausted(Error):
    """A bound is reached; try again after ``retry_after``."""

    kind = "Exhausted"
    _code = "RESOURCE_EXHAUSTED"


class Unavailable(Error):
    """Store, peer or function is down, or the shard is moving."""

    kind = "Unavailable"
    _code = "UNAVAILABLE"


class Expired(Error):
    """The deadline passed."""

    kind = "Expired"
    _outcome = "unknown"
    _code = "DEADLINE_EXCEEDED"


class Fenced(Error):
    """A newer epoch owns the shard."""

    kind = "Fenced"
    _code = "ABORTED"


class Corrupt(Error):
    """Stored data cannot be read."""

    kind = "Corrupt"
    _code = "DATA_LOSS"


class Protocol(Error):
    """A peer or a function broke the contract."""

    kind = "Protocol"
    _outcome = "unknown"


class Internal(Error):
    """An unexpected error in a handler, or a bug of adjoin."""

    kind = "Internal"


class ReadOnlyViolation(Internal):
    """A handler changed the state in another way than by ``emit``, or a query changed it at all.

    ``emit`` in a query always raises it; changes behind the back are looked for where ``check_state`` is on: in
    ``adjoin.testing``, under ``python -X dev`` and where ``ADJOIN_CHECK_STATE=1``.
    """


KINDS: dict[str, type[Error]] = {
    cls.kind: cls
    for cls in (
        Invalid,
        NotFound,
        Rejected,
        Conflict,
        Denied,
        Exhausted,
        Unavailable,
        Expired,
        Fenced,
        Corrupt,
        Protocol,
        Internal,
    )
}
"""The class of every kind, by name."""

WireError: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...], str, "str | None", "int | None"]
"""How an error crosses the binding: kind, message, context, outcome, code, milliseconds until a retry can help."""


def to_wire(error: Error) -> WireError:
    """The tuple that stands for ``error`` in a frame; a code travels only where it is not its kind's own."""
    own = error.code == KINDS[error.kind]._code
    retry = None if error.retry_after is None else round(error.retry_after * 1000)
    return (
        error.kind,
        _text(error.message),
        tuple((_text(what), _text(where)) for what, where in error.context.items()),
        error.outcome,
        None if own else error.code,
        retry,
    )


def from_wire(wire: WireError) -> Error:
    """The exception that stands for a frame's error; an unknown kind becomes ``Internal`` and keeps its text."""
    kind, message, context, outcome, code, retry = wire
    cls = KINDS.get(kind, Internal)
    return cls(
        message,
        code=code if code in CODES else None,
        context=context,
        outcome="unknown" if outcome == "unknown" else "none",
        retry_after=None if retry is None else retry / 1000,
    )


def _text(value: object) -> str:
    """The value as text that UTF-8 can carry, which a lone surrogate is not."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def _unpickle(cls: type[Error], message: str, attributes: dict[str, Any]) -> Error:
    error = cls(message)
    error.__dict__.update(attributes)
    return error
