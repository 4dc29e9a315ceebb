"""Training of many child networks at once: jobs, devices, processes on this machine and on others."""
