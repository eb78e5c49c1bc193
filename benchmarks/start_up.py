"""What the tools cost before they do anything: a process that imports what a refresh with nothing new imports."""

from flows import environment

environment.quiet()

import flows.steps  # noqa: E402, F401
