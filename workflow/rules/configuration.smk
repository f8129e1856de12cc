rule configuration:
    """Write the configuration beside the results, with `extends` and defaults filled in."""
    output:
        RESULTS / "config.json",
    log:
        RESULTS / "logs/configuration.log",
    conda:
        ENVIRONMENT
    params:
        code=code("configuration"),
        settings=CFG.model_dump(mode="json"),
    shell:
        "python -m analysis --log {log} configuration --config {config[file]} --output {output}"
