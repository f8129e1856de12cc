import pytest

from analysis import io
from analysis.basf2 import SampleType
from analysis.conditions.buckets import Bucket, bucket_to_plain, read_bucket, read_buckets
from analysis.conditions.findings import Severity
from analysis.conditions.gate import check, outputs
from analysis.conditions.iov import IoV
from analysis.conditions.ledger import Ledger
from analysis.conditions.metadata import GlobalTagState
from analysis.conditions.records import Block, GlobalTag, Payload, SampleConditions, TagUse, Validity
from analysis.conditions.runinfo import parse_runs
from analysis.config.models import ConditionsSettings, Dataset, Waiver
from analysis.errors import ConditionsError

OPEN, PUBLISHED = GlobalTagState.OPEN, GlobalTagState.PUBLISHED


def tags(*names, state=PUBLISHED):
    return tuple(TagUse(name=name, state=state) for name in names)


def block(**changes):
    fields = {
        "bucket": None,
        "campaign": "MC16rd_a",
        "release": "release-08-02-07",
        "background": "BGx1",
        "global_tags": tags("analysis_tools_light-2406-ragdoll", "mc_production_MC16_a"),
        "productions": (35000,),
        "runs": (IoV(31, 1, 31, 9), IoV(31, 20, 31, 22)),
        "runs_exact": True,
        "parents": (),
        "steering": (),
        "luminosity": 10.0,
        "n_events": 100,
        "n_full_events": None,
        "mc_events": 1000,
        "n_files": 1,
    }
    return Block(**{**fields, **changes})


def simulated(sample="charged", *, blocks=None, run_dependence="rd", **changes):
    fields = {
        "sample": sample,
        "type": SampleType.CHARGED,
        "is_mc": True,
        "run_dependence": run_dependence,
        "event_type": None,
        "decay_file": None,
        "beam_energy": "4S",
        "beam_energy_gev": 10.58,
        "fei_training": "FEIv4",
        "data_level": "udst",
        "skim": None,
        "blocks": blocks or (block(),),
    }
    return SampleConditions(**{**fields, **changes})


def bucket(name="bucket36", **changes):
    fields = {
        "bucket": name,
        "campaign": name,
        "background": None,
        "global_tags": tags("analysis_tools_light-2406-ragdoll", f"data_prompt_{name}"),
        "luminosity": 2.0,
        "mc_events": 0,
    }
    return block(**{**fields, **changes})


def recorded(sample="data", *, blocks=None, **changes):
    fields = {"type": SampleType.DATA, "is_mc": False, "run_dependence": None}
    return simulated(sample, blocks=blocks or (bucket(),), **{**fields, **changes})


def gate(*records, settings=None, buckets=(), **more):
    ledger = Ledger(
        samples={record.sample: record for record in records}, buckets={bucket.bucket: bucket for bucket in buckets}
    )
    return check(ledger, settings or ConditionsSettings(), **more)


def codes(*records, **more):
    return [(finding.code, finding.samples) for finding in gate(*records, **more)]


