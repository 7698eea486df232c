# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, NewType, Optional, TypedDict, TypeVar

import adjoin
import attrs
import msgspec
import pydantic
import pydantic.alias_generators
import pytest
from adjoin._codec import READ_ERRORS, WRITE_ERRORS, codec_for

T = TypeVar("T")


@dataclass
class Item:
    product: str
    unit_price: float = 0.0
    gift_note: str | None = None
    qty: int = 1


@dataclass
class Tree(Generic[T]):
    value: T
    kids: list[Tree[T]] = field(default_factory=list)


@dataclass
class Renamed:
    amount: int = field(default=1, metadata=adjoin.named(aliases=["quantity", "qty"]))
    place: str = field(default="", metadata=adjoin.named("where"))


@attrs.define
class Attrs:
    some_name: int
    note: Optional[str]  # noqa: UP045
    many: list[int] = attrs.Factory(list)


class Struct(msgspec.Struct):
    some_name: int = 3
    other: str = msgspec.field(default="", name="O-ther")


class Row(TypedDict):
    raw_key: int
    item: Item


class Model(pydantic.BaseModel):
    product: str
    note: str | None = None


class Camel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(alias_generator=pydantic.alias_generators.to_camel, populate_by_name=True)
    unit_price: int = pydantic.Field(ge=1)


class Snake(pydantic.BaseModel):
    unit_price: int


class Colour(enum.Enum):
    RED = "red"


UserId = NewType("UserId", str)

CASES: list[tuple[Any, Any, bytes]] = [
    (Item, Item("p1"), b'{"product":"p1","qty":1,"unitPrice":0.0}'),
    (Item, Item("p1", 0.1, "for ada"), b'{"giftNote":"for ada","product":"p1","qty":1,"unitPrice":0.1}'),
    (list[Item], [Item("ü")], '[{"product":"ü","qty":1,"unitPrice":0.0}]'.encode()),
    (dict[str, Item | None], {"b": None, "a": Item("x")}, b'{"a":{"product":"x","qty":1,"unitPrice":0.0},"b":null}'),
    (Tree[int], Tree(1, [Tree(2)]), b'{"kids":[{"kids":[],"value":2}],"value":1}'),
    (Renamed, Renamed(4, "here"), b'{"amount":4,"where":"here"}'),
    (Attrs, Attrs(1, None, [2]), b'{"many":[2],"someName":1}'),
    (Struct, Struct(other="x"), b'{"O-ther":"x","someName":3}'),
    (Row, {"raw_key": 1, "item": Item("p")}, b'{"item":{"product":"p","qty":1,"unitPrice":0.0},"raw_key":1}'),
    (Model, Model(product="p"), b'{"product":"p"}'),
    (list[Camel], [Camel(unit_price=3)], b'[{"unitPrice":3}]'),
    (set[int], {3, 1, 2}, b"[1,2,3]"),
    (dict[str, int], {"b": 1, "B": 2, "ä": 3, "a": 4}, '{"B":2,"a":4,"b":1,"ä":3}'.encode()),
    (tuple[int, ...], (1, 2), b"[1,2]"),
    (Colour, Colour.RED, b'"red"'),
    (UserId, UserId("u"), b'"u"'),
    (datetime.date, datetime.date(2026, 2, 3), b'"2026-02-03"'),
    (decimal.Decimal, decimal.Decimal("1.50"), b'"1.50"'),
    (uuid.UUID, uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
    (bytes, b"\x00\xff", b'"AP8="'),
    (float, 1e16, b"1e16"),
    (None, None, b"null"),
    (int | str, "5", b'"5"'),
]


@pytest.mark.parametrize(("tp", "value", "data"), CASES)
def test_a_value_has_one_canonical_form_and_comes_back_from_it(tp: Any, value: Any, data: bytes) -> None:
    codec = codec_for(tp)
    assert codec.encode(value) == data
    assert codec.decode(data) == value


def test_a_missing_optional_reads_as_none_and_unknown_fields_are_ignored() -> None:
    assert codec_for(Attrs).decode(b'{"someName":1,"later":{}}') == Attrs(1, None)
    assert codec_for(Item).decode(b'{"product":"p","giftNote":null}') == Item("p")


def test_an_optional_that_reads_as_something_else_is_written_as_null() -> None:
    @dataclass
    class Odd:
        note: str | None = "none yet"

    codec = codec_for(Odd)
    assert codec.encode(Odd(None)) == b'{"note":null}'
    assert codec.decode(codec.encode(Odd(None))) == Odd(None)


def test_fields_are_read_under_their_older_names() -> None:
    assert codec_for(Renamed).decode(b'{"quantity":7}') == Renamed(7)
    assert codec_for(list[Renamed]).decode(b'[{"qty":8},{"amount":9}]') == [Renamed(8), Renamed(9)]


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**64, 2**100])
@pytest.mark.parametrize("tp", [int, Any, int | None])
def test_integers_beyond_what_json_readers_keep_travel_as_strings(tp: Any, number: int) -> None:
    codec = codec_for(tp)
    data = codec.encode(number)
    assert data == f'"{number}"'.encode()
    assert codec.decode(data) == (str(number) if tp is Any else number)


