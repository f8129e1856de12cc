# The configuration as the commands read it: `extends` and defaults resolved, `--config key=value` included. It is an input
# marked ancient everywhere: what a rule depends on is told by its own `params: settings=`.
rule configuration:
    """Write the resolved configuration beside the results."""
    output:
        RESULTS / "config.json",
    log:
        RESULTS / "logs/configuration.log",
    conda:
        ENVIRONMENT
    params:
        settings=CFG.model_dump_json(),
    shell:
        "python -m analysis --log {log} configuration --output {output} " "--json {params.settings:q}"
