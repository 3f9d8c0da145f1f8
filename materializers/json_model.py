"""A Pydantic model kept as JSON beside a self-contained HTML page."""

import os
from abc import abstractmethod
from typing import Any, ClassVar

from pydantic import BaseModel
from zenml.enums import ArtifactType, VisualizationType
from zenml.materializers.base_materializer import BaseMaterializer


class JsonModelMaterializer(BaseMaterializer):
    """Base of the materializers here; a subclass names its type and draws its page."""

    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    SKIP_REGISTRATION: ClassVar[bool] = True
    FILE: ClassVar[str] = "data.json"
    PAGE: ClassVar[str] = "view.html"

    @abstractmethod
    def page(self, data: Any) -> str:  # noqa: ANN401 - a subclass narrows it to its type
        """Return a complete HTML document that shows `data`."""

    def load(self, data_type: type[BaseModel]) -> BaseModel:
        """Read the model and check it."""
        with self.artifact_store.open(os.path.join(self.uri, self.FILE), "r") as file:
            return data_type.model_validate_json(file.read())

    def save(self, data: BaseModel) -> None:
        """Write the model as indented JSON."""
        with self.artifact_store.open(os.path.join(self.uri, self.FILE), "w") as file:
            file.write(data.model_dump_json(indent=1))

    def save_visualizations(self, data: BaseModel) -> dict[str, VisualizationType]:
        """Write the page."""
        path = os.path.join(self.uri, self.PAGE)
        with self.artifact_store.open(path, "w") as file:
            file.write(self.page(data))
        return {path.replace("\\", "/"): VisualizationType.HTML}
