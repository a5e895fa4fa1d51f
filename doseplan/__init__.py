"""Carbon-ion dose-constraint planner for tumours at the spinal cord: research and education only."""
