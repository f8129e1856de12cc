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
