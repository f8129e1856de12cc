rule toys:
    """Measure with toys how often the intervals hold the true μ; where the asymptotic ones fail, calibrate them."""
    input:
        workspace=RESULTS / "fit/workspace.json",
        account=RESULTS / "fit/workspace.provenance.json",
    output:
        RESULTS / "fit/toys.json",
    log:
        RESULTS / "logs/fit/toys.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("toys"),
        settings=settings("blinded", "fit", "seed"),
    shell:
        "python -m analysis --log {log:q} toys --config {params.config:q} --workspace {input.workspace:q} "
        "--account {input.account:q} --truth fitted --output {output:q}"


rule fit:
    """Fit μ: its value, uncertainty, significance, limit and branching fraction."""
    input:
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
        config=CONFIG,
        code=code("fit"),
        settings=settings("blinded", "dataset", "fit"),
    shell:
        "python -m analysis --log {log:q} fit --config {params.config:q} --workspace {input.workspace:q} "
        "--account {input.account:q} --toys {input.toys:q} --output {output:q}"


rule scan:
    """Profile the likelihood over μ."""
    input:
        workspace=RESULTS / "fit/workspace.json",
        account=RESULTS / "fit/workspace.provenance.json",
    output:
        RESULTS / "fit/scan.json",
    log:
        RESULTS / "logs/fit/scan.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("scan"),
        settings=settings("blinded", "fit"),
    shell:
        "python -m analysis --log {log:q} scan --config {params.config:q} --workspace {input.workspace:q} "
        "--account {input.account:q} --output {output:q}"


rule impacts:
    """Rank the parameters by what they do to μ, and divide its uncertainty into groups."""
    input:
        workspace=RESULTS / "fit/workspace.json",
        account=RESULTS / "fit/workspace.provenance.json",
    output:
        RESULTS / "fit/impacts.json",
    log:
        RESULTS / "logs/fit/impacts.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("impacts"),
        settings=settings("blinded"),
    shell:
        "python -m analysis --log {log:q} impacts --config {params.config:q} --workspace {input.workspace:q} "
        "--account {input.account:q} --output {output:q}"


rule closure:
    """Check on simulation alone that the whole chain from events to μ is unbiased and its errors are right."""
    input:
        tables=expand(RESULTS / "bdt/{sample}.parquet", sample=SIMULATION),
        kaon_id=CFG.weights.kaon_id or [],
    output:
        RESULTS / "fit/closure.json",
    log:
        RESULTS / "logs/fit/closure.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("closure"),
        settings=settings("seed", "dataset", "samples", "weights", "templates", "systematics"),
    shell:
        "python -m analysis --log {log:q} closure --config {params.config:q} --output {output:q} {input.tables:q}"


if CFG.combination:

    rule combine:
        """Combine our likelihood with published ones, and tell what each of them expects."""
        input:
            workspace=RESULTS / "fit/workspace.json",
            account=RESULTS / "fit/workspace.provenance.json",
            others=list(CFG.combination.workspaces.values()),
            compared=list(CFG.combination.compare.values()),
            map=CFG.combination.map,
        output:
            workspace=RESULTS / "fit/combination.json",
            sensitivity=RESULTS / "fit/sensitivities.json",
        log:
            RESULTS / "logs/fit/combine.log",
        conda:
            ENVIRONMENT
        params:
            config=CONFIG,
            code=code("combine"),
            settings=settings("blinded", "fit", "combination"),
            others=[f"--workspace {label}={quote(path)}" for label, path in CFG.combination.workspaces.items()],
            compared=[f"--compare {label}={quote(path)}" for label, path in CFG.combination.compare.items()],
            channels=[
                f"--channels {label}={quote(','.join(starts))}" for label, starts in CFG.combination.channels.items()
            ],
        shell:
            "python -m analysis --log {log:q} combine --config {params.config:q} "
            "--workspace SL={input.workspace:q} {params.others} {params.compared} {params.channels} --account {input.account:q} "
            "--map {input.map:q} --output {output.workspace:q} --sensitivity {output.sensitivity:q}"
