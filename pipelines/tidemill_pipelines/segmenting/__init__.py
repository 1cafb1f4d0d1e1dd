"""Objectives that divide users into segments: found, described, refused where there are none."""
