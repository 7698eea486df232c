# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a contract-first class is said as it is defined: what, where, what to do."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import adjoin
import google.protobuf
import pytest
import stall  # loads the contract
import tomllib
from adjoin import _messages, command, event, query
from adjoin._definition import definition_of
from conftest import SDK
from google.protobuf import any_pb2, descriptor_pb2
from stall import pb

PROFILES = pb.DESCRIPTOR.services_by_name["Profiles"]
MAILERS = "market.v1.Mailers"
LISTENERS = "market.v1.Listeners"


def profiles(**handlers: Any) -> type:
    """A class for the service of three RPCs, with some of its handlers replaced or, by ``None``, left out."""

    def change_email(self: Any, request: pb.ChangeEmailRequest) -> pb.Profile: ...
    def get_profile(self: Any, request: pb.GetProfileRequest) -> pb.Profile: ...
    def forget(self: Any, request: pb.GetProfileRequest) -> None: ...

    all = {"change_email": change_email, "get_profile": get_profile, "forget": forget, **handlers}
    marked = {name: command(handler) for name, handler in all.items() if handler is not None}
    return type(adjoin.Action)("Wrong", (adjoin.Action,), marked, service=PROFILES, name="t.Wrong")


def test_a_class_that_fits_is_taken() -> None:
    assert set(definition_of(profiles()).handlers) == {"ChangeEmail", "GetProfile", "Forget"}


def test_an_rpc_without_a_handler_is_named() -> None:
    with pytest.raises(adjoin.Invalid, match=r"Wrong has no handler for market\.v1\.Profiles\.Forget: add .* forget"):
        profiles(forget=None)


def test_a_handler_without_an_rpc_is_named() -> None:
    def forget_all(self: Any, request: pb.GetProfileRequest) -> None: ...

    with pytest.raises(adjoin.Invalid, match=r"Wrong\.forget_all: no RPC of market\.v1\.Profiles .*ChangeEmail, Get"):
        profiles(forget_all=forget_all)


def other_input(self: Any, request: pb.GetProfileRequest) -> pb.Profile: ...
def other_output(self: Any, request: pb.ChangeEmailRequest) -> pb.Mail: ...
def no_output(self: Any, request: pb.ChangeEmailRequest) -> None: ...
def untyped(self: Any, request):  # type: ignore[no-untyped-def]
    ...
def no_input(self: Any) -> pb.Profile: ...
def two(self: Any, request: pb.ChangeEmailRequest, more: pb.Mail) -> pb.Profile: ...
def streams(self: Any, request: pb.ChangeEmailRequest) -> Iterator[pb.Profile]: ...
def takes(self: Any, requests: Iterator[pb.ChangeEmailRequest]) -> pb.Profile: ...


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (other_input, "takes market.v1.GetProfileRequest, but market.v1.Profiles.ChangeEmail takes market.v1.Ch"),
        (other_output, "gives market.v1.Mail, but market.v1.Profiles.ChangeEmail gives market.v1.Profile: annotate"),
        (no_output, "gives nothing, but market.v1.Profiles.ChangeEmail gives market.v1.Profile"),
        (untyped, "takes Any, but market.v1.Profiles.ChangeEmail takes market.v1.ChangeEmailRequest"),
        (no_input, "takes nothing, but market.v1.Profiles.ChangeEmail takes market.v1.ChangeEmailRequest"),
        (two, "has 2 arguments, but market.v1.Profiles.ChangeEmail takes one message"),
        (streams, "gives a stream, but market.v1.Profiles.ChangeEmail gives one message: return the one reply"),
        (takes, "takes a stream, but market.v1.Profiles.ChangeEmail takes one message: write the message alone"),
    ],
)  # fmt: skip
def test_a_handler_that_differs_from_its_contract_is_named(handler: Callable[..., Any], said: str) -> None:
    with pytest.raises(adjoin.Invalid, match=r"t\.Wrong\.change_email " + re.escape(said)):
        profiles(change_email=handler)


def test_a_stream_that_is_missing_is_named() -> None:
    with pytest.raises(adjoin.Invalid, match=r"digest gives one message, but .*Digest gives a stream: yield"):

        class Mailers(adjoin.Action, service=MAILERS, name="t.Mailers"):
            @command
            def send(self, mail: pb.Mail) -> pb.Mail: ...
            @command
            def digest(self, days: pb.Count) -> pb.Mail: ...
            @command
            def total(self, counts: Iterator[pb.Count]) -> pb.Count: ...
            @command
            async def running(self, counts: AsyncIterator[pb.Count]) -> AsyncIterator[pb.Count]:
                yield pb.Count()

            @command
            def nothing(self) -> None: ...


def test_services_that_are_not_there_are_named() -> None:
    with pytest.raises(adjoin.Invalid, match=r"no service 'market\.v1\.Cart' is loaded: .*import the module"):

        class Cart(adjoin.Action, service="market.v1.Cart"):
            pass

    with pytest.raises(adjoin.Invalid, match="is no service: give the descriptor"):
        wrong: Any = pb

        class Other(adjoin.Action, service=wrong):
            pass

    with pytest.raises(adjoin.Invalid, match=r"services=\[\] names none"):

        class None_(adjoin.Action, services=[]):
            pass

    with pytest.raises(adjoin.Invalid, match="either service= or services="):

        class Both(adjoin.Action, service=MAILERS, services=[MAILERS]):
            pass


