# SPDX-License-Identifier: Apache-2.0
"""Handlers that take a stream: in-process, over a connection, and against a host that does as it is told."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import adjoin
import pytest
from adjoin import Context, Rejected, command
from adjoin._frames import Function, Host
from adjoin.testing import kit
from scripted import DEADLINE_S, Scripted, encoded


@dataclass
class Line:
    text: str
    number: int = 0


class Press(adjoin.Action, name="t.Press"):
    @command
    def total(self, numbers: Iterator[int]) -> int:
        return sum(numbers)

    @command
    async def total_async(self, numbers: AsyncIterator[int]) -> int:
        total = 0
        async for number in numbers:
            total += number
        return total

    @command
    def upper(self, lines: Iterable[Line], ctx: Context = adjoin.current) -> Iterator[str]:
        for line in lines:
            yield f"{ctx.entity_key} {line.text.upper()} {line.number}"

    @command
    async def upper_async(self, lines: AsyncIterable[Line]) -> AsyncIterator[str]:
        async for line in lines:
            yield line.text.upper()

    @command
    def first(self, numbers: Iterator[int]) -> int:
        for number in numbers:
            return number
        raise Rejected("no number came", code="INVALID_ARGUMENT")

    @command
    async def first_async(self, numbers: AsyncIterator[int]) -> int:
        async for number in numbers:
            return number
        raise Rejected("no number came", code="INVALID_ARGUMENT")

    @command
    async def until_gone(self, numbers: AsyncIterator[int]) -> int:
        try:
            async for _ in numbers:
                TAKEN.release()
        except Rejected as gone:
            assert gone.code == "CANCELLED"
            GONE.set()
            raise
        return 0

    @command
    def three(self, numbers: Iterator[int]) -> int:
        """Takes three, and the others when it may."""
        total = sum(itertools.islice(numbers, 3))
        TOOK.set()
        assert MORE.wait(DEADLINE_S)
        return total + sum(numbers)

    @command
    def total_elsewhere(self, numbers: Iterator[int]) -> int:
        """Takes its stream in a thread of its own."""
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(sum, numbers).result()

    @command
    def until_gone_sync(self, numbers: Iterator[int]) -> int:
        try:
            for _ in numbers:
                TAKEN.release()
        except Rejected as gone:
            assert gone.code == "CANCELLED"
            GONE.set()
            raise
        return 0


TAKEN = threading.Semaphore(0)
GONE = threading.Event()
TOOK = threading.Event()
MORE = threading.Event()
app = adjoin.App(Press)


@pytest.fixture(params=["in-process", "connected"])
def rt(request: pytest.FixtureRequest) -> Iterator[Any]:
    with app.open(http="127.0.0.1:0") as local:
        if request.param == "in-process":
            yield local
        else:
            assert local.http is not None
            with adjoin.connect(local.http) as remote:
                yield remote


async def later(*elements: Any) -> AsyncIterator[Any]:
    for element in elements:
        await asyncio.sleep(0)
        yield element


def test_a_stream_is_answered_once(rt: Any) -> None:
    press = rt.entity(Press, "all")
    assert press.total(iter(range(1000))) == 499_500
    assert press.total([]) == 0
    assert rt.call(Press.total, "all", (n for n in (1, 2, 3))) == 6
    assert rt.call(Press.total, "all", numbers=[4]) == 4
    assert rt.call(Press.total_async, "all", later(*range(100))) == 4950
    assert rt.call(Press.first, "all", iter(range(100_000))) == 0  # answered before its stream ends
    with pytest.raises(Rejected, match="no number came"):
        press.first(iter(()))


def test_a_stream_may_be_taken_in_another_thread(rt: Any) -> None:
    assert rt.call(Press.total_elsewhere, "all", iter(range(100)), timeout=DEADLINE_S) == 4950


def test_a_stream_is_answered_by_a_stream(rt: Any) -> None:
    lines = [Line("a", 1), Line("b")] * 50
    assert list(rt.stream(Press.upper, "x", iter(lines))) == ["x A 1", "x B 0"] * 50
    assert list(rt.entity(Press, "x").upper(lines[:1])) == ["x A 1"]
    assert list(rt.stream(Press.upper_async, "x", later(*lines))) == ["A", "B"] * 50


def test_replies_come_while_the_stream_goes_on(rt: Any) -> None:
    seen = threading.Semaphore(0)

    def lines() -> Iterator[Line]:
        for number in range(40):
            yield Line("a", number)
            assert seen.acquire(timeout=DEADLINE_S)

    for number, line in enumerate(rt.stream(Press.upper, "x", lines())):
        assert line == f"x A {number}"
        seen.release()


def test_tasks_send_streams_of_both_colours() -> None:
    async def main() -> None:
        async with app.open(http="127.0.0.1:0") as local:
            assert local.http is not None
            async with adjoin.connect(local.http) as remote:
                for rt in (local, remote):
                    assert await rt.call(Press.total_async, "all", later(*range(100))) == 4950
                    assert await rt.call(Press.total, "all", iter(range(100))) == 4950
                    assert await rt.entity(Press, "all").total_async(later(1, 2)) == 3
                    said = [line async for line in rt.stream(Press.upper_async, "x", later(Line("a"), Line("b")))]
                    assert said == ["A", "B"]

    asyncio.run(main())


def test_what_the_stream_raises_ends_the_call_and_is_raised(rt: Any) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise LookupError("mine")

    class Unopened:
        def __iter__(self) -> Iterator[int]:
            raise LookupError("mine too")

    with pytest.raises(LookupError, match="mine"):
        rt.call(Press.total, "all", broken())
    with pytest.raises(LookupError, match="mine too"):
        rt.call(Press.total, "all", Unopened(), timeout=DEADLINE_S)
    with pytest.raises(adjoin.Invalid, match=r"t\.Press/upper"):
        list(rt.stream(Press.upper, "all", iter([7])))
    assert rt.call(Press.total, "all", [1]) == 1


@pytest.mark.parametrize("method", [Press.until_gone, Press.until_gone_sync])
def test_a_handler_whose_client_has_gone_hears_of_it(rt: Any, method: Any) -> None:
    GONE.clear()

    def numbers() -> Iterator[int]:
        yield 1
        assert TAKEN.acquire(timeout=DEADLINE_S)
        raise KeyError("gone")

    async def numbers_async() -> AsyncIterator[int]:
        yield 1
        until = time.monotonic() + DEADLINE_S
        while not TAKEN.acquire(blocking=False):
            assert time.monotonic() < until
            await asyncio.sleep(0)
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        rt.call(method, "all", numbers_async() if method is Press.until_gone else numbers())
    assert GONE.wait(DEADLINE_S), "the handler was not told"


def test_a_stream_that_waits_ends_with_its_call(rt: Any) -> None:
    ended = threading.Event()
    assert rt.call(Press.first, "all", waiting(ended, 1)) == 1
    assert ended.wait(DEADLINE_S), "the stream was not ended"
    ended.clear()
    with pytest.raises(adjoin.Invalid, match=r"t\.Press/total"):
        rt.call(Press.total, "all", waiting(ended, "x"))
    assert ended.wait(DEADLINE_S), "the stream was not ended in order"


def test_a_stream_that_waits_on_the_callers_loop_ends_with_its_call() -> None:
    async def main() -> None:
        async with app.open() as rt:
            for element, fits in ((1, True), ("x", False)):
                ended = threading.Event()
                if fits:
                    assert await rt.call(Press.first_async, "all", waiting(ended, element)) == 1
                else:
                    with pytest.raises(adjoin.Invalid, match=r"t\.Press/firstAsync"):
                        await rt.call(Press.first_async, "all", waiting(ended, element))
                until = time.monotonic() + DEADLINE_S
                while not ended.is_set():
                    assert time.monotonic() < until, "the stream was not ended"
                    await asyncio.sleep(0)

    asyncio.run(main())


def test_a_sync_stream_does_not_block_the_callers_loop() -> None:
    async def main() -> None:
        async with app.open() as rt:
            lets = threading.Event()

            def numbers() -> Iterator[int]:
                assert lets.wait(DEADLINE_S), "the loop was blocked"
                yield 7

            call = asyncio.ensure_future(rt.call(Press.total, "all", numbers()))
            await asyncio.sleep(0)  # the call begins
            await asyncio.sleep(0)
            lets.set()
            assert await call == 7

    asyncio.run(main())


async def waiting(ended: threading.Event, *elements: Any) -> AsyncIterator[Any]:
    """Has no end, and takes its time to clean up."""
    try:
        for element in elements:
            yield element
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        ended.set()


def test_elements_are_pulled_no_further_than_the_handler_takes(scripted: Callable[..., Scripted]) -> None:
    TOOK.clear()
    MORE.clear()
    host = scripted(Press)
    three = host.frame(0, "three", entity=("t.Press", "all"))
    call = three[2]
    host.native.give(three, *((Host.STREAM_INPUT, call, encoded(number)) for number in range(16)))
    assert TOOK.wait(DEADLINE_S)
    # It has three and waits. What was to be said by now is said before the answer to another call.
    other = host.command(0, "first", entity=("t.Press", "all"))
    host.native.give((Host.STREAM_INPUT, other, b"1"), (Host.STREAM_INPUT_END, other))
    host.answer(other)
    room = lambda: [frame for frame in host.native.taken if frame[0] == Function.STREAM_INPUT_CREDIT]  # noqa: E731
    assert room() == []
    MORE.set()
    host.native.wait(lambda: len(room()) == 2)
    assert room() == [(Function.STREAM_INPUT_CREDIT, call, 8)] * 2
    host.native.give((Host.STREAM_INPUT_END, call))
    assert host.answer(call) == (Function.REPLY, 0, call, b"120")


def test_a_client_sends_within_its_credit(scripted: Callable[..., Scripted]) -> None:
    host = scripted(Press)
    pulled: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            pulled.append(number)
            yield number

    def ask() -> None:
        runtime = adjoin.Runtime(host.session)
        answers.append(runtime.call(Press.total, "all", numbers()))

    answers: list[int] = []
    asking = threading.Thread(target=ask)
    asking.start()
    upload = host.first(lambda f: f[0] == Function.UPLOAD)
    inputs = lambda: sum(frame[0] == Function.INPUT for frame in host.native.taken)  # noqa: E731
    host.native.wait(lambda: inputs() == 16)
    host.native.give((Host.INPUT_CREDIT, upload[1], 4))
    host.native.wait(lambda: inputs() == 20)
    host.native.give((Host.REPLY, upload[1], b"7", 0, False))
    asking.join(DEADLINE_S)
    assert answers == [7]
    assert len(pulled) <= 21


def test_an_element_that_does_not_fit_is_the_clients_fault(scripted: Callable[..., Scripted]) -> None:
    host = scripted(Press)
    for name in ("total", "totalAsync"):
        call = host.command(0, name, entity=("t.Press", "all"))
        host.native.give((Host.STREAM_INPUT, call, b'"x"'), (Host.STREAM_INPUT_END, call))
        failure = host.answer(call)
        assert failure[0] == Function.FAILURE
        assert failure[3][0] == "Invalid"
        assert f"t.Press/{name}" in failure[3][1]


def test_the_end_of_the_session_ends_those_who_wait(scripted: Callable[..., Scripted]) -> None:
    host = scripted(Press)
    calls = [host.command(0, name, entity=("t.Press", "all")) for name in ("total", "totalAsync")]
    host.native.give((Host.SESSION_END, 0, "gone"))
    for call in calls:
        assert host.answer(call)[3][0] == "Rejected"


def test_the_kit_gives_streams() -> None:
    kit(Press).when(Press.total, iter([1, 2])).replies(3)
    kit(Press).when(Press.total_async, later(1, 2)).replies(3)
    kit(Press).when(Press.upper, [Line("a")]).replies(["key A 0"])
    kit(Press).when(Press.upper_async, later(Line("a"))).replies(["A"])
    kit(Press).when(Press.first, iter(())).rejected("no number")


def test_what_a_stream_cannot_have_is_refused() -> None:
    async def main() -> None:
        async with app.open() as rt:
            with pytest.raises(adjoin.Invalid, match="has neither an idempotency key"):
                await rt.call(Press.total_async, "all", later(1), if_sequence=3)

    asyncio.run(main())
    with app.open() as rt:
        for options in ({"idempotency_key": "k"}, {"if_sequence": 0}):
            with pytest.raises(adjoin.Invalid, match=r"t\.Press/total takes a stream.* has neither an idempotency key"):
                rt.call(Press.total, "all", iter([1]), **options)  # type: ignore[call-overload]
            with pytest.raises(adjoin.Invalid, match="has neither an idempotency key"):
                rt.entity(Press, "all", **options).total(iter([1]))  # type: ignore[arg-type]


def test_a_call_that_cannot_begin_leaves_nothing_behind() -> None:
    with app.open() as rt:
        with pytest.raises(adjoin.Invalid, match="1 to 1024 bytes"):
            rt.call(Press.total, "", iter([1]))
        with pytest.raises(adjoin.Invalid, match="nothing else"):
            rt.call(Press.total, "all", iter([1]), iter([2]))  # type: ignore[call-overload]
        assert rt._session.requests._senders == {}


def test_streams_stand_where_they_can() -> None:
    class Two(adjoin.Action):
        @command
        def both(self, numbers: Iterator[int], name: str) -> int: ...

    class Wrong(adjoin.Action):
        @command
        async def sums(self, numbers: Iterator[int]) -> int: ...

    class State(adjoin.EventSourced):
        @command
        def sums(self, numbers: Iterator[int]) -> int: ...

    for cls, said in ((Two, "stands alone"), (Wrong, "is an AsyncIterator"), (State, "only actions do")):
        with pytest.raises(adjoin.Invalid, match=said):
            adjoin.App(cls)
    with app.open() as rt:
        with pytest.raises(adjoin.Invalid, match="give it an iterator"):
            rt.call(Press.total, "all", 7)  # type: ignore[call-overload]
        with pytest.raises(adjoin.Invalid, match="nothing else"):
            rt.call(Press.total, "all", iter([1]), iter([2]))  # type: ignore[call-overload]
