"""The OpenAPI document is true: requests made from it, right and wrong ones, never make the server fail."""

import io
import warnings

import hypothesis
import pytest
import requests
from hypothesis import HealthCheck, Phase
from PIL import Image as Pillow
from serving import ONE_THREAD, run

from promptseg.server.settings import Limits, Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of packages that schemathesis brings
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def contract(tmp_path_factory, embeddings):
    folder = tmp_path_factory.mktemp("contract")
    (folder / "embeddings").symlink_to(embeddings)
    with run(
        Settings(data=folder, models=ONE_THREAD, limits=Limits(max_points_per_side=2, request_seconds=600))
    ) as server:
        yield server


@pytest.fixture(scope="module")
def document(contract):
    loaded = schemathesis.openapi.from_url(f"{contract.url}/openapi.json")
    # So that a part of the requests speaks of a picture and a session that exist. A plain picture has few regions to
    # name: among 133 classes, a photograph of a hundred takes a quarter of a minute.
    file = io.BytesIO()
    Pillow.new("RGB", (160, 120), "seagreen").save(file, "PNG")
    image = contract.upload(file.getvalue())["id"]
    session = contract.http.post("/v1/sessions", json={"image": image}).json()["id"]
    for path, item in loaded.raw_schema["paths"].items():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                known = {"image": image, "session": session}.get(parameter["name"])
                if known is not None and "delete" not in item and path:
                    parameter["schema"] = {"type": "string", "enum": [known, "0" * len(known)]}
    return loaded


MOST_OF_A_HEAD = 65_536


def test_requests_made_from_the_document(document) -> None:
    operations = [result.ok() for result in document.get_all_operations()]
    assert len(operations) >= 30
    for operation in operations:

        @hypothesis.settings(
            max_examples=5,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy())
        def ask(case) -> None:
            case.call_and_validate(checks=CHECKS, timeout=600)

        ask()


@pytest.mark.parametrize("mode", [schemathesis.GenerationMode.NEGATIVE])
def test_wrong_requests_made_from_the_document(document, mode) -> None:
    for result in document.get_all_operations():
        operation = result.ok()
        if not operation.body and not operation.path_parameters:
            continue

        @hypothesis.settings(
            max_examples=5,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def ask(case) -> None:
            try:
                case.call_and_validate(checks=[not_a_server_error], timeout=600)
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                # It hangs up on a head of more than 64 KiB while that is being sent: the answer may be lost.
                assert len(case.as_curl_command()) > MOST_OF_A_HEAD

        ask()


def test_every_json_request_has_an_example_that_works(contract, document) -> None:
    raw = contract.http.get("/openapi.json").json()
    for name in ("SegmentRequest", "EverythingRequest", "RoundRequest", "ClassesBody", "Predict"):
        assert raw["components"]["schemas"][name]["examples"], name
    assert "HTTPValidationError" not in raw["components"]["schemas"]


def test_every_route_is_described(contract) -> None:
    paths = contract.http.get("/openapi.json").json()["paths"]
    assert len(paths) >= 24
    for path, item in paths.items():
        for method, operation in item.items():
            assert operation.get("description"), (method, path)
            assert "422" in operation["responses"] or path == "/healthz", (method, path)
