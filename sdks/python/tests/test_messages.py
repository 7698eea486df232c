# SPDX-License-Identifier: Apache-2.0
"""Messages in states, snapshots and journals; events of any type; what happens when they cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import adjoin
import msgspec
import pytest
import stall
from adjoin import Rejected, _messages, command, event, query, upcast
from adjoin._codec import codec_for
from adjoin._definition import definition_of
from adjoin._frames import Function
from adjoin.testing import kit
from google.protobuf import any_pb2
from scripted import Scripted
from stall import Profiles, pb

ANY = "type.googleapis.com/google.protobuf.Any"
ITEM = pb.Item(product="book", quantity=2, notes={"b": "2", "a": "1"})


@dataclass
class Kept:
    item: pb.Item = field(default_factory=pb.Item)
    by_name: dict[str, pb.Count] = field(default_factory=dict)
    maybe: pb.Mail | None = None


def test_a_message_within_json_is_its_bytes_in_base64() -> None:
    codec = codec_for(Kept)
    kept = Kept(ITEM, {"a": pb.Count(count=1)})
    data = codec.encode(kept)
    assert data == codec.encode(Kept(pb.Item.FromString(ITEM.SerializeToString()), {"a": pb.Count(count=1)}))
    assert msgspec.json.decode(data)["byName"] == {"a": "CAE="}
    assert codec.decode(data) == kept
    for wrong in (b'{"item":7}', b'{"item":"-"}', b'{"item":"/w=="}'):
        with pytest.raises(msgspec.ValidationError):
            codec.decode(wrong)
    with pytest.raises(msgspec.ValidationError, match="Count"):
        codec.encode(Kept(by_name={"a": pb.Mail()}))


def test_a_message_alone_is_its_bytes() -> None:
    codec = codec_for(pb.Item)
    assert codec.decode(codec.encode(ITEM)) == ITEM
    with pytest.raises(msgspec.ValidationError, match=r"no market\.v1\.Item"):
        codec.decode(b"\xff")


class Anything(adjoin.EventSourced, service="market.v1.Profiles", name="t.Anything"):
    """Applies one type of event itself, and every other as an Any."""

    state: pb.Profile

    @command
    def change_email(self, request: pb.ChangeEmailRequest) -> pb.Profile:
        match request.user:
            case "any":
                self.emit(any_pb2.Any(type_url="json.example/Thing", value=b"{}"))
            case "known":
                self.emit(any_pb2.Any(type_url="type.googleapis.com/market.v1.Mail", value=b""))
            case "nothing":
                self.emit(any_pb2.Any())
            case _:
                self.emit(pb.Mail(to=request.email))
        return self.state

    @command
    def get_profile(self, request: pb.GetProfileRequest) -> pb.Profile:
        self.emit(any_pb2.Any(type_url="json.example/Thing", value=b"{}"))
        raise Rejected("after all not")

    @command
    def forget(self, request: pb.GetProfileRequest) -> None: ...

    @event
    def sent(self, event: pb.Mail) -> None:
        self.state.email = event.to

    @event
    def other(self, event: any_pb2.Any) -> None:
        self.state.email = event.type_url
        self.state.changes += 1

    @upcast("market.v1.Count")
    @staticmethod
    def from_count(old: pb.Count) -> pb.Mail:
        return pb.Mail(to=str(old.count))


def change(user: str) -> pb.ChangeEmailRequest:
    return pb.ChangeEmailRequest(user=user, email="ada@x")


def test_events_of_any_type_are_journalled_as_they_are() -> None:
    assert definition_of(Anything).spec()["reads_any_event"]
    thing = any_pb2.Any(type_url="json.example/Thing", value=b"{}")
    kit(Anything).when(Anything.change_email, change("any")).then(thing).replies(
        pb.Profile(email="json.example/Thing", changes=1)
    )
    kit(Anything).given(thing).when(Anything.get_profile, pb.GetProfileRequest()).rejected().when(
        Anything.change_email, change("any")
    ).replies(pb.Profile(email="json.example/Thing", changes=2))
    kit(Anything).when(Anything.change_email, change("ada")).then(pb.Mail(to="ada@x"))
    other = kit(Anything).stored("market.v1.Item", ITEM.SerializeToString()).state.state
    assert other == pb.Profile(email="type.googleapis.com/market.v1.Item", changes=1)
    assert kit(Anything).stored("market.v1.Count", pb.Count(count=7).SerializeToString()).state.state.email == "7"


def test_an_any_hides_no_event_that_has_an_applier() -> None:
    kit(Anything).when(Anything.change_email, change("known")).failed(adjoin.Invalid, "emit the event itself")
    kit(Anything).when(Anything.change_email, change("nothing")).failed(adjoin.Invalid, "without type_url")


def test_a_reply_that_is_none_needs_a_hint_that_says_so() -> None:
    class Wrong(adjoin.Action, service="market.v1.Profiles", name="t.None"):
        @command
        def change_email(self, request: pb.ChangeEmailRequest) -> pb.Profile:
            nothing: Any = None
            return nothing

        @command
        def get_profile(self, request: pb.GetProfileRequest) -> pb.Profile | None: ...
        @command
        def forget(self, request: pb.GetProfileRequest) -> None: ...

    kit(Wrong).when(Wrong.change_email, change("ada")).failed(adjoin.Internal, "does not fit its type hint")
    kit(Wrong).when(Wrong.get_profile, pb.GetProfileRequest()).replies(None)


def test_a_stored_value_of_another_type_is_named(scripted: Callable[..., Scripted]) -> None:
    host = scripted(Profiles)
    host.activate(1, "market.Profile", state=("json", b"{}"))
    frame = host.first(lambda frame: frame[0] == Function.ACTIVATION_FAILED)
    assert "the stored state json cannot be read: this version reads market.v1.Profile" in frame[2][1]


def test_values_cross_the_binding_as_records(scripted: Callable[..., Scripted]) -> None:
    host = scripted(Profiles)
    saved = pb.Profile(email="x", changes=4)
    host.activate(1, "market.Profile", state=("market.v1.Profile", saved.SerializeToString()))
    answer = host.answer(host.command(1, "ChangeEmail", pb.ChangeEmailRequest(email="a@b").SerializeToString()))
    changed = pb.Profile(email="a@b", changes=5).SerializeToString()
    assert answer[3] == ("type.googleapis.com/market.v1.Profile", changed)
    assert answer[5] == ("market.v1.Profile", changed)


def test_a_body_that_is_no_message_is_invalid(scripted: Callable[..., Scripted]) -> None:
    host = scripted(Profiles)
    host.activate(1, "market.Profile")
    answer = host.answer(host.command(1, "ChangeEmail", b"\xff"))
    assert answer[0] == Function.FAILURE and answer[3][0] == "Invalid"
    assert "the body of market.Profile/ChangeEmail: no market.v1.ChangeEmailRequest" in answer[3][1]


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\xff"])
def test_an_any_that_is_none_is_invalid(scripted: Callable[..., Scripted], body: bytes) -> None:
    host = scripted(stall.Listeners)
    answer = host.answer(host.command(0, "OnOther", body, entity=("market.Listener", "-"), type_name=ANY))
    assert answer[0] == Function.FAILURE and answer[3][0] == "Invalid", answer


def test_what_newer_services_add_is_passed_over(scripted: Callable[..., Scripted]) -> None:
    assert _messages.read_json(pb.Count, b'{"count": 2, "since": "today"}') == pb.Count(count=2)
    host = scripted(stall.Mailers)
    answer = host.answer(host.command(0, "Nothing", b"\x08\x01", entity=("market.Mailer", "-")))
    assert answer[0] == Function.REPLY, answer


def test_an_any_names_its_type_after_a_slash() -> None:
    class Odd(adjoin.EventSourced, service="market.v1.Profiles", name="t.Odd"):
        @command
        def change_email(self, request: pb.ChangeEmailRequest) -> pb.Profile:
            self.emit(any_pb2.Any(type_url="Foo"))
            return pb.Profile()

        @query
        def get_profile(self, request: pb.GetProfileRequest) -> pb.Profile: ...
        @command
        def forget(self, request: pb.GetProfileRequest) -> None: ...
        @event
        def other(self, event: any_pb2.Any) -> None: ...

    kit(Odd).when(Odd.change_email, change("ada")).failed(adjoin.Invalid, "an Any with the type_url 'Foo'")
