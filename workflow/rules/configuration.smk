rule configuration:
    """Write the configuration beside the results, with `extends` and defaults filled in, and where it came from."""
    output:
        config=RESULTS / "config.json",
        origin=ORIGIN,
    log:
        RESULTS / "logs/configuration.log",
    conda:
        ENVIRONMENT
    params:
        code=code("configuration"),
        # A digest: Snakemake prints what changed, and this would be all of it, twice.
        settings=digest(CFG.model_dump(mode="json")),
        path=CONFIG_PATH,
    shell:
        "python -m analysis --log {log:q} configuration --config {params.path:q} --output {output.config:q} "
        "--provenance {output.origin:q}"
