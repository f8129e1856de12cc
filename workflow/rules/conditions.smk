rule record:
    """Read a sample's metadata into its conditions record: release, global tags, runs, events, luminosity."""
    input:
        sidecars=sidecars,
        # What they tell of the sample's own tags is compared, see `params`.
        databases=ancient(CFG.conditions.databases),
    output:
        RESULTS / "conditions/records/{sample}.json",
    log:
        RESULTS / "logs/conditions/{sample}.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        # Not the whole command: an edit of how conditions are shown or compared must not rerun the skims.
        code=fingerprint("analysis.conditions.recording"),
        settings=lambda wildcards: analysis.config.settings(
            CFG.sample(wildcards.sample), "name", "type", "simulated", "beam_energy"
        ),
        tags=tags,
    shell:
        "python -m analysis --log {log:q} conditions record --config {params.config:q} "
        "--sample {wildcards.sample} --output {output:q} {input.sidecars:q}"


rule ledger:
    """Put all records into one ledger, and stop here if the samples do not belong together."""
    input:
        records=expand(RESULTS / "conditions/records/{sample}.json", sample=SAMPLES),
        databases=CFG.conditions.databases,
        runs=CFG.conditions.run_information or [],
        buckets=CFG.conditions.buckets,
    output:
        RESULTS / "conditions/ledger.json",
    log:
        RESULTS / "logs/conditions/ledger.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=fingerprint("analysis.conditions.gate"),
        settings=settings("conditions"),
        luminosity=analysis.config.settings(
            CFG.dataset, "luminosity", "luminosity_uncertainty", "off_resonance_luminosity"
        ),
    shell:
        "python -m analysis --log {log:q} conditions ledger --config {params.config:q} --output {output:q} {input.records:q}"
