"""Databases that are asked questions: opened so that nothing can be written, their schema told, queries checked and bounded."""

from ziggurat.sql.check import Checked
from ziggurat.sql.database import Database
from ziggurat.sql.rows import Limits, Rows
from ziggurat.sql.schema import Column, Join, Schema, Table

__all__ = ["Checked", "Column", "Database", "Join", "Limits", "Rows", "Schema", "Table"]
