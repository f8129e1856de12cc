rule toys:
    """Measure with toys how often the intervals hold the true μ; where the asymptotic ones fail, calibrate them."""
    input:
        config=CONFIG,
        workspace=RESULTS / "fit/workspace.json",
        account=RESULTS / "fit/workspace.provenance.json",
    output:
        RESULTS / "fit/toys.json",
    log:
        RESULTS / "logs/fit/toys.log",
    conda:
        ENVIRONMENT
    params:
        code=code("toys"),
        settings=settings("blinded", "fit", "seed"),
    shell:
        "python -m analysis --log {log} toys --config {input.config} --workspace {input.workspace} "
        "--account {input.account} --truth fitted --output {output}"


rule fit:
    """Fit μ: its value, uncertainty, significance, limit and branching fraction."""
    input:
        config=CONFIG,
        workspace=RESULTS / "fit/workspace.json",
        account=RESULTS / "fit/workspace.provenance.json",
        toys=RESULTS / "fit/toys.json",
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
        "--account {input.account} --toys {input.toys} --output {output}"


rule scan:
    """Profile the likelihood over μ."""
    input:
        config=CONFIG,
        workspace=RESULTS / "fit/workspace.json",
        account=RESULTS / "fit/workspace.provenance.json",
    output:
        RESULTS / "fit/scan.json",
    log:
        RESULTS / "logs/fit/scan.log",
    conda:
        ENVIRONMENT
    params:
        code=code("scan"),
        settings=settings("blinded", "fit"),
    shell:
        "python -m analysis --log {log} scan --config {input.config} --workspace {input.workspace} "
        "--account {input.account} --output {output}"


rule impacts:
    """Rank the parameters by what they do to μ, and divide its uncertainty into groups."""
    input:
        config=CONFIG,
        workspace=RESULTS / "fit/workspace.json",
        account=RESULTS / "fit/workspace.provenance.json",
    output:
        RESULTS / "fit/impacts.json",
    log:
        RESULTS / "logs/fit/impacts.log",
    conda:
        ENVIRONMENT
    params:
        code=code("impacts"),
        settings=settings("blinded"),
    shell:
        "python -m analysis --log {log} impacts --config {input.config} --workspace {input.workspace} "
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
