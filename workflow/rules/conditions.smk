rule record:
    """Read a sample's metadata into its conditions record: release, global tags, runs, events, luminosity."""
    input:
        config=RESOLVED,
        sidecars=sidecars,
    output:
        RESULTS / "conditions/records/{sample}.json",
    log:
        RESULTS / "logs/conditions/{sample}.log",
    params:
        code=code("conditions"),
        settings=sample_settings,
    shell:
        "python -m analysis --log {log} conditions record --config {input.config} "
        "--sample {wildcards.sample} --output {output} {input.sidecars}"


rule ledger:
    """Put all records into one ledger, and stop here if the samples do not belong together."""
    input:
        config=RESOLVED,
        records=expand(RESULTS / "conditions/records/{sample}.json", sample=SAMPLES),
    output:
        RESULTS / "conditions/ledger.json",
    log:
        RESULTS / "logs/conditions/ledger.log",
    params:
        code=code("conditions"),
        settings=settings("samples"),
    shell:
        "python -m analysis --log {log} conditions ledger --config {input.config} --output {output} {input.records}"
