# Common tasks. `just --list` shows them; `just NAME` runs one, in an environment with the extra `dev`.

# Run all tests, or those given: just test -n 0 tests/unit/deploy
test *ARGS:
    pytest {{ARGS}}

# Check style, types, spelling and the templates
check:
    ruff check .
    ruff format --check .
    mypy
    codespell
    cfn-lint cloudformation/*.yaml

# Write the command reference and the manual page
docs:
    python -m tests.docs

# Write the golden files again; read the diff afterwards
goldens:
    UPDATE_GOLDENS=1 pytest tests/e2e/test_goldens.py tests/e2e/test_goldens_find.py

# Run a benchmark: just bench startup
bench *ARGS:
    python -m tests.bench {{ARGS}}

# Everything that a change must pass, in a clean environment
ci:
    .ci/run

# Build the package and check it (needs build, twine and check-wheel-contents)
package:
    rm -rf dist
    python -m build
    twine check --strict dist/*
    check-wheel-contents dist/*.whl
