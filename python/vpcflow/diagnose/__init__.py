"""Refused flows explained, and the rules of security groups held against what passed."""

from __future__ import annotations

from vpcflow.diagnose.report import Diagnosis, diagnose

__all__ = ["Diagnosis", "diagnose"]
