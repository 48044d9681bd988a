from tests.trainer.audit.faulty import audited, faulty

__all__ = ["audited", "faulty"]  # fixtures
