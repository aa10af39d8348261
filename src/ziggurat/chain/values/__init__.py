"""Values to bytes and back, exactly and without pickle. The shop window of the room."""

from ziggurat.chain.values.codec import DIGEST_BYTES, Opaque, canonical, decode, digest, encode
from ziggurat.chain.values.declared import why_not

__all__ = ["DIGEST_BYTES", "Opaque", "canonical", "decode", "digest", "encode", "why_not"]
