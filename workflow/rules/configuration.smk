rule configuration:
    """Write the configuration beside the results, with `extends` and defaults filled in."""
    input:
        config=CONFIG,
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
        "python -m analysis --log {log} configuration --config {input.config} --output {output}"
