"""Panels and dashboards as Grafana's JSON (schema 39, Grafana 10 and newer)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

WIDTH: Final = 24
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """A PromQL expression and how its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """A picture of some queries.

    Attributes:
        unit: Grafana's name of it, such as `s`, `percentunit`, `reqps`.
        says: what to read from it.
        warn: value above which it is drawn in red.
        width: of 24 columns.
    """

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    says: str = ""
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    warn: float | None = None
    width: int = 12

    def as_json(self, number: int, x: int, y: int) -> Json:
        """Return the panel at a place."""
        steps: list[Json] = [{"color": "green", "value": None}]
        if self.warn is not None:
            steps.append({"color": "red", "value": self.warn})
        drawn = {"thresholdsStyle": {"mode": "line" if self.warn is not None else "off"}, "showPoints": "never"}
        defaults: Json = {"unit": self.unit, "thresholds": {"mode": "absolute", "steps": steps}}
        options: Json = {}
        if self.kind == "timeseries":
            defaults["custom"] = drawn
            options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
        elif self.kind == "stat":
            options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "auto"}
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.says,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": options,
            "targets": [
                {
                    "refId": chr(ord("A") + index),
                    "datasource": SOURCE,
                    "expr": query.expr,
                    "legendFormat": query.legend,
                    "instant": self.kind != "timeseries",
                    "range": self.kind == "timeseries",
                    "format": "table" if self.kind == "table" else "time_series",
                }
                for index, query in enumerate(self.queries)
            ],
        }

    @property
    def height(self) -> int:
        """Rows of the grid."""
        return 4 if self.kind == "stat" else 8


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard: the values of a label."""

    name: str
    metric: str

    def as_json(self) -> Json:
        """Return the choice; all values at first."""
        return {
            "name": self.name,
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": f"label_values({self.metric}, {self.name})", "refId": self.name},
            "refresh": 2,
            "includeAll": True,
            "allValue": ".*",
            "multi": True,
            "current": {"text": "All", "value": "$__all"},
        }


@dataclass(frozen=True)
class Dashboard:
    """Panels, laid out from left to right and top to bottom."""

    uid: str
    title: str
    says: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...] = ()
    hours: int = 24

    def as_json(self) -> Json:
        """Return the whole dashboard."""
        source: Json = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.says,
            "tags": ["churn"],
            "schemaVersion": 39,
            "editable": False,
            "timezone": "utc",
            "refresh": "30s",
            "time": {"from": f"now-{self.hours}h", "to": "now"},
            "links": [{"type": "dashboards", "tags": ["churn"], "title": "churn", "asDropdown": False}],
            "templating": {"list": [source, *(variable.as_json() for variable in self.variables)]},
            "annotations": {"list": []},
            "panels": laid_out(self.panels),
        }


def laid_out(panels: Sequence[Panel]) -> list[Json]:
    """Put panels into rows that are full or followed by one that does not fit."""
    placed, x, y, height = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > WIDTH:
            x, y, height = 0, y + height, 0
        placed.append(panel.as_json(number, x, y))
        x, height = x + panel.width, max(height, panel.height)
    return placed
