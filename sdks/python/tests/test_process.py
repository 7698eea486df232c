# SPDX-License-Identifier: Apache-2.0
"""What only whole processes show: signals, forks, exits, deaths."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import SDK, SHOP
from shop import Cart
from shop import app as shop_app

DEADLINE_S = 60


def run(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that has the shop at hand, to its end."""
    prelude = f"import sys; sys.path.insert(0, {str(SHOP)!r})\nimport adjoin\nfrom shop import *\n"
    command = [
        sys.executable,
        "-X",
        "faulthandler",
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        prelude + textwrap.dedent(script),
        *args,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


class Running:
    """The shop as a process, once it is ready."""

    def __init__(self, *args: str) -> None:
        command = [sys.executable, str(SHOP / "shop.py"), *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.address = self.line.split()[-1] if self.line else ""

    def end(self, number: int) -> tuple[int, str]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, errors

    def ask(self, path: str, body: Any = None, *, post: bool = True) -> tuple[int, Any]:
        data = json.dumps(body).encode() if body is not None else (b"" if post else None)
        request = urllib.request.Request(self.address + path, data, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)


@pytest.fixture
def started() -> Iterator[list[Running]]:
    made: list[Running] = []
    yield made
    for running in made:
        running.process.kill()
        running.process.communicate(timeout=DEADLINE_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("args", [("serve", "127.0.0.1:0"), ("open", "memory", "--http", "127.0.0.1:0")])
def test_a_signal_ends_the_shop_cleanly(started: list[Running], args: tuple[str, ...], number: int) -> None:
    started.append(Running(*args))
    assert started[0].line.startswith("ready: ")
    assert started[0].end(number) == (0, "")


def test_the_shop_speaks_http_and_keeps_its_journal_through_a_kill(started: list[Running], tmp_path: Path) -> None:
    book = {"product": "p1", "name": "Book"}
    started.append(Running("open", str(tmp_path), "--http", "127.0.0.1:0"))
    shop = started[0]
    assert shop.ask("/shop.Cart/ada/addItem", book) == (200, 1)
    assert shop.ask("/shop.Cart/ada/addItem", {**book, "qty": 0})[0] == 400
    assert shop.ask("/shop.Cart/ada/addItem", {**book, "qty": "two"})[0] == 400
    assert shop.ask("/shop.Cart/ada/removeItem", "p9")[0] == 404
    assert shop.ask("/shop.Profile/ada/changeEmail", "ada@x")[0] == 200
    shop.end(signal.SIGKILL)
    started.append(Running("open", str(tmp_path), "--http", "127.0.0.1:0"))
    shop = started[1]
    assert shop.ask("/shop.Cart/ada/contents", post=False) == (200, [{**book, "qty": 1}])
    assert shop.ask("/shop.Profile/ada/address", post=False) == (200, "ada@x")
    assert shop.ask("/shop.Profile/ada/checkout", "ada") == (200, 1)


def test_a_torn_tail_is_a_warning_in_the_log_of_the_program(
    started: list[Running], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    started.append(Running("open", str(tmp_path), "--http", "127.0.0.1:0"))
    shop = started[0]
    for number in range(1, 4):
        assert shop.ask("/shop.Cart/ada/addItem", {"product": f"p{number}", "name": "Book"}) == (200, number)
    shop.end(signal.SIGKILL)
    log = max(tmp_path.glob("*.log"))
    os.truncate(log, log.stat().st_size - 5)  # as a power failure may leave it: the last write, cut short
    with shop_app.open(tmp_path) as rt:
        (said,) = [record for record in caplog.records if record.levelname == "WARNING"]
        assert said.name == "adjoin"
        assert f"{tmp_path}: {log.name} ended in a write that was under way" in said.getMessage()
        assert [item.product for item in rt.call(Cart.contents, "ada")] == ["p1", "p2"]
        rt.call(Cart.check_out, "ada")
    caplog.clear()
    with shop_app.open(tmp_path) as rt:
        assert rt.call(Cart.contents, "ada") == []
    assert caplog.records == []


def test_a_signal_that_comes_while_the_wait_begins_is_seen() -> None:
    ended = run(
        """
        import signal
        from adjoin._signals import wait_for_signal

        signal.signal(signal.SIGALRM, lambda number, frame: signal.raise_signal(signal.SIGTERM))
        for n in range(300):
            wait_for_signal(lambda call: None, lambda: signal.setitimer(signal.ITIMER_REAL, 1e-6 * (n % 50 + 1)))
        """
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_short_purchase_says_what_it_did() -> None:
    done = subprocess.run(
        [sys.executable, str(SHOP / "shop.py")], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "refused: qty must be positive" in done.stdout
    assert "bought: 1" in done.stdout


def test_a_fork_cannot_use_the_runtime_and_ends_without_harm() -> None:
    done = run("""
        import os
        with app.open() as rt:
            assert rt.entity(Cart, "ada").add_item(Item("p1", "Book")) == 1
            child = os.fork()
            if child == 0:
                try:
                    rt.entity(Cart, "ada").contents()
                except adjoin.Invalid as refused:
                    print("child:", refused, flush=True)
                with app.open() as own:  # one of its own is fine
                    print("own:", own.entity(Cart, "ada").add_item(Item("p1", "Book")), flush=True)
            else:
                _, status = os.waitpid(child, 0)
                assert status == 0, status
                assert len(rt.entity(Cart, "ada").contents()) == 1
                print("parent: fine", flush=True)
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert "child: this process is a fork" in done.stdout
    assert "own: 1" in done.stdout
    assert done.stdout.count("parent: fine") == 1


def test_processes_of_a_pool_that_forks_end_too() -> None:
    done = run("""
        import multiprocessing
        def square(n): return n * n
        with app.open() as rt:
            rt.entity(Cart, "ada").add_item(Item("p1", "Book"))
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(sum(pool.map(square, range(10))))
            print(rt.entity(Cart, "ada").check_out())
    """)
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", ["285", "1"])


@pytest.mark.parametrize("end", ["", "raise SystemExit(0)", "import os; os._exit(0)"])
def test_a_program_that_forgets_to_close_ends_by_itself(end: str) -> None:
    done = run(f"""
        rt = app.open().start()
        assert rt.call(Cart.add_item, "ada", Item("p1", "Book")) == 1
        rt.call(Cart.remove_item, "ada", "p1")
        {end}
    """)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_async_program_that_forgets_to_close_ends_by_itself() -> None:
    done = run("""
        import asyncio
        async def main():
            rt = await app.open().__aenter__()
            print(await rt.call(Cart.add_item, "ada", Item("p1", "Book")))
        asyncio.run(main())
    """)
    assert (done.returncode, done.stdout.split()) == (0, ["1"])


def test_ctrl_c_interrupts_a_call_and_closes_in_order() -> None:
    script = """
        import os, signal, threading
        from dataclasses import dataclass
        entered, gate = threading.Event(), threading.Event()
        class Slow(adjoin.Action):
            @adjoin.command
            def wait(self) -> None:
                entered.set()
                gate.wait(20)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs this in the background may have it ignored
        def interrupt():
            entered.wait(20)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            with adjoin.App(Slow).open(settings={"drain_ms": 10_000}) as rt:
                try:
                    rt.call(Slow.wait, "x")
                finally:
                    gate.set()
        except KeyboardInterrupt:
            print("interrupted")
    """
    done = run(script)
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", ["interrupted"])


def test_a_thread_that_still_calls_when_the_runtime_closes_is_told() -> None:
    done = run("""
        import threading
        told = []
        def calls(rt):
            try:
                while True:
                    rt.call(Cart.contents, "ada")
            except adjoin.Unavailable:
                told.append(1)
        with app.open() as rt:
            threads = [threading.Thread(target=calls, args=(rt,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            rt.call(Cart.add_item, "ada", Item("p1", "Book"))
        for thread in threads:
            thread.join(20)
        print(len(told))
    """)
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", ["8"])


def test_what_a_handler_leaves_in_the_log_has_the_stack(tmp_path: Path) -> None:
    done = run("""
        class Broken(adjoin.Action):
            @adjoin.command
            def fail(self) -> None:
                raise KeyError("the reason")
        with adjoin.App(Broken).open() as rt:
            try:
                rt.call(Broken.fail, "x")
            except adjoin.Internal as error:
                print(error)
    """)
    assert "failed unexpectedly (KeyError)" in done.stdout
    assert "the reason" not in done.stdout
    assert 'raise KeyError("the reason")' in done.stderr or "KeyError: 'the reason'" in done.stderr


def test_state_checks_follow_the_environment() -> None:
    script = """
        from dataclasses import dataclass
        @dataclass
        class Sly(adjoin.EventSourced):
            n: int = 0
            @adjoin.command
            def change(self) -> None:
                self.n += 1
        with adjoin.App(Sly).open() as rt:
            try:
                rt.call(Sly.change, "x")
                print("unseen")
            except adjoin.Internal:
                print("seen")
    """
    assert run(script).stdout.split() == ["unseen"]
    os.environ["ADJOIN_CHECK_STATE"] = "1"
    try:
        assert run(script).stdout.split() == ["seen"]
    finally:
        del os.environ["ADJOIN_CHECK_STATE"]


def test_the_example_of_the_readme_runs(tmp_path: Path) -> None:
    text = (SDK / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, timeout=DEADLINE_S, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
