"""MLflow is imported once, quietly: it warns while it is imported, and would report its use."""

import os
import warnings

import pytest
from mlflow_process import QUIET

os.environ.update(QUIET)  # read when MLflow is imported, by whichever test comes first


@pytest.fixture(scope="session")
def mlflow():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.models.resources
        import mlflow.pyfunc
    return mlflow
