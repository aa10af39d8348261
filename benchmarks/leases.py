"""A budget, a rate and cells shared by a thousand executors that fail; and what the real coordinator answers a second.

    python benchmarks/leases.py [--executors 1000] [--seconds 3]

The first tables come from `executors.py` and `executors_sharing.py`: simulated time, the batch's real books, failures at random. That no budget is
overrun, no window overfull and no finished cell computed again is checked, not only counted: a run that breaks it ends
with an error. The last table is a real coordinator over loopback sockets, asked by processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import statistics
import subprocess
import sys
import time

import report
from executors import SpendingWorld
from executors_sharing import ComputingWorld, PacingWorld
from ziggurat.batch.coordination import Place
from ziggurat.batch.rates import Rate
from ziggurat.batch.remote import RemoteCoordination

CALLS_A_SECOND = 64.0
"""Of one executor: 64 rows in flight, a second a call."""

_SERVER = """
import sys, time
from ziggurat.batch.coordinator import Coordinator
from ziggurat.chain.budget import Budget
with Coordinator(budget=Budget(calls=10**9)) as lead:
    print(lead.address, lead.token, flush=True)
    before = time.process_time()
    sys.stdin.read()
    print(time.process_time() - before)
"""


def spent(executors: int) -> list[report.Table]:
    """Budgets of calls."""
    rows, ratios = [], []
    for losses in (0, 10, 100, 1000):
        made = SpendingWorld(10_000_000, executors, losses, CALLS_A_SECOND).play()
        more = {
            "calls made": made.sent,
            "lost": made.lost,
            "returned and given again": made.returned,
            "messages/s": made.messages / made.seconds,
            "busiest second": made.busiest,
        }
        rows.append(_row(f"{losses:,} losses", made.budget - made.sent, more))
    for budget in (10_000, 100_000, 1_000_000, 10_000_000):
        made = SpendingWorld(budget, executors, 100, CALLS_A_SECOND).play()
        more = {"calls made": made.sent, "lost": made.lost, "seconds": made.seconds}
        ratios.append(_row(f"{budget:,} calls", made.stranded * 100, more))
    about = (
        f"{executors:,} executors of about {CALLS_A_SECOND:g} calls a second each (log-normal, sigma 0.5), partitions of "
        "two minutes, heartbeats each second. Half of the lost are killed, half cut off, which then send all they "
        "have; each is replaced after 20 s. Never above the budget: checked."
    )
    return [
        report.Table("Calls of a budget of 10,000,000 that nobody could make", "calls", rows, notes=[about]),
        report.Table(
            "The part of a budget that nobody could make, 100 losses",
            "% of the budget",
            ratios,
            notes=["A budget of 10,000 calls is ten for each executor and lasts a moment; the losses come within it."],
        ),
    ]


def paced(executors: int) -> report.Table:
    """Rates."""
    rows = []
    seconds = 240.0
    for rate, losses in ((Rate(30_000, 60), 0), (Rate(30_000, 60), 100), (Rate(500, 1), 0), (Rate(500, 1), 100)):
        made = PacingWorld(rate, executors, 8, losses, seconds).play()
        full = rate.calls * seconds / rate.seconds
        more = {
            "fullest window": made.fullest(),
            "allowed": rate.calls,
            "lost": made.lost,
            "messages/s": made.messages / seconds,
        }
        name = f"{rate.calls:,} calls in {rate.seconds:g} s, {losses} losses"
        rows.append(_row(name, len(made.sent) / full * 100, more))
    return report.Table(
        f"What {executors:,} executors use of a rate",
        "% of the rate",
        rows,
        better="more",
        notes=[
            (
                "One permit in a hundred is used late, up to its lease of 15 s; the others are told of 12 ms after their "
                "use and rest from then, so short windows lose more. What an executor that is cut off was given rests until "
                "it is found silent (15 s), its lease has ended (15 s) and a window has passed. Never above the rate in "
                "any window: checked."
            )
        ],
    )


def computed(executors: int) -> report.Table:
    """Cells."""
    rows = []
    for losses in (0, 100, 1000):
        made = ComputingWorld(300_000, 200_000, executors, 8, losses).play()
        more = {"lost": made.lost, "of them in flight at a loss": made.in_flight, "claims": made.asked}
        rows.append(_row(f"{losses:,} losses", made.computed, {**more, "different cells": made.distinct}))
    return report.Table(
        f"Cells computed for 300,000 rows by {executors:,} executors",
        "cells",
        rows,
        notes=["What is computed beyond the different cells is what was in flight at a loss. Checked."],
    )


def _row(name: str, value: float, more: dict[str, float]) -> report.Row:
    return report.Row(name, "ours", value, value, value, more)


# -- the real coordinator ---------------------------------------------------------------------------------------------


async def client(what: str, address: str, token: str, name: str, begin: float, seconds: float) -> list[float]:
    """One process: how many a second, and for asks their median and 99th percentile in microseconds.

    All of them count from the same moment to the same moment; one that is not ready then has counted less.
    """
    end, count = begin + seconds, 0
    async with RemoteCoordination(address, token, name) as lead:
        await asyncio.sleep(begin - time.monotonic())
        if what == "asks":
            taken: list[float] = []
            while (at := time.monotonic()) < end:
                lead._line.ask("ask", ["0", 0, 1], ["0", 0, 0])  # noqa: SLF001 (a round trip, without the purse)
                taken.append((time.monotonic() - at) * 1e6)
            cuts = statistics.quantiles(taken, n=100)
            return [len(taken) / seconds, cuts[49], cuts[98]]

        async def rows(lane: int) -> None:
            nonlocal count
            number = 0
            while time.monotonic() < end:
                number += 1
                key = hashlib.blake2b(f"{name} {lane} {number}".encode(), digest_size=16).digest()
                if await lead.claim(key) is None:
                    lead.publish(key, Place("a.cells", number))
                count += 1

        await asyncio.gather(*(rows(lane) for lane in range(64)))
    return [count / seconds]


def answered(seconds: float) -> list[report.Table]:
    """A coordinator in one process, asked by others."""
    tables = []
    for what, title, unit in (
        ("cells", "Cells claimed and published at a real coordinator", "cells/s"),
        ("asks", "Shares asked for at a real coordinator", "asks/s"),
    ):
        rows = []
        for clients in (1, 2, 4, 8):
            found, each = _asked(what, clients, seconds)
            more = {"the coordinator's processor, µs each": each}
            if what == "asks":
                more |= {
                    "median, µs": statistics.median(one[1] for one in found),
                    "99th percentile, µs": max(one[2] for one in found),
                }
            name = f"{clients} process{'es' if clients > 1 else ''}"
            rows.append(_row(name, sum(one[0] for one in found), more))
        tables.append(report.Table(title, unit, rows, better="more"))
    tables[0].notes.append("64 rows in flight in each process; over loopback, the clients on the same cores.")
    tables[1].notes.append("One question at a time in each process, as a purse asks.")
    return tables


def _asked(what: str, clients: int, seconds: float) -> tuple[list[list[float]], float]:
    """What each client found, and the processor time that the coordinator took for one of them, in microseconds."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        if server.stdin is None or server.stdout is None:
            raise AssertionError
        address, token = server.stdout.readline().split()
        timing = ["--begin", str(time.monotonic() + 3 + clients / 2), "--seconds", str(seconds)]
        started = [
            subprocess.Popen(
                [sys.executable, __file__, "--client", what, address, token, f"w{number}", *timing],
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(clients)
        ]
        found = [[float(one) for one in process.communicate()[0].split()] for process in started]
        server.stdin.close()
        taken = float(server.stdout.read())
    return found, taken / (sum(one[0] for one in found) * seconds) * 1e6


def measure(given: argparse.Namespace) -> list[report.Table]:
    """All tables."""
    return [
        *spent(given.executors),
        paced(given.executors),
        computed(given.executors),
        *answered(given.seconds),
    ]


def main() -> None:
    """Simulate and measure, or be one of the clients."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--executors", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure of the real coordinator")
    parser.add_argument("--client", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--begin", type=float, help=argparse.SUPPRESS)
    if "--client" in sys.argv:
        given = parser.parse_args()
        print(*asyncio.run(client(*given.client, given.begin, given.seconds)))
        return
    report.main(__file__, "A thousand executors, one budget", measure, parser)


if __name__ == "__main__":
    main()
