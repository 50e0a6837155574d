"""What tests of several parts use. Imported as `tests.support.…`; pytest puts the checkout on the path."""
