"""Alembic migrations, and the metadata of all tables that they build."""

from sqlmodel import SQLModel

import db.catalog.tables
import db.plans.alert_tables
import db.plans.tables
import db.polls.tables
import db.prices.tables
import db.probes.tables
import db.usage.tables  # noqa: F401

metadata = SQLModel.metadata
