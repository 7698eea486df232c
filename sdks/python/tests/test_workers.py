# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue

import pytest
from adjoin._workers import Item, Workers, blocked


class Job:
    """Something to run."""

    def __init__(self, run: Callable[[], object]) -> None:
        self._run = run
        self.done = threading.Event()

    def work(self) -> None:
        try:
            self._run()
        finally:
            self.done.set()


class Bench:
    """Workers whose duty is to take batches out of a queue."""

    def __init__(self, running: int = 8) -> None:
        self.batches: SimpleQueue[Iterable[Item] | None] = SimpleQueue()
        self.polling: set[int] = set()
        self.workers = Workers(self._duty, lambda: None, running)
        self.workers.start()

    def _duty(self) -> Iterable[Item] | None:
        self.polling.add(threading.get_ident())
        return self.batches.get()

    def give(self, *jobs: Job) -> None:
        self.batches.put(jobs)

    def end(self) -> bool:
        self.batches.put(None)
        return self.workers.close(20)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    assert made.end(), "every thread has ended"


def wait(*jobs: Job) -> None:
    for job in jobs:
        assert job.done.wait(20)


def test_one_thread_polls_and_runs_what_is_quick(bench: Bench) -> None:
    threads: set[int] = set()
    for _ in range(200):
        jobs = [Job(lambda: threads.add(threading.get_ident())) for _ in range(3)]
        bench.give(*jobs)
        wait(*jobs)
    assert len(threads) <= 2


def test_the_rest_of_a_batch_and_the_polling_go_on_when_a_job_blocks(bench: Bench) -> None:
    gate = threading.Event()
    stuck = [Job(lambda: gate.wait(20)) for _ in range(4)]
    same_batch, next_batch = Job(lambda: None), Job(lambda: None)
    bench.give(*stuck, same_batch)
    wait(same_batch)
    bench.give(next_batch)
    wait(next_batch)
    assert not any(job.done.is_set() for job in stuck)
    gate.set()
    wait(*stuck)


def test_so_many_run_at_once_and_no_more() -> None:
    bench = Bench(running=3)
    gate, inside = threading.Event(), threading.Semaphore(0)
    jobs = [Job(lambda: (inside.release(), gate.wait(20))) for _ in range(6)]
    bench.give(*jobs)
    for _ in range(3):
        assert inside.acquire(timeout=20)
    assert not inside.acquire(timeout=0.05)
    gate.set()
    wait(*jobs)
    assert bench.end()


def test_jobs_that_wait_for_others_do_not_count() -> None:
    bench = Bench(running=1)
    depth = 40

    def nested(left: int) -> Job:
        def run() -> None:
            if left:
                inner = nested(left - 1)
                with blocked():
                    bench.give(inner)
                    wait(inner)

        return Job(run)

    outer = nested(depth)
    bench.give(outer)
    wait(outer)
    assert bench.end()


def test_a_job_that_fails_takes_no_thread_with_it(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    broken, after = Job(lambda: 1 / 0), Job(lambda: None)
    bench.give(broken)
    wait(broken)
    bench.give(after)
    wait(after)
    assert bench.end()
    assert "ZeroDivisionError" in caplog.text


def test_items_handed_in_from_outside_are_run_though_one_polls(bench: Bench) -> None:
    for _ in range(50):
        job = Job(lambda: None)
        bench.workers.put([job])
        wait(job)


def test_workers_without_a_duty_end_when_closed() -> None:
    workers = Workers(None, lambda: None, 4)
    workers.start()
    jobs = [Job(lambda: None) for _ in range(20)]
    workers.put(jobs)
    wait(*jobs)
    assert workers.close(20)
