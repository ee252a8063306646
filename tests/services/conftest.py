"""What tests of services stand on: the same towns as the tests of the HTTP path."""

from tests.integration.conftest import town, two_workers, wallet

__all__ = ["town", "two_workers", "wallet"]
