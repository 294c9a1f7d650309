"""How a spec names a Secret."""

from typing import Annotated

from pydantic import Field

from modelramp.api.rules import ApiModel


class SecretReference(ApiModel):
    """Names a Secret in the namespace of the ModelDeployment."""

    name: Annotated[str, Field(min_length=1, max_length=253, description="Name of the Secret.")]
