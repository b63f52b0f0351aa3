"""Alembic migrations, and the metadata of all tables that they build."""

from sqlmodel import SQLModel

import db.catalog.tables
import db.polls.tables
import db.prices.tables
import db.probes.tables  # noqa: F401

metadata = SQLModel.metadata
