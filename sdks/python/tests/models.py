# SPDX-License-Identifier: Apache-2.0
"""Asks the model services of ``conformance/interop/python`` in this process: ``python models.py DESCRIPTORS``."""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[3] / "conformance/interop/python"))

import action
import adjoin
import cart
import eventlog
import eventsourced
import service
import valueentity


def post(rt: adjoin.Runtime, path: str, body: Any) -> Any:
    """Over HTTP, by the routes of the contract."""
    headers = {"content-type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{rt.http}{path}", json.dumps(body).encode(), headers)
    ) as reply:
        return json.load(reply)


def until(fact: Any) -> None:
    """Waits until something is so."""
    deadline, rest = time.monotonic() + 20, threading.Event()
    while not fact():
        assert time.monotonic() < deadline, "not in time"
        rest.wait(0.02)


def event_sourced(rt: adjoin.Runtime) -> None:
    def does(*actions: dict[str, Any], id: str = "es") -> str:
        answer: str = post(rt, f"/tck/model/eventsourced/{id}", {"actions": list(actions)})["message"]
        return answer

    assert does(*({"emit": {"value": letter}} for letter in "abc")) == "abc"
    assert does({"forward": {"id": "two"}}) == ""
    assert does({"effect": {"id": "two", "synchronous": True}}, {"emit": {"value": "d"}}) == "abcd"
    pb = eventsourced.pb
    refused = pb.Request(
        id="es", actions=[pb.RequestAction(emit=pb.Emit(value="x")), pb.RequestAction(fail=pb.Fail(message="no"))]
    )
    try:
        rt.call(eventsourced.Model.process, "es", refused)
        raise AssertionError("it was to be refused")
    except adjoin.Rejected as error:
        assert error.message == "no"
    assert does() == "abcd"


def values(rt: adjoin.Runtime) -> None:
    def does(*actions: dict[str, Any]) -> str:
        answer: str = post(rt, "/tck/model/entity/ve", {"actions": list(actions)})["message"]
        return answer

    assert does({"update": {"value": "one"}}) == "one"
    assert does({"update": {"value": "x"}}, {"delete": {}}) == ""
    assert does({"delete": {}}, {"update": {"value": "two"}}) == "two"
    assert does({"forward": {"id": "two"}}) == ""
    assert does() == "two"


def actions(rt: adjoin.Runtime) -> None:
    pb = action.pb

    def groups(*messages: str) -> Any:
        return pb.Request(groups=[{"steps": [{"reply": {"message": message}}]} for message in messages])

    assert rt.call(action.Model.process_unary, "-", groups("a", "b")).message == "b"
    assert rt.call(action.Model.process_unary, "-", pb.Request()) is None
    assert rt.call(action.Model.process_streamed_in, "-", iter([groups("a"), groups("b")])).message == "b"
    assert [reply.message for reply in rt.stream(action.Model.process_streamed_out, "-", groups("a", "b"))] == [
        "a",
        "b",
    ]
    both = rt.stream(action.Model.process_streamed, "-", iter([groups("a"), groups("b", "c")]))
    assert [reply.message for reply in both] == ["a", "b", "c"]


def events(rt: adjoin.Runtime) -> None:
    told: list[tuple[str, str]] = []
    answer = eventlog.answer

    def noted(step: Any, ctx: adjoin.Context) -> Any:
        told.append((eventlog.subject(ctx), step.reply.message))
        return answer(step, ctx)

    eventlog.answer = noted
    pb = eventlog.pb
    one = pb.EmitEventRequest(id="one", event_one=pb.EventOne(step={"reply": {"message": "hello"}}))
    rt.call(eventlog.One.emit_event, "one", one)
    until(lambda: told == [("one", "hello")])
    said: list[str] = []
    json_of = eventlog.unwrapped

    def seen(data: bytes) -> str:
        said.append(json_of(data))
        return said[-1]

    eventlog.unwrapped = seen
    rt.call(eventlog.Two.emit_json_event, "two", pb.JsonEvent(id="two", message="json"))
    until(lambda: said and json.loads(said[0]) == {"id": "two", "message": "json"})


def carts(rt: adjoin.Runtime) -> None:
    assert post(rt, "/carts/ada/items", {"productId": "p", "name": "Pen", "quantity": 2}) == {}
    with urllib.request.urlopen(f"{rt.http}/carts/ada/items") as reply:
        assert json.load(reply) == [{"productId": "p", "name": "Pen", "quantity": 2}]
    rt.call(cart.Cart.remove_item, "ada", cart.pb.RemoveItemRequest(user_id="ada", product_id="p"))
    assert not rt.call(cart.Cart.get_cart, "ada", cart.pb.GetCartRequest(user_id="ada")).items


configured = {one["name"]: one["passivate_after_ms"] for one in service.app.spec()["types"]}
assert configured["event-sourced-configured"] == configured["value-entity-configured"] == 100
assert valueentity.Model._options.name == "value-entity-tck-model"
with service.app.open(http="127.0.0.1:0", check_state=True) as runtime:
    for part in (event_sourced, values, actions, events, carts):
        part(runtime)
print("all as the contracts say")
