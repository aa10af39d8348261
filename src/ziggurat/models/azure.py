"""The provider ``azure``: deployments of Azure OpenAI, ``azure:<deployment>``.

Settles who asks (key, token or Entra ID) and where (endpoint, API version) before anything is opened, each
from an option or the environment; LangChain's classes do the rest. Invariant: a key that was given for
OpenAI itself is never sent to an Azure endpoint.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ziggurat.errors import ModelUnavailable
from ziggurat.models.openai import split_client_options
from ziggurat.models.openai_images import OpenAIImages
from ziggurat.optional import require

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel

_SCOPE = "https://cognitiveservices.azure.com/.default"


class AzureProvider:
    """Chat, embeddings and images of an Azure OpenAI resource.

    Options shared by the three: ``azure_endpoint`` (or ``AZURE_OPENAI_ENDPOINT``), ``api_version`` (or
    ``OPENAI_API_VERSION``), and one of ``api_key`` (or ``AZURE_OPENAI_API_KEY``), ``azure_ad_token`` (or
    ``AZURE_OPENAI_AD_TOKEN``) and ``azure_ad_token_provider``. With none of them, and the package
    ``azure-identity`` installed, Entra ID's default credential is used.
    """

    def chat(self, name: str, **options: Any) -> BaseChatModel:
        """Open ``AzureChatOpenAI`` for a deployment.

        Raises:
            MissingDependency: If ``langchain-openai`` is not installed.
            ModelUnavailable: If the endpoint, the API version or the credential is missing.
        """
        module = require("langchain_openai", for_="Azure's chat models", extra="openai")
        settled = _settled(name, options)
        made: BaseChatModel = module.AzureChatOpenAI(azure_deployment=name, **{"stream_usage": True, **settled})
        return made

    def embeddings(self, name: str, **options: Any) -> Embeddings:
        """Open ``AzureOpenAIEmbeddings`` for a deployment. Over-long texts are refused by the service.

        Raises:
            MissingDependency: If ``langchain-openai`` is not installed.
            ModelUnavailable: If the endpoint, the API version or the credential is missing.
        """
        module = require("langchain_openai", for_="Azure's embeddings", extra="openai")
        settled = {"check_embedding_ctx_length": False, **_settled(name, options)}
        made: Embeddings = module.AzureOpenAIEmbeddings(azure_deployment=name, **settled)
        return made

    def images(self, name: str, *, family: str = "gpt-image-1", **options: Any) -> OpenAIImages:
        """Open `OpenAIImages` for a deployment.

        Args:
            name: The deployment.
            family: The model that is deployed there, which decides the sizes.
            options: The shared ones, the client's, and the request's.

        Raises:
            MissingDependency: If ``openai`` is not installed.
            ModelUnavailable: If the endpoint, the API version or the credential is missing.
        """
        sdk = require("openai", for_="Azure's image models", extra="openai")
        settled = _settled(name, options)
        own = {key: settled.pop(key) for key in _SETTINGS if key in settled}
        more, request = split_client_options(settled)
        client = {"azure_deployment": name, **own, **more}
        return OpenAIImages(
            f"azure:{name}",
            name,
            family=family,
            client=lambda: sdk.AzureOpenAI(**client),
            aclient=lambda: sdk.AsyncAzureOpenAI(**client),
            options=request,
        )


_SETTINGS = ("azure_endpoint", "api_version", "api_key", "azure_ad_token", "azure_ad_token_provider")


def _settled(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options with endpoint, version and one credential in them."""
    made = dict(options)
    made["azure_endpoint"] = _setting(made, name, "azure_endpoint", "AZURE_OPENAI_ENDPOINT", "endpoint")
    made["api_version"] = _setting(made, name, "api_version", "OPENAI_API_VERSION", "API version")
    made.setdefault("api_key", os.environ.get("AZURE_OPENAI_API_KEY"))
    if not any(made.get(key) for key in ("api_key", "azure_ad_token", "azure_ad_token_provider")):
        token = os.environ.get("AZURE_OPENAI_AD_TOKEN")
        made |= {"azure_ad_token": token} if token else {"azure_ad_token_provider": _entra(name)}
    return made


def _setting(options: dict[str, Any], name: str, option: str, variable: str, what: str) -> str:
    value = options.get(option) or os.environ.get(variable)
    if not value:
        raise ModelUnavailable(
            f"There is no {what} for Azure OpenAI.",
            where=f"azure:{name}",
            fix=f"set the environment variable {variable}, or pass {option}=…",
        )
    return str(value)


def _entra(name: str) -> Callable[[], str]:
    """Tokens of Entra ID's default credential."""
    try:
        identity = import_module("azure.identity")
    except ImportError:
        raise ModelUnavailable(
            "There is no key for Azure OpenAI.",
            where=f"azure:{name}",
            fix="set the environment variable AZURE_OPENAI_API_KEY, pass api_key=…, "
            "or pip install azure-identity to sign in with Entra ID",
        ) from None
    tokens: Callable[[], str] = identity.get_bearer_token_provider(identity.DefaultAzureCredential(), _SCOPE)
    return tokens


provider = AzureProvider()
