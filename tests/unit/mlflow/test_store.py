import pytest

from ziggurat.errors import InputError, MissingDependency, TrackingError
from ziggurat.mlflow.store import refusals, shown


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("databricks://profile", "databricks://profile"),
        ("http://ana:hunter2@host:5000/a?token=t#f", "http://host:5000/a"),
        ("postgresql://ana:hunter2@[::1]:5432/db", "postgresql://[::1]:5432/db"),
        ("mysql://host:port/db", "mysql://host:port/db"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(uri, said):
    found = shown(uri)
    assert "hunter2" not in found
    assert found in (said, "the address MLflow is set up with")


def test_what_mlflow_refuses_is_an_error_of_ours_with_what_was_to_be_done(mlflow):
    with (
        pytest.raises(TrackingError, match=r"MLflow did not log the model: no\.") as caught,
        refusals("log the model", "m"),
    ):
        raise mlflow.exceptions.MlflowException("no.")
    assert caught.value.where == "m"
    with pytest.raises(TrackingError, match="disk is full"), refusals("log the model"):
        raise OSError(28, "disk is full")


def test_a_package_that_the_store_needs_is_named(mlflow):
    with pytest.raises(MissingDependency, match="'alembic'") as caught, refusals("log the model"):
        raise ModuleNotFoundError("No module named 'alembic'", name="alembic")
    assert caught.value.fix == "pip install alembic"


def test_an_error_of_ours_inside_one_of_mlflows_is_the_one_that_is_told(mlflow):
    def load():
        error = mlflow.exceptions.MlflowException("loading failed")
        error.__cause__ = InputError("The chain is gone.")
        raise error

    with pytest.raises(InputError, match="The chain is gone"), refusals("load the model"):
        load()
