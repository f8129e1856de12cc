rule templates:
    """Histogram every sample in η and q²_rec, once as it is and once for each systematic variation."""
    input:
        tables=expand(RESULTS / "bdt/{sample}.parquet", sample=SAMPLES),
        varied=expand(RESULTS / "bdt/{sample}.varied.parquet", sample=SIMULATION),
        kaon_id=CFG.weights.kaon_id or [],
    output:
        RESULTS / "templates/templates.json",
    log:
        RESULTS / "logs/templates/templates.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("templates"),
        settings=settings("blinded", "dataset", "samples", "weights", "templates", "systematics"),
    shell:
        "python -m analysis --log {log:q} templates --config {params.config:q} --varied {input.varied:q} --output {output:q} {input.tables:q}"


rule workspace:
    """Write the templates as a HistFactory likelihood."""
    input:
        templates=RESULTS / "templates/templates.json",
    output:
        workspace=RESULTS / "fit/workspace.json",
        # pyhf's schema has no place for provenance, for the meaning of the bins, for what was pruned
        account=RESULTS / "fit/workspace.provenance.json",
    log:
        RESULTS / "logs/fit/workspace.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("workspace"),
        settings=settings("systematics", "dataset", "weights", "blinded"),
    shell:
        "python -m analysis --log {log:q} workspace --config {params.config:q} --output {output.workspace:q} "
        "--provenance {output.account:q} {input.templates:q}"