def test_samples_that_belong_together():
    assert gate(simulated("charged"), simulated("mixed", type=SampleType.MIXED), recorded()) == []


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        # Each entry: samples, and the findings they must give.
        ([simulated(blocks=(block(global_tags=tags("a", state=OPEN)),))], [("tag-state", ("charged",))]),
        (
            [simulated(blocks=(block(global_tags=tags("a", state=GlobalTagState.UNKNOWN)),))],
            [("tag-state", ("charged",))],
        ),
        (
            [simulated(blocks=(block(global_tags=tags("a", state=GlobalTagState.RUNNING)),))],
            [("tag-state", ("charged",))],
        ),
        (
            [simulated(), simulated("s"), simulated("odd", blocks=(block(global_tags=tags("mc_production_MC16_a")),))],
            [("tag-lists", ("odd",))],
        ),
        (
            [
                simulated(),
                simulated("x"),
                simulated(
                    "swapped",
                    blocks=(block(global_tags=tags("mc_production_MC16_a", "analysis_tools_light-2406-ragdoll")),),
                ),
            ],
            [("tag-lists", ("swapped",))],
        ),
        (
            [
                simulated(),
                recorded(blocks=(bucket(global_tags=tags("analysis_tools_light-2501", "data_prompt_bucket36")),)),
            ],
            [("analysis-tag", ("data",))],
        ),
        (
            [recorded(blocks=(bucket(global_tags=tags("data_prompt_bucket35")),))],
            [("release-tag", ("data",))],
        ),
        (
            [recorded(blocks=(bucket(global_tags=tags("mc_main")),))],
            [("release-tag", ("data",))],
        ),
        (
            [simulated(blocks=(block(global_tags=tags("mc_production_MC15ri_b")),))],
            [("release-tag", ("charged",))],
        ),
        (
            [simulated(blocks=(block(global_tags=tags("data_prompt_rel09_staging")),))],
            [("release-tag", ("charged",))],
        ),
        # A staging tag that began with an older major release is no contradiction.
        ([simulated(blocks=(block(global_tags=tags("data_prompt_rel06_staging")),))], []),
        (
            [simulated(), simulated("a"), simulated("b", blocks=(block(release="release-08-01-10"),))],
            [("release", ("b",))],
        ),
        (
            [simulated(), recorded(blocks=(bucket(release="release-06-00-08"),))],
            [("release", ("data",))],
        ),
        (
            [
                simulated(),
                simulated("a"),
                simulated("ri", run_dependence="ri", blocks=(block(runs=(IoV(1003, 0, 1003, 0),)),)),
            ],
            [("run-dependence", ("ri",))],
        ),
        ([simulated(run_dependence="ri")], [("experiment", ("charged",))]),
        ([recorded(blocks=(bucket(runs=(IoV(1003, 0, 1003, 0),)),))], [("experiment", ("data",))]),
        (
            [simulated(blocks=(block(runs=(IoV(31, 1, 31, 5),)),)), recorded()],
            [("run-gap", ("charged",))],
        ),
        (
            [simulated(blocks=(block(runs=(IoV(31, 1, 31, 30),)),)), recorded()],
            [("run-excess", ("charged",))],
        ),
        (
            [recorded("data", blocks=(bucket(), bucket("bucket37", runs=(IoV(31, 22, 31, 30),))))],
            [("run-overlap", ("data",))],
        ),
        (
            [recorded("data"), recorded("more", blocks=(bucket(runs=(IoV(31, 5, 31, 6),)),))],
            [("run-overlap", ("data", "more"))],
        ),
        ([recorded(beam_energy="4S_offres", beam_energy_gev=10.52)], [("beam-energy", ("data",))]),
        # off-resonance data that pass for the Υ(4S)'s, and the other way round
        ([recorded(beam_energy_gev=10.52)], [("beam-energy", ("data",))]),
        ([simulated("off", type=SampleType.CCBAR, beam_energy="4S_offres")], [("beam-energy", ("off",))]),
        ([recorded(type=SampleType.OFFRES)], [("beam-energy", ("data",))]),
        (
            [simulated(), simulated("a"), simulated("s", beam_energy="5S")],
            [("beam-energy", ("s",))],
        ),
        ([simulated(), simulated("a", beam_energy_gev=10.60)], [("beam-energy", ("charged", "a"))]),
        ([simulated(), recorded(fei_training="FEIv5")], [("fei-training", ("data",))]),
        (
            [simulated(), simulated("a"), simulated("b", blocks=(block(background="BGx0"),))],
            [("background", ("b",))],
        ),
        ([simulated(event_type="mixed")], [("event-type", ("charged",))]),
        (
            [simulated("a", blocks=(block(parents=("/p",)),)), simulated("b", blocks=(block(parents=("/p", "/q")),))],
            [("parents", ("a", "b"))],
        ),
        ([simulated(blocks=(block(n_events=0),))], [("no-events", ("charged",))]),
    ],
)  # fmt: skip
def test_findings(records, expected):
    found = gate(*records)
    assert [(finding.code, finding.samples) for finding in found] == expected
    for finding in found:
        assert finding.key
        assert finding.found
        assert finding.expected
        assert finding.remedy


