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
        config=CONFIG,
        workspace=RESULTS / "fit/workspace.json",
    output:
        limits=RESULTS / "fit/limits.json",
        figure=RESULTS / "fit/studies/limits.svg",
    log:
        RESULTS / "logs/fit/limits.log",
    conda:
        ENVIRONMENT
    params:
        code=code("limit"),
        settings=settings("blinded", "fit", "seed"),
        folder=lambda wildcards, output: Path(output.figure).parent,
    shell:
        "python -m analysis --log {log} limit --config {input.config} --workspace {input.workspace} --toys 2000 "
        "--feldman-cousins --output {output.limits} --figures {params.folder}"


rule toys_nominal:
    """Toys at the initial nuisance parameters: do the quoted intervals cover there, too?"""
    input:
        config=CONFIG,
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
        code=code("toys"),
        settings=settings("blinded", "fit", "seed"),
        folder=lambda wildcards, output: Path(output.figure).parent,
    shell:
        "python -m analysis --log {log} toys --config {input.config} --workspace {input.workspace} --truth nominal "
        "--toys 5000 --belt-of {input.toys} --output {output.toys} --figures {params.folder}"


rule contours:
    """Profile the likelihood over μ and another parameter."""
    input:
        config=CONFIG,
        workspace=RESULTS / "fit/workspace.json",
    output:
        scan=RESULTS / "fit/contours/{parameter}.json",
        figure=RESULTS / "fit/studies/{parameter}/contours.svg",
    log:
        RESULTS / "logs/fit/contours_{parameter}.log",
    conda:
        ENVIRONMENT
    params:
        code=code("scan"),
        settings=settings("blinded", "fit"),
        folder=lambda wildcards, output: Path(output.figure).parent,
    shell:
        "python -m analysis --log {log} scan --config {input.config} --workspace {input.workspace} "
        "--second {wildcards.parameter} --output {output.scan} --figures {params.folder}"
