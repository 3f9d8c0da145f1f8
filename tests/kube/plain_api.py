"""The API server for tests: any path, plain JSON, as cluster-admin."""

from typing import Any

from kubernetes import client, config

Json = dict[str, Any]


class Admin:
    def __init__(self) -> None:
        chosen = client.Configuration()
        config.load_kube_config(client_configuration=chosen)
        self.server: str = chosen.host
        self._client = client.ApiClient(chosen)

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str) -> Any:
        return self._client.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": kind},
            body=body,
            response_type="object",
            _return_http_data_only=True,
            _request_timeout=20,
        )

    def find(self, path: str) -> Any:
        try:
            return self.ask("GET", path)
        except client.ApiException as error:
            if error.status != 404:
                raise
            return None

    def ensure(self, path: str, body: Json) -> Any:
        """Apply an object, whoever made it."""
        kind = "application/apply-patch+yaml"
        return self.ask("PATCH", path, body, kind, fieldManager="stand-in", force="true")

    def merge(self, path: str, body: Json) -> Any:
        return self.ask("PATCH", path, body, "application/merge-patch+json")

    def items(self, path: str, selector: str) -> list[Json]:
        return list(self.ask("GET", path, labelSelector=selector)["items"])

    def remove(self, path: str) -> None:
        if self.find(path) is not None:
            self.ask("DELETE", path)
