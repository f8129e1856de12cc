rule skim:
    """Keep the candidates that can pass the selection, and the columns that later stages need."""
    input:
        ntuples=ntuples,
        record=RESULTS / "conditions/records/{sample}.json",
        # The gate: passed before the first skim, but another sample's record does not concern this one.
        ledger=ancient(RESULTS / "conditions/ledger.json"),
    output:
        RESULTS / "skim/{sample}.parquet",
    log:
        RESULTS / "logs/skim/{sample}.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("skim"),
        settings=settings("skim"),
        # Cuts and inputs of later stages matter here only by the columns that they name.
        columns=analysis.config.used_columns(CFG),
        sample=sample_settings,
    shell:
        "python -m analysis --log {log:q} skim --config {params.config:q} --sample {wildcards.sample} "
        "--record {input.record:q} --output {output:q} {input.ntuples:q}"
