"""Where everything of a study lies. The one place that knows names of files and folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StudyPaths:
    """Paths below a study's ``folder``. Nothing is made or read here."""

    folder: Path

    @property
    def study_file(self) -> Path:
        """``study.yml``."""
        return self.folder / "study.yml"

    @property
    def sites_dir(self) -> Path:
        """One ``<site>.yml`` for each site."""
        return self.folder / "sites"

    def site_file(self, site_id: str) -> Path:
        """The settings of one site."""
        return self.sites_dir / f"{site_id}.yml"

    @property
    def deliveries_dir(self) -> Path:
        """One folder of deliveries for each site."""
        return self.folder / "deliveries"

    def site_deliveries_dir(self, site_id: str) -> Path:
        """The files one site delivered."""
        return self.deliveries_dir / site_id

    @property
    def codebook_dir(self) -> Path:
        """The study's own instruments; need not exist."""
        return self.folder / "codebook"

    @property
    def withdrawals_file(self) -> Path:
        """Clients who withdrew: columns site, client, date, reason; need not exist."""
        return self.folder / "withdrawals.csv"

    @property
    def keys_dir(self) -> Path:
        """Readable by its owner only (mode 0700)."""
        return self.folder / "keys"

    @property
    def pseudonym_key_file(self) -> Path:
        """The key of the pseudonyms, made once by the first refresh (mode 0600)."""
        return self.keys_dir / "pseudonym.key"

    @property
    def work_dir(self) -> Path:
        """Holds raw ids; never published."""
        return self.folder / "work"

    @property
    def landing_file(self) -> Path:
        """DuckDB file with schema ``raw`` (mode 0600)."""
        return self.work_dir / "landing.duckdb"

    @property
    def build_file(self) -> Path:
        """dbt's main DuckDB file, schemas ``staging`` and ``intermediate``; may be deleted (mode 0600)."""
        return self.work_dir / "build.duckdb"

    @property
    def next_dir(self) -> Path:
        """Where the warehouse of the running refresh is made."""
        return self.work_dir / "next"

    @property
    def next_file(self) -> Path:
        """The warehouse being built; its stem is that of the published file."""
        return self.next_dir / "alliance.duckdb"

    @property
    def stopped_file(self) -> Path:
        """The build that critical checks kept from being published, to be looked at."""
        return self.work_dir / "stopped" / "alliance.duckdb"

    @property
    def dbt_target_dir(self) -> Path:
        """dbt's compiled models and ``run_results.json``."""
        return self.work_dir / "dbt_target"

    @property
    def logs_dir(self) -> Path:
        """Logs of dbt and of the refresh."""
        return self.work_dir / "logs"

    @property
    def prefect_dir(self) -> Path:
        """``PREFECT_HOME`` of this study."""
        return self.work_dir / "prefect"

    @property
    def temp_dir(self) -> Path:
        """DuckDB's spill files during a refresh."""
        return self.work_dir / "temp"

    @property
    def report_draft_dir(self) -> Path:
        """Where the report is made before it is published."""
        return self.work_dir / "report"

    @property
    def last_refresh_file(self) -> Path:
        """How the last refresh ended, also when it published nothing."""
        return self.work_dir / "last_refresh.json"

    @property
    def lock_file(self) -> Path:
        """Held by the refresh that runs."""
        return self.work_dir / "refresh.lock"

    @property
    def warehouse_dir(self) -> Path:
        """All that readers see."""
        return self.folder / "warehouse"

    @property
    def current_link(self) -> Path:
        """Symbolic link to the version that readers see; renaming it is the one act of publishing."""
        return self.warehouse_dir / "current"

    @property
    def published_file(self) -> Path:
        """The published warehouse (mode 0440), replaced in one step."""
        return self.warehouse_dir / "alliance.duckdb"

    @property
    def versions_dir(self) -> Path:
        """The versions kept."""
        return self.warehouse_dir / "versions"

    def version_dir(self, refresh_id: str) -> Path:
        """What one refresh published: ``alliance.duckdb``, ``parquet``, ``manifest.json``, ``report``."""
        return self.versions_dir / refresh_id

    def relative(self, path: Path) -> str:
        """``path`` below the study's folder with forward slashes, as messages name it."""
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else path.name
