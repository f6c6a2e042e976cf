"""The record: what people made and what happened. It is never dropped; the index beside it may be."""

from __future__ import annotations

from xpcs_dash.database.record.store import Record, open_record

__all__ = ["Record", "open_record"]
