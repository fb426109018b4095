"""Tests of the Loops language, its lowering and its interpreter."""