def test_one_tag_with_two_states_and_two_contents():
    one = block(global_tags=(TagUse(name="a", state=PUBLISHED, content="0" * 64),))
    two = block(global_tags=(TagUse(name="a", state=GlobalTagState.VALIDATED, content="1" * 64),))
    (found,) = gate(simulated("x", blocks=(one,)), simulated("y", blocks=(two,)))
    assert (found.code, set(found.samples)) == ("tag-content", {"x", "y"})
    same = TagUse(name="a", state=PUBLISHED)
    assert codes(simulated("x", blocks=(one,)), simulated("y", blocks=(block(global_tags=(same,)),))) == []


def two_buckets(luminosities, **changes):
    runs = ((IoV(31, 1, 31, 9),), (IoV(31, 20, 31, 22),))
    names = ("bucket36", "bucket37")
    return tuple(
        bucket(name, runs=run, luminosity=amount, **changes)
        for name, run, amount in zip(names, runs, luminosities, strict=True)
    )


@pytest.mark.parametrize("luminosities", [(20.0, 10.0), (None, None)])
def test_luminosity_per_bucket(luminosities):
    data = recorded(blocks=two_buckets((2.0, 1.0)))
    good = simulated(blocks=tuple(b.model_copy(update={"mc_events": n}) for b, n in zip(
        two_buckets(luminosities, background="BGx1"), (2000, 1000), strict=True)))  # fmt: skip
    assert codes(good, data) == []
    other = recorded(blocks=two_buckets((2.0, 2.0)))
    found = gate(good, other)
    assert [finding.code for finding in found] == ["bucket-luminosity", "bucket-luminosity"]
    assert "66.67%" in found[0].found
    assert "50.00%" in found[0].expected


def test_luminosity_of_the_configuration():
    data = [recorded("a", blocks=two_buckets((100.0, 265.0)))]
    assert gate(*data, dataset=Dataset(luminosity=365.0)) == []
    found = gate(*data, dataset=Dataset(luminosity=400.0))
    assert [finding.code for finding in found] == ["luminosity"]
    # Unknown amounts cannot be compared, and off-resonance data do not count.
    offres = recorded(
        "off", type=SampleType.OFFRES, beam_energy="4S_offres", beam_energy_gev=10.52,
        blocks=(bucket(runs=(IoV(31, 40, 31, 41),)),),
    )  # fmt: skip
    assert gate(*data, offres, dataset=Dataset(luminosity=365.0)) == []
    right = Dataset(luminosity=365.0, off_resonance_luminosity=offres.luminosity)
    assert gate(*data, offres, dataset=right) == []
    (finding,) = gate(*data, offres, dataset=right.model_copy(update={"off_resonance_luminosity": 42.0}))
    assert (finding.code, finding.samples, finding.key) == (
        "luminosity", ("off",), "dataset.off_resonance_luminosity",
    )  # fmt: skip


def test_run_database():
    table = parse_runs("exp,run,luminosity_pb\n31,1,500\n31,2,1500\n31,3,\n", "runs.csv")
    good = recorded(blocks=(bucket(runs=(IoV(31, 1, 31, 2),), luminosity=2.0),))
    assert gate(good, run_table=table) == []
    wrong = recorded(blocks=(bucket(runs=(IoV(31, 1, 31, 2),), luminosity=2.1),))
    assert [finding.code for finding in gate(wrong, run_table=table)] == ["luminosity"]
    unknown = recorded(blocks=(bucket(runs=(IoV(31, 1, 31, 4),), luminosity=2.0),))
    found = gate(unknown, run_table=table)
    assert [(finding.code, finding.found) for finding in found] == [("run-gap", "31,4,31,4")]


