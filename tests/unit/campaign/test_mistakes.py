"""Everything that may be wrong with what people write or a site gives, each with an error of its own."""

import re

import pytest

from analysis.campaign import execution
from analysis.campaign.inputs import bucket_runs, read_catalogue
from analysis.campaign.layout import open_campaign, read_tasks
from analysis.cli import main
from analysis.conditions.runinfo import read_runs
from analysis.errors import ConditionsError
from tests.unit.campaign.conftest import Site

RAW, CDST = "calibrations/raw/energy.yaml", "calibrations/cdst/scale.json"

SETUP = {
    "broken YAML": ("primary.yaml", "iov: [40", "iov: [[40", "not valid YAML.*primary.yaml"),
    "undefined alias": ("primary.yaml", "*online]", "*offline]", "undefined alias 'offline'"),
    "key twice": ("primary.yaml", "managers:", "name: x\nmanagers:", "the key 'name' stands twice"),
    "unknown key": ("primary.yaml", "managers:", "manager: [x]\nmanagers:", "unknown.*manager.*nearest: 'managers'"),
    "missing key": ("primary.yaml", "release: release-09-00-00\n", "", "missing.*the key 'release'"),
    "wrong type": ("primary.yaml", "[40, 1,", "[40, one,", r"iov.*'one'"),
    "three numbers": ("primary.yaml", "[40, 1, 40, 8]", "[40, 1, 40]", "four integers.*iov"),
    "reversed IoV": ("primary.yaml", "[40, 1, 40, 8]", "[40, 9, 40, 8]", "reversed"),
    "open IoV": ("primary.yaml", "[40, 1, 40, 8]", "[40, 1, 40, -1]", "40,1,40,-1 is open"),
    "release": ("primary.yaml", "release-09-00-00", "09-00-00", "release.*'09-00-00'"),
    "chain without staging": ("primary.yaml", "data: [*staging, ", "data: [", "must begin with the staging tag"),
    "tag twice": ("primary.yaml", "mcrd]", "mcrd, mcrd]", "'mcrd' stands twice"),
    "online not in chain": ("primary.yaml", ", *online]", "]", "online tag 'online_proc' is missing"),
    "placeholder": ("primary.yaml", "{caf_config}", "{config}", r"asks for \{config\}; there are .*caf_config"),
    "braces": ("primary.yaml", "{caf_config}", "{caf_config", "braces do not match"),
    "unknown state": ("primary.yaml", "managers:", "global_tag_states: {a: CLOSED}\nmanagers:", "CLOSED"),
    "gitlab without project": ("primary.yaml", "managers:", "issues: {backend: gitlab}\nmanagers:", "needs `url:`"),
    "no folder": (
        "primary.yaml",
        "calibrations: calibrations",
        "calibrations: nowhere",
        "no such folder.*local/, raw/",
    ),
    "broken JSON": (CDST, '"The scale.",', '"The scale.', "not valid JSON.*scale.json"),
    "long name": (RAW, "name: energy", f"name: e{'x' * 64}", "name.*of the form"),
    "format": (RAW, "[RAW]", "[dst]", "input_data_formats.0.*'raw', 'cdst'"),
    "format of other folder": (RAW, "[RAW]", "[cdst]", "lies in raw/"),
    "kind of other folder": (RAW, "name: energy", "kind: cdst\nname: energy", "lies in cdst/|another kind"),
    "no input names": (RAW, "input_data_names: [mumu]", "input_data_names: []", "input_data_names.*at least 1"),
    "filter keys": (RAW, "{mumu:", "{mu:", r"keys of input_data_filters, \['mu'\]"),
    "unknown filter": (RAW, "Good,", "NOT Godo,", "no filter 'Godo'; nearest: 'Good'"),
    "date": (RAW, "expert_config: {", "expert_config: {start: 2026-01-01, ", "must be JSON.*quotes"),
    "boundaries": (RAW, "[[40, 4]]", "[40, 4]", "must be a list of"),
    "falling boundaries": (RAW, "[[40, 4]]", "[[40, 5], [40, 4]]", "must rise"),
    "boundary outside": (RAW, "[[40, 4]]", "[[40, 9]]", r"outside of the bucket.*\[40, 9\]"),
    "unknown dependency": (CDST, '["energy"]', '["enrgy"]', "one that does not exist.*nearest: 'energy'"),
    "itself": (CDST, '["energy"]', '["scale"]', "depends on itself"),
    "circle": (RAW, "payloads:", "depends_on: [scale]\npayloads:", "energy → scale → energy"),
    "name twice": (CDST, '"name": "scale"', '"name": "energy"', "same name.*energy.yaml|scale.json"),
    "copied twice": ("calibrations/local/svd.yaml", "[Shift]", "[Shift, Shift]", "'Shift' is copied twice"),
    "copied nothing": ("calibrations/local/svd.yaml", "[Shift]", "[]", "sources.local_svd.*at least 1 of them"),
    "local form": ("calibrations/local/svd.yaml", "{local_svd: [Shift]}", "[Shift]", "svd.*dictionary"),
}


