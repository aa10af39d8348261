"""Chains as files: YAML to `MultiChain`, `MultiChain` to YAML, and the JSON Schema of the form.

A chain file is data. Reading one runs no code from it, imports nothing it names, and opens nothing
outside its folder; what a stage can be is what is registered (entry points of the group
``ziggurat.stages``) and what the caller hands over by name.
"""

from ziggurat.chain.spec.reading import load_chain
from ziggurat.chain.spec.registry import StageSettings
from ziggurat.chain.spec.schema import chain_schema
from ziggurat.chain.spec.writing import dump_chain

__all__ = ["StageSettings", "chain_schema", "dump_chain", "load_chain"]
