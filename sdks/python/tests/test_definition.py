# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import collections.abc
import datetime
import json
import typing
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import adjoin
import pytest
import shop
from adjoin import Context, Invalid, command, event, query
from adjoin._definition import definition_of, handler_of


@dataclass
class Fact:
    n: int = 0


def test_the_spec_of_the_shop_says_what_a_host_must_know() -> None:
    spec = shop.app.spec()
    assert spec["sdk"] == f"adjoin-python {adjoin.__version__}"
    cart, profile, mailer = spec["types"]
    assert (cart["name"], cart["kind"], cart["snapshot_every"]) == ("shop.Cart", "event-sourced", 100)
    assert (profile["kind"], mailer["kind"]) == ("value", "action")
    assert [handler["name"] for handler in cart["handlers"]] == ["addItem", "removeItem", "checkOut", "contents"]
    assert [handler["query"] for handler in cart["handlers"]] == [False, False, False, True]
    assert cart["readable_events"] == ["CheckedOut", "ItemAdded", "ItemRemoved"]
    assert cart["summary"] == "What somebody is about to buy."
    assert cart["handlers"][0]["summary"] == "Puts an item in and returns how many products there are."
    assert [handler["streamed_out"] for handler in mailer["handlers"]] == [False, True]


def test_schemas_follow_the_type_hints_in_the_order_of_declaration() -> None:
    cart, profile, _ = shop.app.spec()["types"]
    schema = json.loads(cart["handlers"][0]["input_schema"])
    assert schema["x-adjoin-params"] == ["item"]
    item = schema["$defs"]["Item"]
    assert list(item["properties"]) == ["product", "name", "qty"]
    assert item["required"] == ["product", "name"]
    assert item["properties"]["qty"] == {"type": "integer", "default": 1}
    assert json.loads(cart["handlers"][0]["output_schema"]) == {"type": "integer"}
    assert json.loads(cart["handlers"][2]["input_schema"]) == {"x-adjoin-params": []}
    assert json.loads(cart["event_schemas"])["ItemRemoved"]["$defs"]["ItemRemoved"]["required"] == ["product"]
    assert json.loads(profile["state_schema"])["$defs"]["Profile"]["properties"]["email"]["type"] == "string"
    assert json.loads(profile["handlers"][0]["input_schema"])["x-adjoin-params"] == ["email"]


def test_several_arguments_are_an_object_by_name() -> None:
    class Asks(adjoin.Action, name="t.Asks"):
        @command
        def two(self, first_name: str, ctx: Context, *, times: int = 2, tags: list[str] = []) -> str:  # noqa: B006
            return f"{first_name * times} {tags} {ctx.entity_key}"

    handler = definition_of(Asks).handlers["two"]
    schema = handler.body.schema()
    assert schema["x-adjoin-params"] == ["firstName", "times", "tags"]
    assert list(schema["properties"]) == ["firstName", "times", "tags"]
    assert schema["required"] == ["firstName"]
    assert handler.body.encode(("a",), {"times": 3}) == b'{"firstName":"a","tags":[],"times":3}'
    assert handler.body.decode(b'{"firstName":"b"}') == ("b", 2, [])


def test_a_single_argument_is_the_body_and_may_have_a_default() -> None:
    class Asks(adjoin.Action, name="t.One"):
        @command
        def one(self, days: int = 7) -> int:
            return days

    body = definition_of(Asks).handlers["one"].body
    assert body.schema() == {"type": "integer", "default": 7, "x-adjoin-params": ["days"]}
    assert body.decode(b"") == (7,)
    assert body.decode(b"3") == (3,)
    assert body.encode((), {}) == b"7"
    for wrong in ((1, 2), ("x",)):
        with pytest.raises(Invalid, match=r"t.One/one"):
            body.encode(wrong, {})


@pytest.mark.parametrize(("data", "fits"), [(b"", True), (b"null", True), (b"{}", True), (b"1", False)])
def test_a_handler_without_arguments_takes_no_body(data: bytes, fits: bool) -> None:
    body = definition_of(shop.Cart).handlers["checkOut"].body
    if fits:
        assert body.decode(data) == ()
    else:
        with pytest.raises(Exception, match="no body"):
            body.decode(data)


def test_slots_and_inheritance_are_fine() -> None:
    class Audited(adjoin.EventSourced, name="t.Base"):
        @query
        def seen(self) -> int:
            return getattr(self, "n", 0)

    @dataclass(slots=True)
    class Counted(Audited, name="t.Counted"):
        n: int = 0

        @command(name="count-up")
        def up(self) -> None:
            self.emit(Fact(1))

        @event
        def on_fact(self, e: Fact) -> None:
            self.n += e.n

    definition = definition_of(Counted)
    assert definition.name == "t.Counted"
    assert list(definition.handlers) == ["seen", "count-up"]
    assert handler_of(Counted.up).where == "t.Counted/count-up"
    with pytest.raises(Invalid, match=r"belongs to .*, so the call does not say to whom"):
        handler_of(Counted.seen)  # Audited has it too


def loose() -> Any:
    class Loose(adjoin.EventSourced):
        n: int = 0

    return Loose


def required() -> Any:
    @dataclass
    class Required(adjoin.EventSourced):
        n: int

    return Required


def streaming() -> Any:
    @dataclass
    class Streaming(adjoin.Value):
        n: int = 0

        @command
        def many(self) -> Iterator[int]:
            yield 1

    return Streaming


def streamed_in() -> Any:
    class StreamedIn(adjoin.Action):
        @command
        async def upload(self, parts: AsyncIterator[bytes], name: str) -> None: ...

    return StreamedIn


