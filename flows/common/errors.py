"""Errors that end a command, each with its one-line cause, what to do next, and the exit code it stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """How an ``alliance`` command ended; `EXIT_CODE_MEANINGS` says it in words."""

    OK = 0
    REFRESH_FAILED = 1
    WRONG_USE = 2
    CHECKS_STOPPED_PUBLISHING = 3
    BUSY = 4
    NOTHING_PUBLISHED = 5


EXIT_CODE_MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.REFRESH_FAILED: "a refresh (or its schedule) failed; the published warehouse is as it was",
    ExitCode.WRONG_USE: "wrong use or wrong settings; nothing was changed",
    ExitCode.CHECKS_STOPPED_PUBLISHING: "critical checks stopped publishing; the published warehouse is as it was",
    ExitCode.BUSY: "another refresh of this study is running",
    ExitCode.NOTHING_PUBLISHED: "nothing has been published yet",
}


class AllianceError(Exception):
    """An error that a user can act on.

    ``message`` says what did not work, ``cause`` why (one line, perhaps None), ``next_step`` what to do about it.
    None of them may hold a raw id or an answer: they are printed, logged and kept by Prefect.
    """

    default_exit_code = ExitCode.REFRESH_FAILED

    def __init__(
        self,
        message: str,
        *,
        cause: str | None = None,
        next_step: str | None = None,
        exit_code: int | None = None,
    ) -> None:
        self.message = message
        self.cause = cause
        self.next_step = next_step
        self.exit_code = int(self.default_exit_code if exit_code is None else exit_code)
        super().__init__(message)

    def __str__(self) -> str:
        parts = [self.message if self.cause is None else f"{self.message}: {self.cause}"]
        if self.next_step is not None:
            parts.append(f"Next: {self.next_step}")
        return "\n".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions pickle by their positional arguments; Prefect's workers pickle them and would lose the rest.
        return (_rebuild, (type(self), self.__dict__.copy(), self.args))


def _rebuild(kind: type[AllianceError], state: dict[str, object], args: tuple[object, ...]) -> AllianceError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


@dataclass(frozen=True, slots=True)
class ConfigurationProblem:
    """One thing wrong in a settings file.

    ``file`` is relative to the study's folder, ``line`` counts from 1 (None where no line can be named),
    ``key_path`` reads like ``files[0].forms[2].items``, ``site_id`` is None for the study's own files.
    """

    file: str
    line: int | None
    key_path: str
    message: str
    next_step: str
    site_id: str | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        where = f"{place}, {self.key_path}" if self.key_path else place
        stop = "" if self.message.endswith((".", "?")) else "."
        return f"{where}: {self.message}{stop} Next: {self.next_step}"


class ConfigurationError(AllianceError):
    """The study's settings cannot be used. ``problems`` holds every problem found in all files."""

    default_exit_code = ExitCode.WRONG_USE

    def __init__(self, problems: Iterable[ConfigurationProblem], *, study: str | None = None) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        first = self.problems[0] if self.problems else None
        noun = "problem" if count == 1 else "problems"
        super().__init__(
            f"the settings of {study or 'the study'} have {count} {noun}",
            cause=None if first is None else f"{first.file}: {first.message}",
            next_step="mend them and run `alliance check`",
        )

    def __str__(self) -> str:
        return "\n".join([f"{self.message}:", *(f"- {problem}" for problem in self.problems)])


class UsageError(AllianceError):
    """A command was called in a way that cannot work, for example outside a study's folder."""

    default_exit_code = ExitCode.WRONG_USE


class LandingError(AllianceError):
    """Landing could not go on, not even without the delivery at fault."""


class BuildError(AllianceError):
    """dbt did not build what the refresh needs."""


class AnalysisError(AllianceError):
    """The analysis step broke; an analysis that merely cannot run is a row with a status, not this."""


class PublishError(AllianceError):
    """The new warehouse could not be put in place of the published one, which is as it was."""


class CheckFailed(AllianceError):
    """Critical checks stopped publishing."""

    default_exit_code = ExitCode.CHECKS_STOPPED_PUBLISHING


class Busy(AllianceError):
    """Another refresh of the same study is running."""

    default_exit_code = ExitCode.BUSY


class NothingPublished(AllianceError):
    """The study has no published warehouse yet."""

    default_exit_code = ExitCode.NOTHING_PUBLISHED