def test_long_integers_come_back_from_inside_classes_and_digits_of_strings_stay() -> None:
    @dataclass
    class Long:
        card: str
        n: int
        more: dict[str, list[int]]
        bounded: Annotated[int, msgspec.Meta(ge=0, le=2**60)] = 0

    value = Long("4111111111111111", 2**60, {"a": [1, 2**55]}, 2**59)
    data = codec_for(Long).encode(value)
    assert b'"card":"4111111111111111"' in data
    assert b'"n":"1152921504606846976"' in data
    assert codec_for(Long).decode(data) == value


@pytest.mark.parametrize(("tp", "data"), [
    (int, b'"5"'), (int, b"true"), (int, b'"99"'), (int, b"1.5"), (str, b"5"), (Item, b'{"product":1}'), (Item, b"[]"),
    (Item, b"{}"), (Model, b'{"product":4}'), (Camel, b'{"unitPrice":0}'), (int, b""), (int, b"{"), (str, b'"\xff"'),
    (Colour, b'"blue"'), (int, b"[" * 100_000),
])  # fmt: skip
def test_json_that_does_not_fit_is_refused(tp: Any, data: bytes) -> None:
    with pytest.raises(READ_ERRORS):
        codec_for(tp).decode(data)


@pytest.mark.parametrize(("tp", "value"), [
    (int, "5"), (int, True), (str, 5), (Item, Item(3)), (list[Item], [1]), (Item, {"product": "p"}),  # type: ignore[arg-type]
    (dict[str, int], {1: 1}), (Model, {"product": "p"}), (int, object()), (Any, object()), (float, "x"),
])  # fmt: skip
def test_values_that_do_not_fit_their_hint_are_refused(tp: Any, value: Any) -> None:
    with pytest.raises(WRITE_ERRORS):
        codec_for(tp).encode(value)


def test_a_field_that_would_not_come_back_is_refused() -> None:
    @dataclass
    class Lost:
        total: int = field(init=False, default=0)

    with pytest.raises(adjoin.Invalid, match=r"Lost.total is init=False"):
        codec_for(Lost)


def test_a_pydantic_name_that_differs_between_languages_is_refused() -> None:
    with pytest.raises(adjoin.Invalid, match=r"Snake.unit_price would be 'unit_price'.*alias_generator"):
        codec_for(dict[str, Snake])


def test_post_init_of_a_dataclass_checks_what_is_read() -> None:
    @dataclass
    class Positive:
        some_number: int

        def __post_init__(self) -> None:
            if self.some_number < 1:
                raise ValueError("must be positive")

    assert codec_for(Positive).decode(b'{"someNumber":1}') == Positive(1)
    with pytest.raises(msgspec.ValidationError, match="must be positive"):
        codec_for(Positive).decode(b'{"someNumber":0}')
