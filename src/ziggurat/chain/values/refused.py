"""Types that are no data, each with the reason: functions, streams, locks, sockets, secrets."""

from __future__ import annotations

import abc
import asyncio
import collections.abc as shapes
import contextlib
import functools
import io
import socket
import sqlite3
import subprocess
import threading
import types
import typing
import weakref

_REASONS: tuple[tuple[tuple[type, ...], str], ...] = (
    (
        (
            types.FunctionType,
            types.BuiltinFunctionType,
            types.MethodType,
            functools.partial,
        ),
        "a function, which is code and not data",
    ),
    ((type,), "a class, which is code and not data"),
    ((types.ModuleType,), "a module, which is code and not data"),
    ((types.CoroutineType, asyncio.Future), "something still to be awaited"),
    ((types.GeneratorType, types.AsyncGeneratorType), "a generator, which can be read only once"),
    (
        (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Semaphore, threading.Event),
        "a lock, which lives in one process",
    ),
    ((threading.Thread,), "a thread, which lives in one process"),
    ((io.IOBase, typing.IO), "an open file, which lives in one process"),
    ((socket.socket,), "a socket, which lives in one process"),
    ((subprocess.Popen,), "a running program, which lives in one process"),
    ((sqlite3.Connection, sqlite3.Cursor), "a database connection, which lives in one process"),
    ((memoryview,), "a view into memory, which lives in one process"),
    ((weakref.ReferenceType,), "a weak reference, which lives in one process"),
    ((contextlib.ExitStack, contextlib.AsyncExitStack), "a context to be left, which lives in one process"),
    ((BaseException,), "an exception, which holds on to frames and whatever they hold"),
    ((shapes.Iterator, shapes.AsyncIterator), "an iterator, which can be read only once"),
    ((shapes.Awaitable,), "something still to be awaited"),
)

_SECRETS = frozenset(("SecretStr", "SecretBytes", "Secret"))


def why_never(cls: type) -> str | None:
    """Why no instance of a class can be stored, as it reads after "it is"; None where that is not certain."""
    if cls.__name__ in _SECRETS:
        return "a secret, which is never written to disk"
    for types_, reason in _REASONS:
        if issubclass(cls, types_) and not (abc.ABC in cls.__mro__ and cls in types_):
            return reason
    return None
