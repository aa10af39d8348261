"""Tour: vector stores that last. Ours, Chroma, Qdrant and LanceDB by one line; Pinecone with its key; copied from one to another.

python examples/tour/vector_stores.py
PINECONE_API_KEY=... python examples/tour/vector_stores.py pinecone:my-index
"""

import sys
import tempfile

from langchain_core.documents import Document

from ziggurat import VectorIndex
from ziggurat.stores import migrate, open_store

TEXTS = ["Chroma keeps its vectors in a folder.", "Pinecone keeps them in the cloud.", "Qdrant has a local mode."]


def main(*addresses, embedding="fake:64", **options):
    """What each store finds after it was closed and opened again, and after it was copied into ours."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for address in addresses or (f"chroma:{folder}/chroma", f"qdrant:{folder}/qdrant", f"lancedb:{folder}/lance"):
            with open_store(address, embedding, **options) as store:
                store.add_documents([Document(text, metadata={"row": row}) for row, text in enumerate(TEXTS)])
            with open_store(address, embedding, **options) as again:
                found[address.partition(":")[0]] = again.similarity_search(TEXTS[1], k=1)[0].page_content
                with VectorIndex.create(f"{folder}/copy-{len(found)}", embedding) as copy:
                    migrate(again, copy)
                    name = f"{address.partition(':')[0]} copied"
                    found[name] = copy.similarity_search(TEXTS[2], k=1)[0].page_content
    for name, text in found.items():
        print(f"{name:16} {text}")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
