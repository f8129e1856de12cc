"""Setup, review and approval, in the repository and nowhere else."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from analysis import io
from analysis.campaign import repository, review
from analysis.campaign.layout import Layout, read_tasks
from analysis.campaign.review import Forced
from analysis.campaign.setup import setup
from analysis.cli import main
from analysis.errors import ConditionsError
from tests.unit.campaign.conftest import Site

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True).stdout


def approve_all(site: Site) -> None:
    layout, campaign = site.open()
    for task in read_tasks(layout, campaign).values():
        review.approve(layout, campaign, task, "boss", NOW)


def states(site: Site) -> dict[str, str]:
    layout, campaign = site.open()
    return {name: item.state for name, item in review.states(layout, campaign, read_tasks(layout, campaign)).items()}


def test_setup_writes_what_the_campaign_needs_and_commits_it(site: Site) -> None:
    layout = site.setup()
    assert layout.task_names() == ["energy", "local_svd", "scale"]
    assert io.read_json(layout.dependencies)["layers"] == [["local_svd"], ["energy"], ["scale"]]
    assert set(io.read_json(layout.issue_map)) == {"energy", "local_svd", "scale", "tracker"}
    assert layout.primary.read_text() == site.primary.read_text()
    manifest = io.read_json(layout.manifest)
    assert manifest["files"] == {name: io.sha256_file(layout.folder / name) for name in manifest["files"]}
    assert "approve campaigns/bucket40 energy" in (layout.folder / "issues/energy.md").read_text()
    tracker = (layout.folder / "issues/tracker.md").read_text()
    assert "| 2 | scale | draft | issues/scale.md |" in tracker
    assert git(layout.repository, "log", "--format=%s").splitlines() == ["bucket40: setup of 3 tasks"]
    assert git(layout.repository, "status", "--porcelain") == ""


def test_what_json_dumps_of_basf2_prints_is_understood(site: Site) -> None:
    layout = site.setup()
    scale = read_tasks(layout, site.open()[1])["scale"]
    assert (scale.kind, scale.depends_on, scale.expert_username) == ("cdst", ("energy",), "bert")


def test_a_second_setup_changes_nothing(site: Site) -> None:
    layout = site.setup()
    before = git(layout.repository, "rev-parse", "HEAD")
    done = setup(site.primary)
    assert (done.written, done.kept, done.removed) == ((), (), ())
    assert git(layout.repository, "rev-parse", "HEAD") == before


def test_a_second_setup_brings_new_settings_but_keeps_edits(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    layout = site.setup()
    edited = "campaigns/bucket40/tasks/energy.yaml"
    site.edit(edited, "The energy.", "The energy, without run 2.")
    site.edit("calibrations/raw/energy.yaml", "The energy.", "The energy of both beams.")
    site.edit("calibrations/cdst/scale.json", "The scale.", "The scale of photons.")
    done = setup(site.primary)
    assert done.written == ("tasks/scale.yaml",)
    assert done.kept == ("tasks/energy.yaml",)
    assert "without run 2" in (site.root / edited).read_text()
    assert "both beams" in layout.pristine(layout.task("energy")).read_text()
    assert "energy.yaml was edited or approved" in caplog.text
    # And once more: the copy that setup wrote is now the new one, the edit still an edit.
    assert setup(site.primary).kept == ()
    assert "without run 2" in (site.root / edited).read_text()


def test_an_approved_task_is_not_replaced(site: Site) -> None:
    site.setup()
    approve_all(site)
    site.edit("calibrations/cdst/scale.json", "The scale.", "Another scale.")
    assert setup(site.primary).kept == ("tasks/scale.yaml",)
    assert states(site)["scale"] == "approved"


def test_a_task_that_the_release_lost(site: Site) -> None:
    layout = site.setup()
    (site.root / "calibrations/cdst/scale.json").unlink()
    assert setup(site.primary).removed == ("scale",)
    assert layout.task_names() == ["energy", "local_svd"]
    site.edit("campaigns/bucket40/tasks/local_svd.yaml", "by itself", "by hand")
    (site.root / "calibrations/local/svd.yaml").unlink()
    with pytest.raises(ConditionsError, match=r"the release no longer has it"):
        setup(site.primary)
    assert "local_svd" in layout.task_names()


def test_states_follow_edits_and_approvals(site: Site) -> None:
    layout = site.setup()
    assert set(states(site).values()) == {"draft"}
    task = "campaigns/bucket40/tasks/energy.yaml"
    site.edit(task, "kind: raw", "# A comment.\nkind: raw")
    assert states(site)["energy"] == "draft"
    site.edit(task, "The energy.", "The energy, corrected.")
    assert states(site)["energy"] == "changed"
    approve_all(site)
    assert set(states(site).values()) == {"approved"}
    site.edit(task, "corrected", "corrected twice")
    assert states(site)["energy"] == "changed"
    item = review.state_of(layout, site.open()[1], read_tasks(layout, site.open()[1])["energy"])
    assert item.void
    assert "+description: The energy, corrected twice." in item.difference


def test_an_approval_covers_the_global_tags(site: Site) -> None:
    site.setup()
    approve_all(site)
    site.edit("campaigns/bucket40/campaign.yaml", "data_prompt,", "data_prompt, data_other,")
    assert set(states(site).values()) == {"changed"}
    site.edit("campaigns/bucket40/campaign.yaml", "data_prompt, data_other,", "data_prompt,")
    site.edit("campaigns/bucket40/campaign.yaml", "managers: [boss]", "managers: [boss, chief]")
    assert set(states(site).values()) == {"approved"}


def test_who_may_approve(site: Site) -> None:
    layout = site.setup()
    _, campaign = site.open()
    task = read_tasks(layout, campaign)["energy"]
    with pytest.raises(ConditionsError, match="anna, boss"):
        review.approve(layout, campaign, task, "bert", NOW)
    assert review.approve(layout, campaign, task, "anna", NOW, "looks good")
    assert not review.approve(layout, campaign, task, "boss", NOW)
    (approval,) = review.approvals_of(layout, "energy")
    assert (approval.by, approval.when, approval.comment) == ("anna", NOW, "looks good")
    layout.review("energy").write_text('{"approvals": [{"by": "anna"}]}')
    with pytest.raises(ConditionsError, match=r"approvals\.0\.digest"):
        review.approvals_of(layout, "energy")


def test_forcing_needs_a_reason_and_is_recorded_once(site: Site) -> None:
    layout = site.setup()
    forced = Forced(action="run", by="boss", when=NOW, reason="late at night", in_spite_of=("not-approved: energy",))
    with pytest.raises(ConditionsError, match="Forcing needs a reason"):
        review.record_force(layout, forced.model_copy(update={"reason": "because"}))
    review.record_force(layout, forced)
    review.record_force(layout, forced.model_copy(update={"when": datetime(2026, 1, 2, tzinfo=UTC)}))
    assert review.forced_of(layout) == (forced,)


def test_review_from_the_command_line(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    layout = site.setup()
    folder = str(site.folder)
    site.edit("campaigns/bucket40/tasks/energy.yaml", "Good", "Good Or Recoverable")
    assert main(["campaign", "review", folder, "energy"]) == 0
    assert "+  - Good Or Recoverable" in capsys.readouterr().out
    assert "Status: changed" in (layout.folder / "issues/energy.md").read_text()
    assert main(["campaign", "approve", folder, "energy", "--by", "anna", "--comment", "as discussed"]) == 0
    assert "by anna. as discussed" in (layout.folder / "issues/energy.md").read_text()
    assert git(layout.repository, "log", "--format=%s").splitlines()[:2] == [
        "bucket40: anna approves energy",
        "bucket40: review of energy",
    ]
    assert main(["campaign", "status", folder]) == 0
    out = capsys.readouterr().out
    assert "approved" in out
    assert "waiting" in out
    site.edit("campaigns/bucket40/tasks/energy.yaml", "Good Or Recoverable", "Godo")
    assert main(["campaign", "review", folder]) == 1
    assert main(["campaign", "approve", folder, "enrgy"]) == 1


def test_run_refuses_what_is_not_approved(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    layout = site.setup()
    assert main(["campaign", "run", str(site.folder)]) == 1
    assert "not approved" in capfd.readouterr().err
    assert not layout.run_info.exists()
    assert main(["campaign", "close", str(site.folder)]) == 1
    assert "not done" in capfd.readouterr().err


def test_a_commit_takes_only_its_own_paths(site: Site) -> None:
    layout = site.setup()
    (layout.repository / "notes.txt").write_text("mine")
    git(layout.repository, "add", "notes.txt")
    repository.commit(layout.repository, [layout.folder], "nothing")
    site.edit("campaigns/bucket40/tasks/energy.yaml", "The energy.", "Energy.")
    assert repository.commit(layout.repository, [layout.folder], "an edit")
    assert git(layout.repository, "show", "--format=", "--name-only").split() == ["bucket40/tasks/energy.yaml"]
    assert git(layout.repository, "status", "--porcelain").split() == ["A", "notes.txt"]


def test_a_hook_of_another_repository_does_not_lead_astray(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    other = site.root / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    layout = site.setup()
    monkeypatch.delenv("GIT_DIR")
    assert "setup of 3 tasks" in git(layout.repository, "log")


def test_never_the_analysis_repository(site: Site) -> None:
    for folder in (repository.ANALYSIS, repository.ANALYSIS / "analysis" / "campaign", repository.ANALYSIS.parent):
        with pytest.raises(ConditionsError, match="analysis's own repository"):
            repository.ensure(folder)
    full = site.root / "calibrations"
    with pytest.raises(ConditionsError, match="no git repository"):
        repository.ensure(full)
    assert not (full / ".git").exists()


def test_git_says_why_it_refuses(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    layout: Layout = site.setup()
    site.edit("campaigns/bucket40/tasks/energy.yaml", "The energy.", "Energy.")
    (layout.repository / ".git/index.lock").touch()
    with pytest.raises(ConditionsError, match=r"index\.lock"):
        repository.commit(layout.repository, [layout.folder], "an edit")
