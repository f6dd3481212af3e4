"""A server error is fine only where the description names it."""

import schemathesis


@schemathesis.check
def server_errors_are_documented(ctx, response, case):
    if response.status_code < 500:
        return
    documented = case.operation.definition.raw["responses"]
    assert str(response.status_code) in documented, f"{response.status_code} is not documented"
