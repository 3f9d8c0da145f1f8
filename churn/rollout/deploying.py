"""Where versions are deployed, and how patiently."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from churn.frozen import Frozen

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""Part of a URL path and, on a cluster, of an object's name."""

Strategy = Literal["canary", "blue_green"]


class DeploymentSettings(Frozen):
    """The deployment of an environment; its path is `/seldon/<namespace>/<name>/`."""

    namespace: Name = Field(default="churn", description="first part of the prediction API's path")
    name: Name = Field(default="churn", description="second part of it")
    strategy: Strategy = Field(
        default="canary",
        description="canary: shadow, then rising weights under the judge; blue_green: all at once after the smoke test",
    )
    baseline_hours: float = Field(
        default=24.0, gt=0, description="how far back stable's own requests are taken from, and waited for"
    )
    peek_seconds: float = Field(default=5.0, gt=0, description="between two looks of the judge")
    smoke_seconds: float = Field(default=0.5, gt=0, description="longest answer to known inputs in the smoke test")
    ready_seconds: float = Field(default=120.0, gt=0, description="longest wait for a server or a weight")