def bare_stream(hint: Any, *, reply: bool = False) -> Callable[[], Any]:
    """A handler that takes a stream of it does not say what, or replies one."""

    def make() -> Any:
        def handle(self: Any, parts: Any) -> Any: ...

        handle.__annotations__ = {"return": hint} if reply else {"parts": hint}
        return type("Bare", (adjoin.Action,), {"handle": command(handle)})

    return make


def asking() -> Any:
    class Asking(adjoin.Action):
        @query
        def what(self) -> int:
            return 1

    return Asking


def async_applier() -> Any:
    @dataclass
    class AsyncApplier(adjoin.EventSourced):
        @event
        async def on(self, e: Fact) -> None: ...

    return AsyncApplier


def no_applier_type() -> Any:
    class Untyped(adjoin.EventSourced):
        @event
        def on(self, e) -> None: ...  # type: ignore[no-untyped-def]

    return Untyped


def twice() -> Any:
    class Twice(adjoin.EventSourced):
        @event
        def one(self, e: Fact) -> None: ...

        @event
        def two(self, e: Fact) -> None: ...

    return Twice


def same_name() -> Any:
    class SameName(adjoin.Action):
        @command
        def add_item(self) -> None: ...

        @command
        def addItem(self) -> None: ...

    return SameName


def starred() -> Any:
    class Starred(adjoin.Action):
        @command
        def all(self, *things: int) -> None: ...

    return Starred


def unstorable() -> Any:
    @dataclass
    class Unstorable(adjoin.Value):
        call: Callable[[], int] | None = None

    return Unstorable


def valueless() -> Any:
    class Valueless(adjoin.Value):
        pass

    return Valueless


def eventful_value() -> Any:
    @dataclass
    class Eventful(adjoin.Value):
        n: int = 0

        @event
        def on(self, e: Fact) -> None: ...

    return Eventful


def bad_name() -> Any:
    class BadName(adjoin.Action, name="shop Cart"):
        pass

    return BadName


def upcaster_with_self() -> Any:
    class Upcaster(adjoin.EventSourced):
        @adjoin.upcast("Old")
        def up(self, old: dict[str, Any]) -> Fact:
            return Fact()

    return Upcaster


@pytest.mark.parametrize(("make", "says"), [
    (loose, "n but is no dataclass: write @dataclass above it"),
    (required, r"Required.n needs a default"),
    (streaming, "streams, which only actions do"),
    (streamed_in, "parts is a stream, which is the whole body: it stands alone"),
    (bare_stream(typing.Iterator), r"parts is a stream: say what it is a stream of: Iterator\[int\]"),
    (bare_stream(typing.AsyncIterator), "say what it is a stream of"),
    (bare_stream(collections.abc.Iterator), "say what it is a stream of"),
    (bare_stream(collections.abc.AsyncIterable), "say what it is a stream of"),
    (bare_stream(Generator[int, None, None]), r"parts is no Generator, .* write Iterator\[…\]"),
    (bare_stream(collections.abc.AsyncGenerator), r"parts is no AsyncGenerator, .* write AsyncIterator"),
    (bare_stream(typing.Iterator, reply=True), "its reply is a stream: say what it is a stream of"),
    (bare_stream(collections.abc.AsyncIterator, reply=True), "its reply is a stream: say what it is a stream of"),
    (asking, "is a query of an action"),
    (async_applier, "cannot be async"),
    (no_applier_type, "annotated with the event's class"),
    (twice, "has an applier already"),
    (same_name, "declared twice"),
    (starred, r"\*things has no place in a body"),
    (unstorable, "cannot be stored as JSON"),
    (valueless, "has no fields"),
    (eventful_value, "only event-sourced entities have events"),
    (bad_name, "cannot name a entity type|cannot name an entity type"),
    (upcaster_with_self, "write @staticmethod below @upcast"),
])  # fmt: skip
def test_a_definition_that_cannot_work_is_refused_and_says_what_to_do(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        adjoin.App(make())


def test_what_is_not_there_yet_is_refused_with_the_reason() -> None:
    for base in ("Replicated", "View", "Workflow"):
        with pytest.raises(Invalid, match="come with a later version"):
            type("Mine", (getattr(adjoin, base),), {})
    with pytest.raises(Invalid, match="comes with replicated entities"):
        adjoin.ORSet  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        adjoin.Nothing  # type: ignore[attr-defined]
    with pytest.raises(Invalid, match="timers come with a later version"):
        shop.Cart().after(datetime.timedelta(minutes=1))


def test_an_app_needs_entity_classes_with_names_of_their_own() -> None:
    with pytest.raises(Invalid, match="at least one"):
        adjoin.App()
    with pytest.raises(Invalid, match="is no entity class"):
        adjoin.App(int)

    class Other(adjoin.Action, name="shop.Mailer"): ...

    with pytest.raises(Invalid, match=r"shop.Mailer is declared twice"):
        adjoin.App(shop.Mailer, Other)


def test_a_snapshots_name_follows_the_fields_and_nothing_else() -> None:
    def shape(**fields: Any) -> str:
        namespace = {"__annotations__": {name: type(value) for name, value in fields.items()}, **fields}
        cls = dataclass(type("Shape", (adjoin.EventSourced,), {"__doc__": f"{fields}", **namespace}))
        return definition_of(cls).snapshot_schema

    assert shape(a=1) == shape(a=1)
    assert shape(a=1) != shape(a=1, b="")
    assert shape(a=1) != shape(a="")


def test_a_state_that_json_cannot_carry_is_fine_without_snapshots() -> None:
    class Opaque:
        pass

    @dataclass
    class Held(adjoin.EventSourced, name="t.Held"):
        opaque: Opaque = field(default_factory=Opaque)

    Held.__annotations__["opaque"] = Opaque  # a class of a function, which its name cannot find
    definition = definition_of(Held)
    assert definition.state is None
    assert definition.spec()["state_schema"] == ""