@pytest.mark.parametrize(("file", "old", "new", "message"), SETUP.values(), ids=SETUP)
def test_setup_tells_what_is_wrong(site: Site, file: str, old: str, new: str, message: str) -> None:
    site.edit(file, old, new)
    with pytest.raises(ConditionsError) as caught:
        site.setup()
    assert re.search(message, str(caught.value), re.DOTALL), caught.value
    assert not (site.root / "campaigns").exists()


def test_all_mistakes_are_told_at_once(site: Site) -> None:
    site.edit(RAW, "[RAW]", "[dst]")
    site.edit(RAW, "Good,", "Godo,")
    site.write("calibrations/cdst/deep/other.yaml", "name: lost")
    with pytest.raises(ConditionsError, match="3 problems"):
        site.setup()


def test_a_missing_file_and_an_empty_release(site: Site) -> None:
    for path in ("raw/energy.yaml", "cdst/scale.json", "local/svd.yaml"):
        (site.root / "calibrations" / path).unlink()
    with pytest.raises(ConditionsError, match="No calibration was found"):
        site.setup()
    site.primary.unlink()
    with pytest.raises(ConditionsError, match="no such file"):
        site.setup()


CATALOGUE = {
    "path names another run": ("r00001,40,1,raw", "r00002,40,1,raw", "run 2 in /d/mumu.*run 1, as listed"),
    "file names another run": ("physics.0040.00006", "physics.0040.00007", "run 7 in .*physics.*run 6, as listed"),
    "columns": ("experiment,run,format", "exp,run,format", "columns.*path,exp,run"),
    "no number": ("40,5,raw", "40,five,raw", "line 3.*five"),
    "incomplete": (",40,5,raw,mumu_tight_or_highm_calib", ",40,5,raw", "line 3"),
    "listed twice": ("r00005,40,5", "r00001,40,1", "listed twice"),
    "open quote": ("40,5,raw", '40,5,"raw', "not valid CSV.*end of data"),
}


@pytest.mark.parametrize(("old", "new", "message"), CATALOGUE.values(), ids=CATALOGUE)
def test_the_catalogue_is_refused(site: Site, old: str, new: str, message: str) -> None:
    site.edit("files.csv", old, new)
    with pytest.raises(ConditionsError) as caught:
        read_catalogue(site.root / "files.csv")
    assert re.search(message, str(caught.value), re.DOTALL), caught.value


PREPARE = {
    "unknown run": ("files.csv", "r00005,40,5", "r00004,40,4", "run database does not have.*run 4"),
    "nothing left": ("files.csv", "mumu_tight_or_highm_calib", "cosmic_calib", "No file is left"),
    "no run": ("runs.csv", "\n40;", "\n42;", "no run of the bucket"),
}


@pytest.mark.parametrize(("file", "old", "new", "message"), PREPARE.values(), ids=PREPARE)
def test_input_that_does_not_fit_is_refused(site: Site, file: str, old: str, new: str, message: str) -> None:
    site.setup()
    layout, campaign = site.open()
    path = site.root / file
    path.write_text(path.read_text().replace(old, new))
    tasks = read_tasks(layout, campaign)
    with pytest.raises(ConditionsError) as caught:
        execution.prepare(campaign, tasks, bucket_runs(read_runs(campaign.paths.run_database), campaign.iov))
    assert re.search(message, str(caught.value), re.DOTALL), caught.value
    assert not (site.root / "work/bucket40/energy/input_data.json").exists()


CALIBRATE = {
    "no payload": ("folder.mkdir", "sys.exit(0); folder.mkdir", "made no payload"),
    "command fails": ("folder.mkdir", "sys.exit('no beam'); folder.mkdir", "exit status 1\n +no beam"),
    "missing payload": ("_rev_{revision}.root", "_rev_other.root", "payload's file is missing"),
    "checksum": (".write_text(text)", ".write_text(text + ' ')", "the file was changed"),
    "no hexadecimal": ("{revision} {first}", "x {first}", "neither a number nor the beginning"),
    "line": ("dbstore/{name.title()}", "{name.title()}", "the three parts.*dbstore/NAME"),
    "reversed": ("{first},-1,-1", "{first},39,1", "reversed"),
    "twice": ("first},-1,-1\\n", "first},-1,-1\\ndbstore/{name.title()} {revision} {first},-1,-1\\n", "listed twice"),
    "other payloads": ("name.title()", "(name + 's').title()", "other payloads.*Energys.*Energy"),
    "outside": ('["requested_iov"][:2]', '["requested_iov"][:1] + [0]', "begins outside of the bucket.*40,0,-1,-1"),
}