def test_several_services_are_one_class() -> None:
    class Both(adjoin.Action, services=[LISTENERS, PROFILES], name="t.Both"):
        @command(name="OnAdded")
        def heard(self, added: pb.ItemAdded) -> None: ...
        @command
        def on_other(self, other: any_pb2.Any) -> None: ...
        @command
        def change_email(self, request: pb.ChangeEmailRequest) -> pb.Profile: ...
        @command
        def get_profile(self, request: pb.GetProfileRequest) -> pb.Profile: ...
        @command
        def forget(self, request: pb.GetProfileRequest) -> None: ...

    spec = definition_of(Both).spec()
    assert spec["services"] == [LISTENERS, "market.v1.Profiles"]
    assert [handler["name"] for handler in spec["handlers"]][:2] == ["OnAdded", "OnOther"]


def test_messages_belong_to_contracts() -> None:
    class Coded(adjoin.Action, name="t.Coded"):
        @command
        def send(self, mail: pb.Mail) -> int: ...

    class Events(adjoin.EventSourced, name="t.Events"):
        @event
        def added(self, event: pb.ItemAdded) -> None: ...

    for cls in (Coded, Events):
        with pytest.raises(adjoin.Invalid, match="the entity is code first: say which service"):
            definition_of(cls)


def test_events_of_a_contract_are_messages() -> None:
    @dataclass
    class Added:
        product: str

    class Wrong(adjoin.EventSourced, service=PROFILES, name="t.WrongEvents"):
        @command
        def change_email(self, request: pb.ChangeEmailRequest) -> pb.Profile: ...
        @query
        def get_profile(self, request: pb.GetProfileRequest) -> pb.Profile: ...
        @command
        def forget(self, request: pb.GetProfileRequest) -> None: ...

    def added(self: Any, event: Any) -> None: ...

    added.__annotations__ = {"event": Added, "return": None}
    Wrong.added = event(added)  # type: ignore[attr-defined]
    with pytest.raises(adjoin.Invalid, match="an event of a contract-first entity is a message"):
        definition_of(Wrong)


def test_two_messages_are_no_state() -> None:
    class Wrong(adjoin.Value, service=PROFILES, name="t.TwoStates"):
        profile: pb.Profile
        cart: pb.Cart

        @command
        def change_email(self, request: pb.ChangeEmailRequest) -> pb.Profile: ...
        @query
        def get_profile(self, request: pb.GetProfileRequest) -> pb.Profile: ...
        @command
        def forget(self, request: pb.GetProfileRequest) -> None: ...

    with pytest.raises(adjoin.Invalid, match="declares profile, cart but is no dataclass"):
        definition_of(Wrong)


def test_a_field_beside_the_message_is_refused() -> None:
    class Wrong(adjoin.Value, service=PROFILES, name="t.Beside"):
        profile: pb.Profile
        count: int = 0

        @command
        def change_email(self, request: pb.ChangeEmailRequest) -> pb.Profile: ...
        @query
        def get_profile(self, request: pb.GetProfileRequest) -> pb.Profile: ...
        @command
        def forget(self, request: pb.GetProfileRequest) -> None: ...

    with pytest.raises(adjoin.Invalid, match="declares count beside the message profile"):
        definition_of(Wrong)


def test_an_element_is_never_none() -> None:
    with pytest.raises(adjoin.Invalid, match="an element is never None"):

        class Wrong(adjoin.Action, service="market.v1.Mailers", name="t.Nones"):
            @command
            def send(self, mail: pb.Mail) -> pb.Mail: ...
            @command
            def digest(self, days: pb.Count) -> Iterator[pb.Mail | None]: ...
            @command
            def total(self, counts: Iterator[pb.Count]) -> pb.Count: ...
            @command
            async def running(self, counts: AsyncIterator[pb.Count]) -> AsyncIterator[pb.Count]:
                yield pb.Count()

            @command
            def nothing(self) -> None: ...

        definition_of(Wrong)


def test_the_descriptors_are_the_services_files_with_what_they_import() -> None:
    from adjoin._contract import descriptor_set

    contract = definition_of(stall.Cart).contract
    assert contract is not None
    data = descriptor_set([contract, contract])
    assert data == descriptor_set([contract])
    files = descriptor_pb2.FileDescriptorSet.FromString(data).file
    names = [file.name for file in files]
    assert names[-1] == "market/v1/carts.proto" and len(names) == len(set(names))
    for file in files:
        assert all(names.index(imported) < names.index(file.name) for imported in file.dependency)


def test_protobuf_is_needed_by_contracts_only() -> None:
    block = "import sys; sys.modules['google.protobuf'] = None; import adjoin\n"
    works = block + "class A(adjoin.Action):\n  @adjoin.command\n  def a(self) -> int: return 1\nadjoin.App(A)\n"
    fails = block + "class A(adjoin.Action, service='x.Y'): pass\n"
    run = [sys.executable, "-c"]
    assert subprocess.run([*run, works], check=False).returncode == 0
    done = subprocess.run([*run, fails], capture_output=True, text=True, check=False)
    assert "A has a contract, which needs the package protobuf: pip install 'adjoin[protobuf]'" in done.stderr


def test_a_protobuf_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google.protobuf, "__version__", "4.25.9")
    with pytest.raises(adjoin.Invalid, match=r"needs protobuf 5\.26; 4\.25\.9 is there: pip install"):
        profiles()


def test_the_oldest_protobuf_is_the_extras() -> None:
    extras = tomllib.loads((SDK / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["protobuf"] == [f"protobuf>={'.'.join(map(str, _messages.NEEDED))}"]


def test_the_option_files_are_those_that_core_is_tested_with() -> None:
    theirs = SDK.parents[1] / "core/contract/tests/protos/cloudstate"
    for file in ("entity_key.proto", "eventing.proto"):
        assert (adjoin_protos() / file).read_text() == (theirs / file).read_text()


def adjoin_protos() -> Any:
    from adjoin.protos import FOLDER

    return FOLDER / "cloudstate"