def test_payloads_that_overlap_within_a_tag():
    content = tuple(
        Validity(payload=Payload(name="BeamParameters", revision=revision), iov=IoV(31, first, -1, -1))
        for revision, first in (("2", 5), ("1", 1))
    )
    tag = GlobalTag(name="mc_production_MC16_a", state=PUBLISHED, content=content)
    ledger = Ledger(samples={"charged": simulated()}, global_tags={tag.name: tag})
    (found,) = check(ledger, ConditionsSettings())
    assert (found.code, found.severity) == ("payload-overlap", Severity.WARNING)
    assert "revision 1" in found.found


def test_ranges_are_weaker_than_lists():
    two = recorded("more", blocks=(bucket(runs=(IoV(31, 5, 31, 6),), runs_exact=False),))
    (found,) = gate(recorded("data"), two)
    assert found.severity is Severity.WARNING
    assert not found.stops


def test_waivers_carry_their_reason_and_cover_only_their_samples():
    odd = simulated(blocks=(block(n_events=0, global_tags=tags("a", state=OPEN)),))
    waiver = Waiver(finding="tag-state", samples=("charged",), reason="test production of the new tag")
    (first, second) = gate(odd, settings=ConditionsSettings(waivers=(waiver,)))
    assert first.waived == waiver.reason or second.waived == waiver.reason
    assert not first.stops
    assert waiver.reason in f"{first}{second}"
    both = gate(odd, simulated("mixed", blocks=odd.blocks), settings=ConditionsSettings(waivers=(waiver,)))
    assert next(finding for finding in both if finding.code == "tag-state").stops
    (unused,) = gate(simulated(), settings=ConditionsSettings(waivers=(waiver,)))
    assert unused.code == "unused-waiver"


def test_a_waiver_needs_a_reason():
    with pytest.raises(ValueError, match="reason"):
        Waiver(finding="tag-state", reason="ok")


def test_stale_outputs():
    ledger = Ledger(samples={"charged": simulated()})
    digest = ledger.sample_digests["charged"]
    assert list(outputs.stale(ledger, {"result.json": {"charged": digest}})) == []
    found = list(outputs.stale(ledger, {"result.json": {"charged": "0" * 64, "gone": digest}}))
    assert [(finding.code, finding.samples, finding.file) for finding in found] == [
        ("stale", ("charged",), "result.json"),
        ("stale", ("gone",), "result.json"),
    ]


def test_classifier_trained_under_other_conditions():
    trained = Ledger(samples={"old": simulated("old", blocks=(block(campaign="MC15rd_b"),))})
    applied = Ledger(samples={"charged": simulated(), "data": recorded()})
    (found,) = outputs.training(trained, applied)
    assert (found.code, found.samples, found.key) == ("training", ("charged",), "dataset.campaign")
    assert list(outputs.training(applied, applied)) == []


def test_a_process_may_be_split_into_samples():
    first = simulated("charged_a", blocks=(block(runs=(IoV(31, 1, 31, 9),)),))
    second = simulated("charged_b", blocks=(block(runs=(IoV(31, 20, 31, 22),)),))
    assert codes(first, second, recorded()) == []
    mixed = simulated("mixed", type=SampleType.MIXED, blocks=first.blocks)
    assert codes(first, second, mixed, recorded()) == [("run-gap", ("mixed",))]


def test_a_large_analysis():
    """A thousand samples with a hundred thousand runs: 3 s; a square law would take minutes."""
    runs = tuple(IoV(31, 2 * number, 31, 2 * number) for number in range(100_000))
    data = recorded("data", blocks=(bucket(runs=runs),))
    share = [
        simulated(f"s{number:03d}", blocks=(block(runs=runs[100 * number : 100 * number + 100]),))
        for number in range(999)
    ]
    found = gate(data, *share)
    assert [finding.code for finding in found] == ["run-gap"]
    assert found[0].found.startswith("31,199800,31,199800, 31,199802,31,199802")
    assert "and 95 more" in found[0].found


