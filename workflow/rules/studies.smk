# Larger studies of the likelihood, made when asked for: `snakemake --cores 2 studies`, or one of their files.


rule studies:
    """All larger studies: limits from toys, the belt tested at other nuisance parameters, the likelihood over two."""
    input:
        RESULTS / "fit/limits.json",
        RESULTS / "fit/toys_nominal.json",
        # of the parameter that is named `NAME`: fit/contours/NAME.json
        *[RESULTS / f"fit/contours/{name}.json" for name in CFG.fit.contours],


rule limits_from_toys:
    """Upper limit by CLs and the Feldman–Cousins interval, both with distributions from toys."""
    input:
        workspace=RESULTS / "fit/workspace.json",
    output:
        limits=RESULTS / "fit/limits.json",
        figure=RESULTS / "fit/studies/limits.svg",
    log:
        RESULTS / "logs/fit/limits.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("limit"),
        settings=settings("blinded", "fit", "seed"),
        folder=lambda wildcards, output: Path(output.figure).parent,
    shell:
        "python -m analysis --log {log:q} limit --config {params.config:q} --workspace {input.workspace:q} --toys 2000 "
        "--feldman-cousins --output {output.limits:q} --figures {params.folder:q}"


rule toys_nominal:
    """Toys at the initial nuisance parameters: do the quoted intervals cover there, too?"""
    input:
        workspace=RESULTS / "fit/workspace.json",
        toys=RESULTS / "fit/toys.json",
    output:
        toys=RESULTS / "fit/toys_nominal.json",
        figure=RESULTS / "fit/studies/nominal/coverage.svg",
    log:
        RESULTS / "logs/fit/toys_nominal.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("toys"),
        settings=settings("blinded", "fit", "seed"),
        folder=lambda wildcards, output: Path(output.figure).parent,
    shell:
        "python -m analysis --log {log:q} toys --config {params.config:q} --workspace {input.workspace:q} --truth nominal "
        "--toys 5000 --belt-of {input.toys:q} --output {output.toys:q} --figures {params.folder:q}"


rule contours:
    """Profile the likelihood over μ and another parameter."""
    input:
        workspace=RESULTS / "fit/workspace.json",
    output:
        scan=RESULTS / "fit/contours/{parameter}.json",
        figure=RESULTS / "fit/studies/{parameter}/contours.svg",
    log:
        RESULTS / "logs/fit/contours_{parameter}.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("scan"),
        settings=settings("blinded", "fit"),
        folder=lambda wildcards, output: Path(output.figure).parent,
    shell:
        "python -m analysis --log {log:q} scan --config {params.config:q} --workspace {input.workspace:q} "
        "--second {wildcards.parameter:q} --output {output.scan:q} --figures {params.folder:q}"
