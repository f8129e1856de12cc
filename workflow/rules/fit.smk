rule fit:
    """Fit μ: its value, uncertainty, significance, limit and branching fraction."""
    input:
        config=CONFIG,
        workspace=RESULTS / "fit/workspace.json",
        account=RESULTS / "fit/workspace.provenance.json",
    output:
        RESULTS / "fit/result.json",
    log:
        RESULTS / "logs/fit/fit.log",
    conda:
        ENVIRONMENT
    params:
        code=code("fit"),
        settings=settings("blinded", "dataset", "fit"),
    shell:
        "python -m analysis --log {log} fit --config {input.config} --workspace {input.workspace} "
        "--account {input.account} --output {output}"


rule closure:
    """Check on simulation alone that the whole chain from events to μ is unbiased and its errors are right."""
    input:
        config=CONFIG,
        tables=expand(RESULTS / "bdt/{sample}.parquet", sample=SIMULATION),
        kaon_id=CFG.weights.kaon_id or [],
    output:
        RESULTS / "fit/closure.json",
    log:
        RESULTS / "logs/fit/closure.log",
    conda:
        ENVIRONMENT
    params:
        code=code("closure"),
        settings=settings("seed", "dataset", "samples", "weights", "templates", "systematics"),
    shell:
        "python -m analysis --log {log} closure --config {input.config} --output {output} {input.tables}"
