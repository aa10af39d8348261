"""What the cells of a chain's stages are: whether they are shared between rows."""

from __future__ import annotations

from ziggurat.batch.records import StageKind
from ziggurat.chain.identity import Identities
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.run.session import every_step


def stage_kinds(chain: MultiChain) -> dict[bytes, StageKind]:
    """By a stage's identity, what its cells are: shared between rows if the chain's cache would share them."""
    identities = Identities()
    kinds: dict[bytes, StageKind] = {}
    for _, step, home in every_step(chain.program):
        identity, policy = identities.of(step, home), step.policy
        shared = not policy.effect and policy.cache is not False and (policy.cache is True or not identity.opaque)
        before = kinds.get(identity.digest, StageKind(shared))
        kinds[identity.digest] = StageKind(
            before.shared and shared, before.falls_back or policy.fallback is not None, step.is_composite
        )
    return kinds
