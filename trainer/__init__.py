"""Trains one small residual network on bird photos under seven normalisations."""
