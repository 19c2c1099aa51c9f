"""System checks: a wrong or risky setting is told at start-up."""
