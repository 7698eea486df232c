# SPDX-License-Identifier: Apache-2.0
"""Forms beside the usual ones: those that are taken, and those that are refused with the reason (decision 0005)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import adjoin
import pydantic
import pytest
from adjoin import Conflict, Invalid, command, event, query
from adjoin.testing import kit

Visits = adjoin.value("t.Visits", int)
Tags = adjoin.value("t.Tags", list[str], default=["new"])


def test_a_value_in_one_line_is_an_entity() -> None:
    kit(Visits).when(Visits.get).replies(0).when(Visits.set, 3).when(Visits.get).replies(3)
    with pytest.raises(Invalid, match=r"t.Visits/set: Expected `int`"):
        kit(Visits).when(Visits.set, "three")  # type: ignore[arg-type]
    kit(Tags).when(Tags.get).replies(["new"]).given(Tags(["a"])).when(Tags.get).replies(["a"])  # type: ignore[call-arg]
    assert adjoin.App(Visits).spec()["types"][0]["name"] == "t.Visits"
    assert (Visits.__name__, Visits.__module__, Visits.set.__qualname__) == ("Visits", __name__, "Visits.set")


def test_values_in_one_line_are_kept_and_do_not_share(tmp_path: Path) -> None:
    app = adjoin.App(Visits, Tags)
    with app.open(tmp_path) as rt:
        rt.entity(Visits, "today").set(3)
        rt.entity(Tags, "ada").set(["b", "c"])
        rt.call(Visits.set, "today", 4, if_sequence=1)
        with pytest.raises(Conflict):
            rt.call(Visits.set, "today", 4, if_sequence=1)
    with app.open(tmp_path) as rt:
        assert (rt.call(Visits.get, "today"), rt.call(Visits.get, "never")) == (4, 0)
        assert (rt.entity(Tags, "ada").get(), rt.entity(Tags, "eve").get()) == (["b", "c"], ["new"])


def test_a_value_without_an_initial_one_is_refused() -> None:
    class Two:
        def __init__(self, one: int) -> None: ...

    with pytest.raises(Invalid, match=r"t.Two: .* give default="):
        adjoin.value("t.Two", Two)
    with pytest.raises(Invalid, match="cannot be stored as JSON"):
        adjoin.App(adjoin.value("t.Opaque", object, default=object()))


class Line(pydantic.BaseModel):
    product: str
    qty: int = pydantic.Field(default=1, ge=1)


class LineAdded(pydantic.BaseModel):
    line: Line


@dataclass
class Basket(adjoin.EventSourced, name="t.Basket", snapshot_every=2):
    """Arguments, events and fields of the state are pydantic models."""

    lines: list[Line] = field(default_factory=list)

    @command
    def add(self, line: Line) -> Line:
        self.emit(LineAdded(line=line))
        return line

    @query
    def all(self) -> list[Line]:
        return self.lines

    @event
    def on_added(self, e: LineAdded) -> None:
        self.lines.append(e.line)


def test_arguments_events_and_state_may_be_pydantic_models(tmp_path: Path) -> None:
    pen = Line(product="pen")
    kit(Basket).when(Basket.add, pen).then(LineAdded(line=pen)).replies(pen)
    app = adjoin.App(Basket)
    for opened in range(3):
        with app.open(tmp_path, check_state=True) as rt:
            assert rt.call(Basket.all, "ada") == [pen] * opened * 3
            for _ in range(3):
                rt.call(Basket.add, "ada", pen)


def test_a_command_that_says_it_is_idempotent_is_refused_with_the_reason() -> None:
    with pytest.raises(Invalid, match=r"sends no command a second time by itself.*idempotency_key"):
        command(idempotent=True)  # type: ignore[call-overload]


def test_a_virtual_clock_is_refused_with_the_reason(adjoin_rt: Any) -> None:
    with pytest.raises(Invalid, match="comes with timers"):
        kit(Visits, clock=object())  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="comes with timers"):
        adjoin_rt(Visits, clock=object())
