"""Random forest: averaged trees, each on a sample of the rows."""

from itertools import product

from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest, f_classif

from churn.training.candidates import Found, Parameters, Problem
from churn.training.prepare import prepare
from churn.training.search import search
from churn.training.settings import TrainingSettings


def fit(problem: Problem, settings: TrainingSettings) -> Found:
    """Search leaf size and columns per split with small forests, then grow the best one large."""
    tried = settings.random_forest
    preparation = prepare(problem.catalogue, fill=True, scale=False)
    train = preparation.fit_transform(problem.train)
    keep = SelectKBest(f_classif, k=max(1, round(tried.kept_features * train.shape[1]))).fit(train, problem.churned)
    train = keep.transform(train)
    rows = min(tried.rows_per_tree, len(train))

    def forest(parameters: Parameters) -> RandomForestClassifier:
        model = RandomForestClassifier(
            n_estimators=min(tried.search_trees, tried.trees),
            min_samples_leaf=max(5, round(float(parameters["leaf_share"]) * rows)),
            max_features=float(parameters["column_share"]),
            max_samples=rows,
            n_jobs=1,
            random_state=problem.seed,
            warm_start=True,
        )
        return model.fit(train, problem.churned)

    trials: list[Parameters] = [
        {"leaf_share": leaf, "column_share": columns}
        for leaf, columns in product(tried.leaf_shares, tried.column_shares)
    ]
    selection = keep.transform(preparation.transform(problem.selection))
    _, parameters, small = search(problem, selection, trials, forest)

    def grown(_: Parameters) -> RandomForestClassifier:
        # With the same seed, the trees that are there are the first ones of the large forest.
        if tried.trees > small.n_estimators:
            small.set_params(n_estimators=tried.trees).fit(train, problem.churned)
        return small

    auc, _, model = search(problem, selection, [parameters], grown)
    return Found(
        (("prepare", preparation), ("keep", keep), ("model", model)), {**parameters, "rows_per_tree": rows}, auc
    )