PROMPT = TagUse(name="data_prompt_bucket36", state=PUBLISHED, content="c" * 64)
CALIBRATED = {
    "bucket": "bucket36",
    "iov": [31, 1, 31, 22],
    "release": "release-08-02-07",
    "beam_energy": "4S",
    "global_tags": [{"name": "data_prompt_bucket36", "state": "PUBLISHED", "content": "a" * 64}],
    "global_tags_mcrd": [{"name": "mc_production_MC16_a", "state": "PUBLISHED", "content": None}],
    "runs": [[31, 1, 31, 9], [31, 20, 31, 22]],
    "luminosity": 2.0,
    "settings": {"ECL_energy": "b" * 64},
    "forced": [],
}


def calibrated(**changes):
    return Bucket.model_validate({**CALIBRATED, **changes})


def test_samples_that_have_the_calibration_of_their_bucket():
    simulation = simulated(blocks=(block(bucket="bucket36"),))
    assert gate(simulation, recorded(), buckets=[calibrated()]) == []
    assert gate(recorded(blocks=(bucket(calibration=calibrated().digest),)), buckets=[calibrated()]) == []
    # Without closing records nothing is asked.
    assert gate(recorded(blocks=(bucket("bucket99"),))) == []


@pytest.mark.parametrize(
    ("sample", "changes", "key"),
    [
        (recorded(), {"global_tags": [{"name": "data_prompt_bucket36_v2", "state": "PUBLISHED"}]}, "globalTag"),
        (simulated(blocks=(block(bucket="bucket36"),)), {"global_tags_mcrd": []}, "globalTag"),
        (recorded(), {"runs": [[31, 1, 31, 9]]}, "dataset.runs"),
        (
            recorded(blocks=(bucket(runs=(IoV(31, 1, 31, 30),), runs_exact=False),)),
            {},
            "dataset.runs",
        ),
        (recorded(), {"luminosity": 1.9}, "dataset.luminosity of bucket36"),
        (recorded(), {"release": "release-08-02-06"}, "release"),
        (recorded(), {"release": "release-09-00-00"}, "release"),
        (recorded(blocks=(bucket(calibration="d" * 64),)), {}, "dataset.calibration"),
        (recorded(blocks=(bucket("bucket37"),)), {}, "dataset.bucket"),
        (
            recorded(blocks=(bucket(global_tags=(PROMPT,)),)),
            {},
            "globalTag data_prompt_bucket36",
        ),
    ],
)
def test_samples_of_another_calibration(sample, changes, key):
    found = gate(sample, buckets=[calibrated(**changes)])
    assert [(finding.code, finding.key) for finding in found] == [("calibration", key)]


def test_forced_calibrations_are_told():
    (found,) = gate(recorded(), buckets=[calibrated(forced=["run by someone: shutdown tomorrow"])])
    assert (found.code, found.severity) == ("calibration-forced", Severity.WARNING)
    assert "shutdown tomorrow" in found.found


def test_another_minor_release_is_no_error():
    found = [
        gate(recorded(), buckets=[calibrated(release=release)]) for release in ("release-08-02-06", "release-09-00-00")
    ]
    assert [finding.severity for (finding,) in found] == [Severity.WARNING, Severity.ERROR]


def test_closing_record_is_read_and_its_digest_checked(tmp_path):
    path = tmp_path / "conditions.json"
    plain = bucket_to_plain(calibrated())
    io.write_json(path, plain)
    assert read_bucket(path) == calibrated()
    assert plain["sidecar"]["dataset"]["calibration"] == calibrated().digest
    with pytest.raises(ConditionsError, match="Two closing records"):
        read_buckets([path, path])
    io.write_json(path, {**plain, "conditions": {**plain["conditions"], "luminosity": 3.0}})
    with pytest.raises(ConditionsError, match="changed by hand"):
        read_bucket(path)
    io.write_json(path, {**plain, "conditions": {**plain["conditions"], "runs": [[31, 9, 31, 1]]}})
    with pytest.raises(ConditionsError, match="reversed"):
        read_bucket(path)
    io.write_json(path, {"schema": 1})
    with pytest.raises(ConditionsError, match="campaign close"):
        read_bucket(path)
