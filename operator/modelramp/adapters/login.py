"""Authentication against the API server."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import yaml
from kubernetes.aio import client, config
from kubernetes.aio.config.incluster_config import SERVICE_HOST_ENV_NAME, SERVICE_TOKEN_FILENAME

Login = Callable[[client.Configuration], Awaitable[None]]
"""Puts the server's address and fresh credentials into a configuration; raises ConfigException or OSError."""


def login_with(kubeconfig: str | None, context: str | None) -> Login:
    """Log in with the given kubeconfig, else as the pod's ServiceAccount, else with the user's kubeconfig."""

    async def login(configuration: client.Configuration) -> None:
        try:
            if kubeconfig is None and context is None and _in_cluster():
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await config.load_kube_config(  # type: ignore[no-untyped-call]
                    kubeconfig, context, configuration, persist_config=False
                )
        except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
            # The library assumes a well-formed file.
            raise config.ConfigException(f"malformed kubeconfig ({type(error).__name__})") from error

    return login


def _in_cluster() -> bool:
    return bool(os.environ.get(SERVICE_HOST_ENV_NAME)) and Path(SERVICE_TOKEN_FILENAME).is_file()