@pytest.mark.parametrize(("old", "new", "message"), CALIBRATE.values(), ids=CALIBRATE)
def test_constants_that_are_none_are_refused(site: Site, old: str, new: str, message: str) -> None:
    text = (site.root / "calibration.py").read_text()
    assert old in text
    site.write("calibration.py", text.replace(old, new))
    site.setup()
    layout, campaign = site.open()
    tasks = read_tasks(layout, campaign)
    execution.prepare(campaign, tasks, bucket_runs(read_runs(campaign.paths.run_database), campaign.iov))
    with pytest.raises(ConditionsError) as caught:
        execution.calibrate(layout, campaign, tasks["energy"])
    assert re.search(message, str(caught.value), re.DOTALL), caught.value
    assert not (site.root / "work/bucket40/energy/constants.json").exists()


def test_a_program_that_is_not_there(site: Site) -> None:
    site.edit("primary.yaml", '"{python} ', '"b2caf-prompt-run-missing ')
    site.setup()
    layout, campaign = site.open()
    with pytest.raises(ConditionsError, match="cannot be started"):
        execution.calibrate(layout, campaign, read_tasks(layout, campaign)["energy"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dbstore/Shift 3", "dbstore/Shifted 3", "no-payload"),
        ("dbstore/Shift 3 39,0,-1,-1", "dbstore/Shift 3 39,0,39,-1", "no Shift that is valid within 40,1,40,8"),
    ],
)
def test_a_payload_to_copy_that_is_not_there(site: Site, old: str, new: str, message: str) -> None:
    site.edit("tags/local_svd/database.txt", old, new)
    site.setup()
    layout, campaign = site.open()
    with pytest.raises(ConditionsError, match=message):
        execution.calibrate(layout, campaign, read_tasks(layout, campaign)["local_svd"])


VERDICTS = {
    "none": ("", "no such file"),
    "broken": ("{", "not valid JSON"),
    "no checks": ('{"passed": true, "checks": []}', "at least 1"),
    "no figure": (
        '{"passed": true, "figures": ["peak.png"], "checks": '
        '[{"name": "peak", "value": 1, "expected": 1, "tolerance": 0.1, "passed": true}]}',
        "figure that it did not draw.*peak.png",
    ),
    "bad": (
        '{"passed": false, "checks": '
        '[{"name": "peak", "value": 1.2, "expected": 1, "tolerance": 0.1, "passed": false}]}',
        "failed their validation.*peak: 1.2.*1 ± 0.1",
    ),
}


@pytest.mark.parametrize(("verdict", "message"), VERDICTS.values(), ids=VERDICTS)
def test_a_validation_that_is_none_is_refused(site: Site, verdict: str, message: str) -> None:
    write = f"import pathlib; pathlib.Path('validation.json').write_text('''{verdict}''')" if verdict else "pass"
    site.write("validation.py", write)
    site.edit(RAW, "payloads:", f'validation: "{{python}} {site.root}/validation.py"\npayloads:')
    layout = site.setup()
    _, campaign = site.open()
    with pytest.raises(ConditionsError) as caught:
        execution.validate(layout, campaign, read_tasks(layout, campaign)["energy"])
    assert re.search(message, str(caught.value), re.DOTALL), caught.value


def test_a_campaign_is_opened_where_it_was_set_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConditionsError, match="Here is no campaign"):
        open_campaign(site.root)
    layout = site.setup()
    monkeypatch.chdir(site.root.parent)
    with pytest.raises(ConditionsError, match="work from the directory where setup ran"):
        open_campaign(layout.folder)


def test_a_reviewed_task_keeps_its_name(site: Site) -> None:
    layout = site.setup()
    site.edit("campaigns/bucket40/tasks/energy.yaml", "name: energy", "name: power")
    with pytest.raises(ConditionsError, match=r"not that of its file"):
        read_tasks(layout, site.open()[1])


def test_a_review_tells_all_unknown_keys_and_tasks(
    site: Site, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = site.setup()
    monkeypatch.chdir(site.root)
    assert main(["campaign", "review", str(layout.folder), "enrgy", "scael"]) == 1
    message = capfd.readouterr().err
    assert all(part in message for part in ("no such 2 tasks", "enrgy: nearest: 'energy'", "scael: nearest: 'scale'"))
    for name in ("energy", "scale"):
        path = layout.task(name)
        path.write_text(f"{name}_one: 1\n{name}_two: 2\n" + path.read_text())
    assert main(["campaign", "review", str(layout.folder)]) == 1
    message = capfd.readouterr().err
    assert "4 problems" in message
    assert all(key in message for key in ("energy_one", "energy_two", "scale_one", "scale_two"))
