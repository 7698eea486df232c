# SPDX-License-Identifier: Apache-2.0
"""The dispatcher against a host that the test plays: order, places, streams, sessions, snapshots."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import adjoin
import pytest
from adjoin import Context, Rejected, command, event, query
from adjoin._definition import definition_of
from adjoin._frames import Function, Host
from adjoin._undo import Undo
from scripted import Scripted
from shop import Cart

Make = Callable[..., Scripted]
BOOK = {"product": "p1", "name": "Book"}


@dataclass
class Step:
    n: int


@dataclass
class Steps(adjoin.EventSourced, name="t.Steps"):
    """Handlers that wait until the test lets them go."""

    steps: list[int] = field(default_factory=list)

    @command
    def step(self, n: int) -> list[int]:
        self.emit(Step(n))
        return list(self.steps)

    @command
    def wait(self, n: int) -> int:
        GATE.wait(20)
        self.emit(Step(n))
        return n

    @command
    async def step_async(self, n: int) -> list[int]:
        await asyncio.sleep(0)
        self.emit(Step(n))
        await asyncio.sleep(0)
        return list(self.steps)

    @query
    async def meet(self) -> int:
        """Answers only if two of it run at once."""
        MET.append(1)
        while len(MET) < 2:
            await asyncio.sleep(0.001)
        return len(MET)

    @command
    def refuse(self) -> None:
        self.emit(Step(0))
        raise Rejected("no", code="ABORTED")

    @event
    def on_step(self, e: Step) -> None:
        self.steps.append(e.n)


@dataclass
class Held(adjoin.EventSourced, name="t.Held"):
    """A state that neither pickle nor JSON can copy, and that is too far from its beginning to fold again."""

    lock: Any = field(default_factory=threading.Lock)
    size: int = 0

    @command
    def grow(self, text: str) -> int:
        self.emit(Grown(text))
        return self.size

    @command
    def fail(self) -> None:
        raise Rejected("no")

    @event
    def on_grown(self, e: Grown) -> None:
        self.size += len(e.text)


@dataclass
class Grown:
    text: str


class Streams(adjoin.Action, name="t.Streams"):
    @command
    def count(self, to: int) -> Iterator[int]:
        try:
            yield from range(to)
        finally:
            CLOSED.append("sync")

    @command
    async def count_async(self, to: int) -> AsyncIterator[int]:
        try:
            for n in range(to):
                yield n
        finally:
            CLOSED.append("async")

    @command
    def wait(self, n: int, ctx: Context = adjoin.current) -> int:
        GATE.wait(20)
        return -1 if ctx.cancelled else n

    @command
    def quick(self, n: int) -> int:
        return n


GATE = threading.Event()
MET: list[int] = []
CLOSED: list[str] = []


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    GATE.clear()
    MET.clear()
    CLOSED.clear()
    yield
    GATE.set()


def test_an_activation_replays_and_answers_in_order(scripted: Make) -> None:
    host = scripted(Cart)
    host.activate(1, "shop.Cart", ("ItemAdded", {"item": BOOK}))
    first = host.command(1, "addItem", {"product": "p2", "name": "Pen", "qty": 2})
    second = host.command(1, "contents", query=True)
    taken = host.expect(3)
    assert taken[0] == (Function.REPLAYED, 1, 1)
    stored = b'{"item":{"name":"Pen","product":"p2","qty":2}}'
    assert taken[1] == (Function.EFFECTS, 1, first, b"2", [("ItemAdded", stored)], None, False, [], None)
    assert taken[2][:3] == (Function.REPLY, 1, second)


@pytest.mark.parametrize("name", ["step", "stepAsync"])
def test_commands_of_one_entity_run_one_at_a_time_in_order(scripted: Make, name: str) -> None:
    host = scripted(Steps)
    host.activate(1, "t.Steps")
    host.native.give(*(host.frame(1, name, n) for n in range(100)))
    answers = host.expect(101)[1:]
    assert [frame[2] for frame in answers] == list(range(1, 101))
    assert answers[99][3] == str(list(range(100))).replace(" ", "").encode()


def test_sync_and_async_commands_of_one_entity_take_turns(scripted: Make) -> None:
    host = scripted(Steps)
    host.activate(1, "t.Steps")
    host.native.give(*(host.frame(1, "step" if n % 3 else "stepAsync", n) for n in range(60)))
    assert host.expect(61)[60][3] == str(list(range(60))).replace(" ", "").encode()


def test_async_queries_of_one_entity_run_side_by_side(scripted: Make) -> None:
    host = scripted(Steps)
    host.activate(1, "t.Steps")
    host.native.give(host.frame(1, "meet", query=True), host.frame(1, "meet", query=True))
    assert [frame[3] for frame in host.expect(3)[1:]] == [b"2", b"2"]


def test_a_handler_that_blocks_holds_up_only_its_own_entity(scripted: Make) -> None:
    host = scripted(Steps, Streams)
    host.activate(1, "t.Steps")
    host.activate(2, "t.Steps")
    host.expect(2)
    host.native.give(host.frame(1, "wait", 1), host.frame(1, "step", 2), host.frame(2, "step", 3))
    assert host.answer(3)[3] == b"[3]"
    many = [host.frame(0, "wait", n, entity=("t.Streams", "x")) for n in range(8)]
    host.native.give(*many)
    quick = host.command(0, "quick", 5, entity=("t.Streams", "y"))
    assert host.answer(quick)[3] == b"5"
    GATE.set()
    assert host.answer(2)[3] == b"[1,2]"
    assert [host.answer(frame[2])[3] for frame in many] == [str(n).encode() for n in range(8)]


def test_a_refusal_carries_its_code_and_writes_nothing(scripted: Make) -> None:
    host = scripted(Steps)
    host.activate(1, "t.Steps")
    refused = host.command(1, "refuse")
    after = host.command(1, "step", 1)
    error = ("Rejected", "no", (), "none", "ABORTED", None)
    assert host.answer(refused) == (Function.FAILURE, 1, refused, error, False)
    assert host.answer(after)[3] == b"[1]"


def test_what_a_function_does_not_have_is_said(scripted: Make) -> None:
    host = scripted(Steps)
    host.activate(1, "t.Steps")
    assert host.answer(host.command(1, "nothing"))[3][:2] == (
        "NotFound",
        "t.Steps has no 'nothing'; it has meet, refuse, step, stepAsync, wait",
    )
    assert host.answer(host.command(1, "step", "x"))[3][0] == "Invalid"
    assert host.answer(host.command(0, "x", entity=("t.Other", "k")))[3][0] == "NotFound"
    host.native.give((Host.ACTIVATE, 9, "t.Other", "k", 1, 0, None), (Host.REPLAY, 9, [], True))
    failed = host.first(lambda frame: frame[0] == Function.ACTIVATION_FAILED)
    assert failed[1:] == (9, ("NotFound", "this function has no entity type 't.Other'", (), "none", None, None), False)


def test_an_unreadable_event_ends_the_activation_and_what_was_queued(scripted: Make) -> None:
    host = scripted(Steps)
    host.activate(1, "t.Steps", ("Novel", {}))
    host.command(1, "step", 1)
    host.activate(2, "t.Steps")
    failed, replayed = host.expect(2)
    assert (failed[0], failed[1], failed[2][0], failed[3]) == (Function.ACTIVATION_FAILED, 1, "Unavailable", False)
    assert "Novel" in failed[2][1]
    assert replayed == (Function.REPLAYED, 2, 0)
    host.session.close()
    assert len(host.native.taken) == 2


def test_a_snapshot_is_given_when_asked_and_read_back(scripted: Make) -> None:
    host = scripted(Steps)
    schema = definition_of(Steps).snapshot_schema
    host.activate(1, "t.Steps")
    call = host.command(1, "step", 4, snapshot=True)
    assert host.answer(call)[8] == (schema, b'{"steps":[4]}')
    host.activate(2, "t.Steps", ("Step", {"n": 5}), state=(schema, b'{"steps":[4]}'))
    assert host.answer(host.command(2, "step", 6))[3] == b"[4,5,6]"
    assert host.answer(host.command(2, "refuse"))[0] == Function.FAILURE
    assert host.answer(host.command(2, "step", 7))[3] == b"[4,5,6,7]"


@pytest.mark.parametrize("state", [("Other-1234", b'{"steps":[4]}'), None])
def test_an_unreadable_snapshot_is_said_so_that_the_host_falls_back(scripted: Make, state: Any) -> None:
    host = scripted(Steps)
    broken = state or (definition_of(Steps).snapshot_schema, b'{"steps":"many"}')
    host.native.give((Host.ACTIVATE, 1, "t.Steps", "k", 1, 4, broken), (Host.REPLAY, 1, [], True))
    (failed,) = host.expect(1)
    assert (failed[0], failed[2][0], failed[3]) == (Function.ACTIVATION_FAILED, "Corrupt", True)


def test_the_state_alone_can_be_asked_for(scripted: Make) -> None:
    host = scripted(Steps, Held)
    host.activate(1, "t.Steps", ("Step", {"n": 5}))
    answer = host.answer(host.command(1, "", query=True, snapshot=True))
    assert answer[3:] == (None, [], None, False, [], (definition_of(Steps).snapshot_schema, b'{"steps":[5]}'))
    host.activate(2, "t.Held")
    assert host.answer(host.command(2, "", query=True, snapshot=True))[3][0] == "Invalid"


def test_a_state_that_cannot_be_restored_ends_the_activation(scripted: Make) -> None:
    host = scripted(Held)
    host.activate(1, "t.Held")
    assert host.answer(host.command(1, "fail"))[4] is False, "its beginning and its events are still there"
    for _ in range(2):
        host.answer(host.command(1, "grow", "x" * 40_000))
    ended, late = host.frame(1, "fail"), host.frame(1, "grow", "y")
    host.native.give(ended, late)
    assert host.answer(ended[2])[4] is True
    host.session.close()
    assert all(frame[2] != late[2] for frame in host.native.taken if frame[0] != Function.REPLAYED)


def test_the_base_is_renewed_as_events_grow_and_comes_back_the_same() -> None:
    definition = definition_of(Steps)
    undo, state = Undo(definition), Steps()
    for n in range(20_000):
        state.steps.append(n)
        undo.add([("Step", b'{"n":%d}' % n)], state)
        assert undo._bytes <= max(64 << 10, len(undo._frozen or b"")) + 16
    state.steps.append(-1)
    assert undo.restored() == Steps(list(range(20_000)))


@pytest.mark.parametrize("name", ["count", "countAsync"])
def test_a_stream_sends_as_much_as_there_is_room_for(scripted: Make, name: str) -> None:
    host = scripted(Streams)
    call = host.command(0, name, 50, entity=("t.Streams", "k"))
    host.native.give((Host.STREAM_CREDIT, call, 3))
    host.expect(3)
    for credit in (40, 20):
        host.native.give((Host.STREAM_CREDIT, call, credit))
    taken = host.expect(51)
    assert [frame[:3] for frame in taken[:50]] == [(Function.STREAM_ELEMENT, call, str(n).encode()) for n in range(50)]
    assert taken[50] == (Function.STREAM_END, call, None)


@pytest.mark.parametrize(("name", "colour"), [("count", "sync"), ("countAsync", "async")])
def test_a_cancelled_stream_is_closed_and_ended(scripted: Make, name: str, colour: str) -> None:
    host = scripted(Streams)
    call = host.command(0, name, 50, entity=("t.Streams", "k"))
    host.native.give((Host.STREAM_CREDIT, call, 2))
    host.expect(2)
    host.native.give((Host.CANCEL, call))
    assert host.expect(3)[2] == (Function.STREAM_END, call, None)
    assert [colour] == CLOSED


def test_a_session_with_async_calls_under_way_is_closed_in_order_and_may_be_again(scripted: Make) -> None:
    host = scripted(Streams)
    call = host.command(0, "countAsync", 50, entity=("t.Streams", "k"))
    host.native.give((Host.STREAM_CREDIT, call, 2))
    host.expect(2)
    host.session.close()
    assert CLOSED == ["async"]
    host.session.close()


def test_a_sync_stream_that_rests_is_closed_when_the_host_ends(scripted: Make) -> None:
    host = scripted(Streams)
    call = host.command(0, "count", 50, entity=("t.Streams", "k"))
    host.native.give((Host.STREAM_CREDIT, call, 2))
    host.expect(2)
    host.session.close()
    assert CLOSED == ["sync"]


def test_a_stream_with_a_wrong_body_ends_with_the_reason(scripted: Make) -> None:
    host = scripted(Streams)
    call = host.command(0, "count", "x", entity=("t.Streams", "k"))
    (end,) = host.expect(1)
    assert (end[0], end[1], end[2][0]) == (Function.STREAM_END, call, "Invalid")


def test_a_cancelled_call_is_told_and_its_answer_still_given(scripted: Make) -> None:
    host = scripted(Streams)
    call = host.command(0, "wait", 1, entity=("t.Streams", "k"))
    other = host.command(0, "quick", 1, entity=("t.Streams", "k"))
    host.answer(other)
    host.native.give((Host.CANCEL, call))
    host.answer(host.command(0, "quick", 2, entity=("t.Streams", "k")))
    GATE.set()
    assert host.answer(call)[3] == b"-1"


def test_a_new_session_ends_everything_of_the_one_before(scripted: Make) -> None:
    host = scripted(Steps, Streams)
    host.activate(1, "t.Steps")
    stream = host.command(0, "countAsync", 50, entity=("t.Streams", "k"))
    host.native.give((Host.STREAM_CREDIT, stream, 1))
    host.expect(2)
    host.native.give((Host.SESSION_END, 0, "gone"), (Host.SESSION, 0, 10, 10, 10, 1))
    host.first(lambda frame: frame[:2] == (Function.STREAM_END, stream))
    host.command(1, "step", 1)
    host.activate(2, "t.Steps")
    answer = host.answer(host.command(2, "step", 100_000_000))
    assert answer[3][0] == "Exhausted", "the limits are the new session's"
    assert all(frame[1] != 1 for frame in host.native.taken if frame[0] == Function.EFFECTS)


def test_on_a_users_loop_everything_comes_to_the_same() -> None:
    async def main() -> None:
        host = Scripted(Steps, Streams, loop=asyncio.get_running_loop())
        host.activate(1, "t.Steps")
        host.native.give(*(host.frame(1, "step" if n % 3 else "stepAsync", n) for n in range(60)))
        stream = host.command(0, "countAsync", 5, entity=("t.Streams", "k"))
        host.native.give((Host.STREAM_CREDIT, stream, 9))
        while len(host.native.taken) < 67:
            await asyncio.sleep(0.001)
        assert host.answer(60)[3] == str(list(range(60))).replace(" ", "").encode()
        assert host.first(lambda frame: frame[:2] == (Function.STREAM_END, stream))[2] is None
        await host.session.aclose()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_frame_that_the_host_refuses_costs_the_others_nothing(
    scripted: Make, caplog: pytest.LogCaptureFixture
) -> None:
    host = scripted(Steps)
    takes = host.native.submit

    def picky(batch: list[Any]) -> None:
        if any(frame[0] == Function.EFFECTS and frame[2] == 3 for frame in batch):
            raise adjoin.Invalid("not this one")
        takes(batch)

    host.native.submit = picky  # type: ignore[method-assign]
    host.activate(1, "t.Steps")
    host.native.give(*(host.frame(1, "step", n) for n in range(6)))
    assert [frame[2] for frame in host.expect(6)[1:]] == [1, 2, 4, 5, 6]
    assert "not this one" in caplog.text


def test_a_host_that_fails_ends_the_session_and_tells_whoever_waits(scripted: Make) -> None:
    host = scripted(Steps)
    told: list[str] = []

    def call() -> None:
        try:
            adjoin.Runtime(host.session).call(Steps.step, "a", 1)
        except adjoin.Unavailable as error:
            told.append(error.message)

    def fails(timeout_ms: int) -> Any:
        raise RuntimeError("no more frames")

    thread = threading.Thread(target=call)
    thread.start()
    host.expect(1)
    host.native.poll = fails  # type: ignore[method-assign]
    host.native.give((Host.SESSION_END, 0, "so that it polls again"))
    thread.join(20)
    assert told == ["polling failed: no more frames"]
    assert host.session.ended.wait(20)


def test_behind_the_proxy_a_handler_calls_through_its_host(scripted: Callable[..., Scripted]) -> None:
    class Asks(adjoin.Action, name="t.Asks"):
        @command
        def ask(self, ctx: Context = adjoin.current) -> list[int]:
            return ctx.runtime.call(Steps.step, "a", 1)

        @command
        async def ask_async(self, ctx: Context = adjoin.current) -> list[int]:
            return await ctx.async_runtime.with_options(timeout=5).call(Steps.step, "a", 1)

    host = scripted(Asks)
    host.session.mode = "serve"
    for session, name in ((3, "ask"), (0xFFFF, "askAsync")):
        host.native.give((Host.SESSION, session, 1 << 20, 1 << 20, 1 << 20, 100))
        frame = host.frame(0, name, entity=("t.Asks", "k"), chain=("t.Steps/b",))
        frame = (*frame[:2], frame[2] | session << 48, *frame[3:])
        host.native.give(frame)
        asked = host.first(lambda f, session=session: f[0] == Function.CALL and f[1] >> 48 == session)
        assert asked[2:6] == ("t.Steps", "a", "step", b"1")
        assert asked[-1] == ("t.Steps/b",)
        host.native.give((Host.REPLY, asked[1], b"[7]", 0, False))
        assert host.answer(frame[2])[3] == b"[7]"


def test_why_a_session_ended_is_logged(scripted: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "adjoin")
    host = scripted(Streams)
    host.native.give((Host.SESSION_END, 0, "Protocol: a host counts its ids from 1"))
    host.answer(host.command(0, "quick", 1, entity=("t.Streams", "k")))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "adjoin: a session with a host has ended: Protocol: a host counts its ids from 1")
    ]


def test_the_end_of_one_session_leaves_the_others(scripted: Callable[..., Scripted]) -> None:
    host = scripted(Steps)
    first, second = 1 << 48, 2 << 48
    for session in (1, 2):
        host.native.give((Host.SESSION, session, 1 << 20, 1 << 20, 1 << 20, 100))
    host.activate(first | 1, "t.Steps")
    host.activate(second | 1, "t.Steps")
    host.expect(2)
    host.native.give((Host.SESSION_END, 1, "gone"))
    gone, stays = (host.frame(session | 1, "step", 1) for session in (first, second))
    host.native.give(gone, stays)
    host.answer(stays[2])
    assert not [frame for frame in host.native.taken if frame[1] == first | 1 and frame[0] != Function.REPLAYED]
