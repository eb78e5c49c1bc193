"""A wrong delivery is taken back by name: it counts, it is told, and nothing of it is mapped."""

from __future__ import annotations

from pathlib import Path

from flows.commands.checking import check_study
from tests.integration.test_bad_input_events import HEADER, deliver, land, make_study, raw, severities

BLOCKS = "select delivery_number, is_current from raw.layout_blocks order by all"


def test_a_cut_off_full_export_gives_way_to_the_one_before(tmp_path: Path) -> None:
    study = make_study(tmp_path, north={"deliveries": "full"})
    deliver(study, "a.csv", HEADER + "K1,5,1,2\nK2,5,1,2\n")
    wrong = deliver(study, "b.csv", HEADER + "K1,5,1,2\n")
    land(study)
    assert raw(study, BLOCKS) == [(1, False), (2, True)]
    make_study(tmp_path, north={"deliveries": "full", "leave_out": ["b.csv"]})
    told = severities(land(study))
    assert (told["left_out"], told.get("leave_out_not_found")) == ("info", None)
    assert raw(study, BLOCKS) == [(1, True)]
    assert raw(study, "select role, count(*) from raw.layout_columns where delivery_number = 2 group by all") == [
        ("ignored", 4)
    ]
    wrong.unlink()
    land(study)
    assert raw(study, BLOCKS) == [(1, True)], "whether its file is still there makes no difference"


def test_taking_back_changes_the_site_and_its_file_name_alone_decides(tmp_path: Path) -> None:
    study = make_study(tmp_path, north={})
    deliver(study, "a.csv", HEADER + "K1,5,1,2\n")
    deliver(study, "b.csv", HEADER + "K2,5,1,2\n")
    before = land(study).scope.site_states["north"]
    make_study(tmp_path, north={"leave_out": ["b*"]})
    assert land(study).scope.site_states["north"] != before
    assert raw(study, BLOCKS) == [(1, True)]


def test_a_name_that_fits_no_delivery_is_told(tmp_path: Path) -> None:
    study = make_study(tmp_path, north={"leave_out": ["B.csv"]})
    deliver(study, "b.csv", HEADER + "K1,5,1,2\n")
    assert severities(land(study))["leave_out_not_found"] == "warning"
    assert raw(study, BLOCKS) == [(1, True)]
    checked = check_study(study)
    assert "fits 'B.csv' under `leave_out`" in " ".join(sentence for _, sentence in checked.sites[0].problems)
