# SPDX-License-Identifier: Apache-2.0
"""A value entity in one line, for a value that has no rules: ``Visits = adjoin.value("shop.Visits", int)``."""

from __future__ import annotations

import copy
import dataclasses
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from adjoin._entity import Value
from adjoin._marks import command, query
from adjoin.errors import Invalid

T = TypeVar("T")


class Single(Value, Generic[T]):
    """What ``adjoin.value`` makes: an entity with one field, ``value``."""

    if TYPE_CHECKING:
        value: T

        def get(self) -> T:
            """The value; the initial one if it was never set."""
            ...

        def set(self, value: T) -> None:
            """Replaces the value."""


def value(name: str, tp: type[T], /, *, default: T | None = None) -> type[Single[T]]:
    """Makes an entity class that holds one value, with the command ``set`` and the query ``get``.

        Visits = adjoin.value("shop.Visits", int)

        app = adjoin.App(Cart, Visits)
        rt.entity(Visits, "today").set(3)
        n = rt.call(Visits.get, "today")

    Who reads, computes and writes back may overwrite another one's value: give ``if_sequence=``, or write a class with
    a command that does it, where nobody comes in between.

    Args:
        name: The stored name of the type.
        tp: The type of the value, which JSON must be able to carry.
        default: The initial value; by default what ``tp()`` gives.

    Raises:
        Invalid: when there is no initial value.
    """
    initial = _initial(name, tp, default)

    def get(self: Any) -> Any:
        """The value; the initial one if it was never set."""
        return self.value

    def set(self: Any, value: Any) -> None:
        """Replaces the value."""
        self.value = value

    get.__annotations__ = {"return": tp}
    set.__annotations__ = {"value": tp, "return": None}
    members = {
        "__annotations__": {"value": tp},
        "__doc__": f"One {getattr(tp, '__name__', tp)}.",
        "__module__": sys._getframe(1).f_globals.get("__name__", __name__),
        "value": dataclasses.field(default_factory=initial),
        "get": query(get),
        "set": command(set),
    }
    made = types.new_class(name.rpartition(".")[2], (Single,), {"name": name}, lambda body: body.update(members))
    for member in (get, set):
        member.__qualname__ = f"{made.__qualname__}.{member.__name__}"
    return dataclasses.dataclass(made)


def _initial(name: str, tp: Callable[[], T], default: T | None) -> Callable[[], T]:
    """Makes the initial value, a new one each time."""
    if default is not None:
        return lambda: copy.deepcopy(default)
    try:
        tp()
    except TypeError as error:
        raise Invalid(f"{name}: {tp} has no value without arguments: give default=") from error
    return tp
