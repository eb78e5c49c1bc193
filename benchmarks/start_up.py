"""What the tools cost before they do anything: a process that imports what a refresh with nothing new imports."""

from flows.common import environment

environment.quiet()

import flows.refreshing.steps  # noqa: F401 - importing it is all that is measured
