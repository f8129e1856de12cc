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


if CFG.combination:

    rule combine:
        """Combine our likelihood with published ones, and tell what each of them expects."""
        input:
            config=CONFIG,
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
            code=code("combine"),
            settings=settings("blinded", "fit", "combination"),
            others=[f"--workspace {label}={path}" for label, path in CFG.combination.workspaces.items()],
            compared=[f"--compare {label}={path}" for label, path in CFG.combination.compare.items()],
            channels=[f"--channels {label}={','.join(starts)}" for label, starts in CFG.combination.channels.items()],
        shell:
            "python -m analysis --log {log} combine --config {input.config} {params.others} "
            "--workspace SL={input.workspace} {params.compared} {params.channels} --account {input.account} "
            "--map {input.map} --output {output.workspace} --sensitivity {output.sensitivity}"
