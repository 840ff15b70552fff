"""The commands: `cvrun NAME ...` calls `run(arguments)` of `cvrun/command/NAME.py`; nothing is listed elsewhere."""
