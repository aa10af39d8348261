"""Values to bytes and back, without pickle. (being written)"""
import hashlib
from typing import Any
from ormsgpack import packb, unpackb
def encode(value: Any, *, blobs: Any = None) -> bytes: return packb(value)
def decode(data: bytes, *, blob: Any = None, lenient: bool = False) -> Any: return unpackb(data)
def canonical(value: Any) -> bytes: return packb(value)
def digest(value: Any) -> bytes: return hashlib.blake2b(canonical(value), digest_size=16).digest()
def why_not(declared_type: Any) -> str | None: return None
