"""What is looked at in the dashboards, and how one gets there."""

import json
import urllib.parse
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from playwright.sync_api import Page


def newest_run(dashboard: str, pipeline: str) -> str:
    """Return the id of the newest run of a pipeline."""
    asked = {"pipeline": pipeline, "sort_by": "desc:created", "size": "1"}
    answer = requests.get(f"{dashboard}/api/v1/runs", params=asked, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["items"][0]["id"])


def open_run(page: "Page", dashboard: str, run: str) -> None:
    """Open a run's page and wait for its graph."""
    page.goto(f"{dashboard}/projects/default/runs/{run}")
    page.locator(".react-flow__node").first.wait_for()
    notice = page.get_by_label("Dismiss local-server notice")
    if notice.is_visible():  # once dismissed, it stays away
        notice.click()


def widen_graph(page: "Page") -> None:
    """Let the graph have the place of the details beside it."""
    details = page.get_by_text("Run Insights")
    details.locator("xpath=ancestor::*[.//button][1]//button").first.click()
    page.locator("button[data-variant=outline][data-size=icon-xs]").first.click()  # fits the graph into its place
    page.wait_for_timeout(1_000)  # the graph glides to its place


def nodes(page: "Page") -> set[str]:
    """Return the names of a graph's steps and artifacts."""
    return {text.split("\n")[0] for text in page.locator(".react-flow__node").all_inner_texts()}


def open_visualization(page: "Page", artifact: str) -> str:
    """Open the page of an artifact in the graph; returns the text it shows."""
    page.locator(".react-flow__node").filter(has_text=artifact).last.click()
    page.get_by_role("tab", name="Visualization").last.click()
    page.get_by_role("button", name="Load Preview").click()
    inside = page.frame_locator("iframe").locator("body")
    inside.locator("h1").first.wait_for()
    return inside.inner_text()


def compare_in_mlflow(page: "Page", mlflow: str, experiment: str, figures: tuple[str, ...]) -> None:
    """Open the charts of the newest training: a bar a candidate, for some of the figures."""
    newest = _newest_training(mlflow, experiment)
    where = urllib.parse.urlencode(
        {"compareRunsMode": "CHART", "searchFilter": f"tags.zenml_run = '{newest}' and tags.candidate != ''"}
    )
    page.goto(f"{mlflow}/#/experiments/{experiment}/runs?{where}")
    page.get_by_label("Close", exact=True).click()  # the assistant
    page.get_by_label("Toggle sidebar").click()
    page.get_by_role("gridcell").filter(has_text="train_churn_model").locator("button").first.click()
    page.get_by_placeholder("Search metric charts").fill(f"^({'|'.join(figures)})$")
    page.locator(".js-plotly-plot .bars").nth(len(figures) - 1).wait_for(state="attached")
    page.wait_for_timeout(1_000)  # bars grow to their length


def mlflow_experiment(mlflow: str) -> str:
    """Return the id of the experiment that trainings are logged to."""
    asked = {"experiment_name": "train_churn_model"}
    answer = requests.get(f"{mlflow}/api/2.0/mlflow/experiments/get-by-name", params=asked, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["experiment"]["experiment_id"])


def _newest_training(mlflow: str, experiment: str) -> str:
    asked = {"experiment_ids": [experiment], "max_results": 1, "filter": "tags.candidate != ''"}
    answer = requests.post(
        f"{mlflow}/api/2.0/mlflow/runs/search",
        data=json.dumps(asked),
        headers={"content-type": "application/json"},
        timeout=60,
    )
    answer.raise_for_status()
    [run] = answer.json()["runs"]
    return next(str(tag["value"]) for tag in run["data"]["tags"] if tag["key"] == "zenml_run")
