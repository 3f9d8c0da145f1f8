"""`churn reproduce`: make a recorded model again and compare it to the bit."""

from typing import TYPE_CHECKING, Annotated

import typer

from churn.errors import ChurnError
from cli.options import JsonOption, utc_now
from cli.zen import prepare_zenml
from stacks.environment import CHECKOUT, active_settings, dbt_project, project_root, work_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churn.bundle.bundle import Bundle
    from churn.training.reproduce import Reproduction


class UnknownModel(ChurnError):
    """Neither a version of the model nor a training run has this name."""


def reproduce(
    what: Annotated[str, typer.Argument(metavar="VERSION|RUN", help="A version of the model, or a training run.")],
    allow_different: Annotated[
        bool, typer.Option("--allow-different", help="Try with other code or packages than the recorded ones.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build features and model again from what was recorded, and compare the digests; exits with 1 if one differs."""
    prepare_zenml(project_root(), verbosity="CRITICAL")
    from churn.training.reproduce import reproduce as make_again
    from churn.training.reproduce import require_same_program
    from steps.code_version import code_version, lock_digest

    bundles = _bundles(what)
    code = code_version(CHECKOUT)
    if not allow_different:
        for bundle in bundles:
            require_same_program(
                bundle.manifest, commit=code.commit, dirty=code.dirty, lock_digest=lock_digest(CHECKOUT)
            )
    done = make_again(
        [bundle.manifest for bundle in bundles], dbt_dir=dbt_project(), work_dir=work_folder(), clock=utc_now
    )
    _show(done, as_json=as_json)
    if not all(reproduction.equal for reproduction in done):
        raise typer.Exit(1)


def _bundles(what: str) -> "list[Bundle]":
    """Return the bundle of a version, or those of all candidates of a run, each as it was recorded."""
    from zenml.client import Client

    from churn.bundle.bundle import Bundle

    client = Client()
    bundles = []
    for artifact in _version_artifacts(what) or _run_artifacts(what):
        try:
            bundle = client.get_artifact_version(artifact).load()
        except (KeyError, FileNotFoundError):
            raise UnknownModel(f"{what}: its bundle {artifact} is gone from the artifact store; restore it") from None
        assert isinstance(bundle, Bundle)
        bundles.append(bundle)
    return bundles


def _version_artifacts(what: str) -> list[str]:
    from zenml.client import Client

    model = active_settings().model_name
    try:
        version = Client().get_model_version(model, int(what) if what.isdecimal() else what)
    except KeyError:
        return []
    recorded = version.run_metadata.get("bundle_artifact")
    if recorded is None:
        raise UnknownModel(f"{what}: this version of {model} names no bundle; it was not registered by a training")
    return [str(recorded)]


def _run_artifacts(what: str) -> list[str]:
    from zenml.client import Client

    from churn.training.trained import TrainedModels

    try:
        run = Client().get_pipeline_run(what, allow_name_prefix_match=False)
    except KeyError:
        run = None
    # ZenML also takes the beginning of an id: a number meant as a version would find just any run.
    if run is None or what not in (run.name, str(run.id)):
        model = active_settings().model_name
        raise UnknownModel(
            f"{what}: neither a version of the model {model} nor a training run; "
            f"zenml model version list --model={model} lists the versions"
        )
    train = run.steps.get("train")
    if train is None or not train.outputs.get("trained_models"):
        raise UnknownModel(f"{what}: this run trained no models")
    models = train.outputs["trained_models"][0].load()
    assert isinstance(models, TrainedModels)
    return [model.artifact for model in models.models]


def _show(done: "Sequence[Reproduction]", *, as_json: bool) -> None:
    if as_json:
        import json

        typer.echo(json.dumps([reproduction.model_dump() for reproduction in done], indent=1))
        return
    from cli.tables import print_table

    print_table(
        "Made again",
        ["model", "part", "recorded", "rebuilt", ""],
        [
            (item.candidate, part.part, part.recorded[:16], part.rebuilt[:16], "equal" if part.equal else "DIFFERENT")
            for item in done
            for part in item.parts
        ],
    )
