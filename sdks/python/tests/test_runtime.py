# SPDX-License-Identifier: Apache-2.0
"""The whole way, over the native module: in-process, and as a client of its ingress."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adjoin
import pytest
from adjoin import Context, Rejected, command, event, query
from shop import Cart, Item, Mailer, Profile
from shop import app as shop

BOOK = Item("p1", "Book")
PEN = Item("p2", "Pen", 3)


@dataclass
class Added:
    n: int


@dataclass
class Sum(adjoin.EventSourced, name="t.Sum", snapshot_every=10):
    """Adds up, and asks others."""

    total: int = 0

    @command
    def add(self, n: int) -> int:
        self.emit(Added(n))
        return self.total

    @command
    async def add_async(self, n: int) -> int:
        await asyncio.sleep(0)
        self.emit(Added(n))
        return self.total

    @command
    def add_to(self, key: str, n: int, ctx: Context = adjoin.current) -> int:
        """Adds to another one first, waiting for it."""
        total = ctx.runtime.call(Sum.add, key, n)
        self.emit(Added(total))
        return self.total

    @command
    async def add_to_async(self, key: str, n: int, ctx: Context = adjoin.current) -> int:
        total = await ctx.async_runtime.call(Sum.add_async, key, n)
        self.emit(Added(total))
        return self.total

    @command
    def round_trip(self, key: str, ctx: Context = adjoin.current) -> int:
        return ctx.runtime.call(Sum.add_to, key, ctx.entity_key, 1)

    @command
    def wait(self) -> None:
        ENTERED.release()
        GATE.wait(20)

    @query
    def value(self) -> int:
        return self.total

    @event
    def on_added(self, e: Added) -> None:
        self.total += e.n


class Relay(adjoin.Action, name="t.Relay"):
    @command
    def chain(self, keys: list[str], ctx: Context = adjoin.current) -> int:
        """As deep as there are keys: each waits for the next."""
        if not keys:
            return 0
        return 1 + ctx.runtime.call(Relay.chain, keys[0], keys[1:])

    @command
    async def blocks_the_loop(self, key: str, ctx: Context = adjoin.current) -> int:
        return ctx.runtime.entity(Sum, key).add(1)

    @command
    async def ticks(self, count: int) -> AsyncIterator[int]:
        for n in range(count):
            yield n

    @command
    def ticks_sync(self, count: int) -> Iterator[int]:
        yield from range(count)


GATE = threading.Event()
ENTERED = threading.Semaphore(0)
app = adjoin.App(Sum, Relay)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    GATE.clear()
    yield
    GATE.set()


def test_what_was_acknowledged_is_there_when_opened_again(tmp_path: Path) -> None:
    with shop.open(tmp_path / "data") as rt:
        cart = rt.entity(Cart, "ada")
        assert cart.add_item(BOOK) == 1
        assert cart.add_item(PEN) == 2
        assert rt.call(Cart.remove_item, "ada", "p1") is None
        assert rt.entity(Profile, "ada").change_email("ada@x").startswith("ada@")
    with shop.open(tmp_path / "data") as rt:
        assert rt.entity(Cart, "ada").contents() == [PEN]
        assert rt.call(Profile.address, "ada") == "ada@x"
        assert rt.call(Profile.checkout, "ada", "ada") == 1
        assert rt.entity(Cart, "ada").contents() == []
        rt.entity(Profile, "ada").forget()
        assert rt.entity(Profile, "ada").address() == ""


def test_a_folder_has_one_opener(tmp_path: Path) -> None:
    with shop.open(tmp_path), pytest.raises(adjoin.Error) as refused, shop.open(tmp_path):
        pass
    assert str(tmp_path) in str(refused.value)


def test_snapshots_shorten_the_way_back(tmp_path: Path) -> None:
    with app.open(tmp_path) as rt:
        assert [rt.call(Sum.add, "a", 1) for _ in range(35)][-1] == 35
    with app.open(tmp_path) as rt:
        assert rt.call(Sum.value, "a") == 35
        assert rt.call(Sum.add, "a", 5) == 40


def test_a_refusal_is_raised_as_it_was_and_changes_nothing(adjoin_rt: Any) -> None:
    rt = adjoin_rt(shop)
    cart = rt.entity(Cart, "ada")
    cart.add_item(BOOK)
    with pytest.raises(Rejected, match="qty must be positive") as refused:
        cart.add_item(Item("p2", "Pen", 0))
    assert (refused.value.code, refused.value.outcome) == ("FAILED_PRECONDITION", "none")
    with pytest.raises(Rejected) as refused:
        rt.call(Cart.remove_item, "ada", "p9")
    assert refused.value.code == "NOT_FOUND"
    assert cart.contents() == [BOOK]


def test_both_colours_are_called_from_both_faces() -> None:
    async def over(rt: adjoin.AsyncRuntime) -> None:
        assert await rt.call(Sum.add, "a", 1) == 1
        assert await rt.call(Sum.add_async, "a", 1) == 2
        assert await rt.entity(Sum, "a").add_async(1) == 3
        assert await rt.call(Sum.value, "a") == 3
        assert [n async for n in rt.stream(Relay.ticks, "k", 40)] == list(range(40))
        assert [n async for n in rt.stream(Relay.ticks_sync, "k", 40)] == list(range(40))
        with pytest.raises(adjoin.Invalid, match="would block the event loop"):
            rt.entity(Sum, "a").add(1)

    async def main() -> None:
        async with app.open() as rt:
            await over(rt)

    asyncio.run(main())
    with app.open() as rt:
        assert rt.call(Sum.add_async, "a", 1) == 1
        assert asyncio.run(_awaited(rt.entity(Sum, "a").add_async(1))) == 2
        assert list(rt.stream(Relay.ticks, "k", 40)) == list(range(40))
        assert list(rt.entity(Relay, "k").ticks_sync(3)) == [0, 1, 2]


async def _awaited(coroutine: Any) -> Any:
    return await coroutine


def test_many_callers_of_many_entities_all_get_their_answer() -> None:
    async def main() -> None:
        async with app.open() as rt:
            calls = [rt.call(Sum.add if n % 2 else Sum.add_async, f"k{n % 7}", 1) for n in range(700)]
            await asyncio.gather(*calls)
            assert [await rt.call(Sum.value, f"k{k}") for k in range(7)] == [100] * 7

    asyncio.run(main())
    with app.open() as rt, ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda n: rt.call(Sum.add if n % 2 else Sum.add_async, f"k{n % 7}", 1), range(700)))
        assert [rt.call(Sum.value, f"k{k}") for k in range(7)] == [100] * 7


def test_a_handler_that_waits_for_another_entity_never_waits_for_ever(adjoin_rt: Any) -> None:
    rt = adjoin_rt(app)
    assert rt.call(Sum.add_to, "a", "b", 5) == 5
    assert rt.call(Sum.add_to_async, "a", "b", 1) == 11
    assert rt.call(Relay.chain, "k0", [f"k{n}" for n in range(1, 15)]) == 14
    with ThreadPoolExecutor(40) as threads:
        list(threads.map(lambda n: rt.call(Sum.add_to, f"from{n}", f"to{n % 3}", 1), range(120)))
    with pytest.raises(adjoin.Error, match="block the event loop"):
        rt.call(Relay.blocks_the_loop, "x", "a")


def test_entities_that_wait_for_each_other_are_refused(adjoin_rt: Any) -> None:
    rt = adjoin_rt(app)
    with pytest.raises(Rejected, match="wait"):
        rt.call(Sum.round_trip, "a", "b")
    assert rt.call(Sum.value, "a") == 0


def test_the_same_works_on_a_users_loop() -> None:
    async def main() -> None:
        async with app.open() as rt:
            assert await rt.call(Sum.add_to, "a", "b", 5) == 5
            assert await rt.call(Sum.add_to_async, "a", "b", 1) == 11
            assert await rt.call(Relay.chain, "k0", [f"k{n}" for n in range(1, 15)]) == 14
            with pytest.raises(Rejected, match="wait"):
                await rt.call(Sum.round_trip, "c", "d")

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_watch_shows_the_latest_and_never_goes_back(adjoin_rt: Any) -> None:
    rt = adjoin_rt(app)
    with rt.watch(Sum.value, "a") as values:
        assert next(values) == 0
        for _ in range(49):
            rt.call(Sum.add, "a", 1)
        seen, sequences = [], []
        while not seen or seen[-1] != 49:
            seen.append(values.next(timeout=20))
            sequences.append(values.sequence)
        assert seen == sorted(set(seen))
        assert sequences == sorted(set(sequences))
    with pytest.raises(adjoin.Invalid, match="only queries can be watched"):
        rt.watch(Sum.add, "a", 1)
    with pytest.raises(EOFError):
        values.next()


def test_a_watch_is_awaited_likewise() -> None:
    async def main() -> None:
        async with app.open() as rt:
            seen: list[int] = []
            async with rt.watch(Sum.value, "a") as values:
                async for value in values:
                    seen.append(value)
                    if value == 3:
                        break
                    await rt.call(Sum.add, "a", 1)
            assert seen == [0, 1, 2, 3]

    asyncio.run(asyncio.wait_for(main(), 60))


def test_an_idempotency_key_makes_a_call_safe_to_send_again(adjoin_rt: Any) -> None:
    rt = adjoin_rt(app)
    for _ in range(3):
        assert rt.call(Sum.add, "a", 5, idempotency_key="once") == 5
        assert rt.entity(Sum, "a", idempotency_key="once").add(5) == 5
        assert rt.with_options(idempotency_key="once").call(Sum.add, "a", 5) == 5
    assert rt.call(Sum.value, "a") == 5
    with pytest.raises(adjoin.Conflict):
        rt.call(Sum.add, "a", 6, idempotency_key="once")


def test_a_call_may_expect_a_sequence(adjoin_rt: Any) -> None:
    rt = adjoin_rt(app)
    rt.call(Sum.add, "a", 1)
    assert rt.call(Sum.add, "a", 1, if_sequence=1) == 2
    with pytest.raises(adjoin.Conflict):
        rt.call(Sum.add, "a", 1, if_sequence=1)


def test_a_call_that_takes_too_long_expires_and_its_entity_goes_on(adjoin_rt: Any) -> None:
    rt = adjoin_rt(app)
    with pytest.raises(adjoin.Expired) as expired:
        rt.call(Sum.wait, "a", timeout=0.05)
    assert expired.value.outcome == "unknown"
    assert rt.call(Sum.add, "b", 1, timeout=20) == 1
    GATE.set()
    assert rt.call(Sum.add, "a", 1) == 1


def test_a_missing_type_and_a_wrong_call_are_told_apart(adjoin_rt: Any) -> None:
    rt = adjoin_rt(app)
    with pytest.raises(adjoin.NotFound):
        rt.call(Mailer.welcome, "a", "x")
    with pytest.raises(adjoin.Invalid, match="Expected `int`, got `str`"):
        rt.call(Sum.add, "a", "x")
    with pytest.raises(adjoin.Invalid, match="missing a required argument"):
        rt.call(Sum.add, "a")
    with pytest.raises(adjoin.Invalid, match="1 to 1024 bytes"):
        rt.call(Sum.add, "", 1)
    with pytest.raises(adjoin.Invalid, match=r"use rt.stream"):
        rt.call(Relay.ticks, "a", 1)
    with pytest.raises(AttributeError, match="add a @query to read the state"):
        rt.entity(Sum, "a").total


def test_a_closed_runtime_says_so_and_tells_whoever_waits(adjoin_rt: Any) -> None:
    rt = app.open(settings={"drain_ms": 50}).start()
    failures: list[BaseException] = []

    def call() -> None:
        try:
            rt.call(Sum.wait, "a")
        except adjoin.Error as error:
            failures.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert ENTERED.acquire(timeout=20)
    closing = threading.Thread(target=rt.close)
    closing.start()
    thread.join(20)
    GATE.set()
    closing.join(20)
    assert [type(error) for error in failures] == [adjoin.Unavailable]
    with pytest.raises(adjoin.Unavailable, match="closed"):
        rt.call(Sum.value, "a")
    rt.close()


def test_nothing_of_a_runtime_is_left_behind() -> None:
    before = threading.active_count()
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with app.open() as rt:
            rt.call(Sum.add_async, "a", 1)
    assert threading.active_count() == before
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 1


def test_an_opening_opens_once() -> None:
    opening = app.open()
    with opening, pytest.raises(adjoin.Invalid, match="opened already"):
        opening.start()


def test_settings_that_are_wrong_are_said() -> None:
    with pytest.raises(adjoin.Invalid, match="nonsense"):
        app.open(settings={"nonsense": 1}).start()
    with pytest.raises(adjoin.Error, match=r"127\.0\.0\.1:99999"):
        app.open(http="127.0.0.1:99999").start()


def test_the_lock_file_of_the_folder_is_found_in_process_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adjoin.lock.json").write_text("no lock file")
    with pytest.raises(adjoin.Invalid, match=r"adjoin\.lock\.json"):
        app.open(http="127.0.0.1:0").start()


def test_frames_that_are_none_are_refused_and_harm_nothing(adjoin_rt: Any) -> None:
    rt = adjoin_rt(app)
    for wrong in [[()], [(99,)], [(2, "x", 1, None)], ["x"], [(10, 1)], [(0, -1, 2)], [(4, 1, 1, ("Nope",), False)]]:
        with pytest.raises(adjoin.Invalid, match="a frame that the binding does not know"):
            rt._session.host.submit(wrong)
    assert rt.call(Sum.add, "a", 1) == 1


def test_a_client_elsewhere_has_the_same_face(adjoin_rt: Any) -> None:
    url = adjoin_rt(shop, http="127.0.0.1:0").http
    with adjoin.connect(url) as rt:
        cart = rt.entity(Cart, "ada")
        assert cart.add_item(BOOK) == 1
        assert cart.contents() == [BOOK]
        assert rt.call(Cart.remove_item, "ada", "p1") is None
        with pytest.raises(Rejected, match="no p9 here") as refused:
            rt.call(Cart.remove_item, "ada", "p9")
        assert refused.value.code == "NOT_FOUND"
        assert list(rt.stream(Mailer.digest, "all", 2)) == ["2 days ago: nothing new", "1 days ago: nothing new"]
        with rt.watch(Cart.contents, "ada") as contents:
            assert next(contents) == []
            cart.add_item(
                PEN,
            )
            assert contents.next(timeout=20) == [PEN]
        for _ in range(2):
            assert rt.call(Cart.add_item, "bob", BOOK, idempotency_key="k") == 1

    async def main() -> None:
        async with adjoin.connect(url) as rt:
            assert await rt.call(Cart.check_out, "ada") == 1
            assert [line async for line in rt.stream(Mailer.digest, "all", 1)] == ["1 days ago: nothing new"]

    asyncio.run(main())


def test_a_connection_that_cannot_be_is_unavailable() -> None:
    with pytest.raises(adjoin.Unavailable), adjoin.connect("http://127.0.0.1:1") as rt:
        rt.call(Cart.contents, "ada", timeout=5)


def test_a_sync_runtime_works_where_a_loop_runs(adjoin_rt: Callable[..., Any]) -> None:
    async def main() -> None:
        with app.open() as rt:
            assert rt.entity(Sum, "a").add(1) == 1
            assert rt.call(Sum.add_async, "a", 1) == 2
            assert await rt.entity(Sum, "a").add_async(1) == 3

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_cancelled_task_lets_the_call_go() -> None:
    async def main() -> None:
        async with app.open() as rt:
            task = asyncio.ensure_future(rt.call(Sum.wait, "a"))
            await asyncio.get_running_loop().run_in_executor(None, ENTERED.acquire)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert rt._session.requests._open == {}
            GATE.set()
            assert await rt.call(Sum.add, "a", 1) == 1

    asyncio.run(asyncio.wait_for(main(), 30))


def test_serving_on_a_users_loop_ends_when_its_task_is_cancelled() -> None:
    async def main() -> None:
        ready = asyncio.Event()
        task = asyncio.ensure_future(shop.serve_async("127.0.0.1:0", on_ready=lambda address: ready.set()))
        await ready.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    before = threading.active_count()
    asyncio.run(asyncio.wait_for(main(), 30))
    assert threading.active_count() == before
