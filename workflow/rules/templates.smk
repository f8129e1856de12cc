rule templates:
    """Histogram every sample in η and q²_rec, once as it is and once for each systematic variation."""
    input:
        config=CONFIG,
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
        code=code("templates"),
        settings=settings("blinded", "dataset", "samples", "weights", "templates", "systematics"),
    shell:
        "python -m analysis --log {log} templates --config {input.config} --varied {input.varied} --output {output} {input.tables}"


rule workspace:
    """Write the templates as a HistFactory likelihood."""
    input:
        config=CONFIG,
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
        code=code("workspace"),
        settings=settings("systematics", "dataset", "blinded"),
    shell:
        "python -m analysis --log {log} workspace --config {input.config} --output {output.workspace} "
        "--provenance {output.account} {input.templates}"
