"""`churn reproduce`: make a recorded model again and compare it to the bit."""

from typing import TYPE_CHECKING, Annotated

import typer

from churn.errors import ChurnError
from cli.options import JsonOption, utc_now
from cli.zen import prepare_zenml
from stacks.environment import CHECKOUT, dbt_project, project_root, work_folder

if TYPE_CHECKING:
    from zenml.client import Client

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
    done = [
        make_again(bundle.manifest, dbt_dir=dbt_project(), work_dir=work_folder(), clock=utc_now) for bundle in bundles
    ]
    _show(done, as_json=as_json)
    if not all(reproduction.equal for reproduction in done):
        raise typer.Exit(1)


def _bundles(what: str) -> "list[Bundle]":
    """Return the bundle of a version, or those of all candidates of a run, each as it was recorded."""
    from zenml.client import Client

    from churn.bundle.bundle import Bundle

    client, bundles = Client(), []
    for artifact, digest in _recorded(what, client):
        try:
            bundle = client.get_artifact_version(artifact).load()
        except KeyError:
            raise UnknownModel(f"{what}: its bundle, the artifact {artifact}, was deleted; train again") from None
        if not isinstance(bundle, Bundle) or bundle.digest != digest:
            raise UnknownModel(
                f"{what}: the artifact {artifact} is not the bundle {digest[:16]} that was recorded; restore its store"
            )
        bundles.append(bundle)
    return bundles


def _recorded(what: str, client: "Client") -> list[tuple[str, str]]:
    """Return artifact and digest of each bundle that is meant."""
    from churn.training.trained import TrainedModels
    from steps.tracking import MODEL_NAME

    try:
        facts = client.get_model_version(MODEL_NAME, int(what) if what.isdecimal() else what).run_metadata
    except KeyError:
        pass
    else:
        if not {"bundle_artifact", "bundle_digest"} <= facts.keys():
            raise UnknownModel(f"{what}: this version of the model {MODEL_NAME} names no bundle; take another")
        return [(str(facts["bundle_artifact"]), str(facts["bundle_digest"]))]
    try:
        run = client.get_pipeline_run(what, allow_name_prefix_match=False)
        train = run.steps["train"]
    except KeyError:
        raise UnknownModel(
            f"{what}: neither a version of the model {MODEL_NAME} nor a training run; "
            f"zenml model version list --model={MODEL_NAME} lists the versions"
        ) from None
    if "trained_models" not in train.outputs:
        raise UnknownModel(f"{what}: this run ({run.status}) made no models; take one that completed")
    try:
        models = train.outputs["trained_models"][0].load()
    except (OSError, ValueError) as error:
        raise UnknownModel(
            f"{what}: its list of models cannot be read ({type(error).__name__}); restore the artifact store"
        ) from None
    assert isinstance(models, TrainedModels)
    return [(model.artifact, model.digest) for model in models.models]


def _show(done: "list[Reproduction]", *, as_json: bool) -> None:
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
