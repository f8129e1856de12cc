rule templates:
    """Histogram every sample in η and q²_rec, once as it is and once for each systematic variation."""
    input:
        config=RESOLVED,
        tables=expand(RESULTS / "bdt/{sample}.parquet", sample=SAMPLES),
    output:
        RESULTS / "templates/templates.json",
    params:
        code=code("templates"),
        settings=settings("blinded", "dataset", "samples", "weights", "templates", "systematics"),
    log:
        RESULTS / "logs/templates/templates.log",
    shell:
        "python -m analysis --log {log} templates --config {input.config} --output {output} {input.tables}"


rule workspace:
    """Write the templates as a HistFactory likelihood."""
    input:
        config=RESOLVED,
        templates=RESULTS / "templates/templates.json",
    output:
        RESULTS / "fit/workspace.json",
    params:
        code=code("workspace"),
        settings=settings("systematics", "dataset", "blinded"),
    log:
        RESULTS / "logs/fit/workspace.log",
    shell:
        "python -m analysis --log {log} workspace --config {input.config} --output {output} {input.templates}"
