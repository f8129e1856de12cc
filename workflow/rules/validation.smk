rule validate_generator:
    """Check the toy's generator with events of their own: spectrum, pools against whole events, efficiencies, masses."""
    output:
        RESULTS / "validation/generator.json",
    log:
        RESULTS / "logs/validation/generator.log",
    # Minutes, and nothing but the report waits for it: begun at the end, it would run alone.
    priority: 1
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("validate_generator"),
        settings=settings("seed", "dataset", "simulation"),
    shell:
        "python -m analysis --log {log:q} validate-generator --config {params.config:q} --output {output:q}"


rule validate_simulation:
    """Check the toy: what the generator's events tell, composition, independence, unphysical values."""
    input:
        generator=RESULTS / "validation/generator.json",
        skims=expand(RESULTS / "skim/{sample}.parquet", sample=TOYS),
        scored=expand(RESULTS / "bdt/{sample}.parquet", sample=TOYS),
    output:
        RESULTS / "validation/simulation.json",
    log:
        RESULTS / "logs/validation/simulation.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("validate_simulation"),
        settings=settings("templates"),
    shell:
        "python -m analysis --log {log:q} validate-simulation --config {params.config:q} --output {output:q} "
        "--generator {input.generator:q} {input.skims:q} {input.scored:q}"


rule figures_validation:
    """Draw the checks of the toy."""
    input:
        validation=RESULTS / "validation/simulation.json",
    output:
        report(
            REPORT / "validation.html",
            caption="../report/validation.rst",
            category="7 Validation",
            labels={"content": "Checks with pass and fail"},
        ),
        report(
            REPORT / "validation_pools.svg",
            caption="../report/validation_pools.rst",
            category="7 Validation",
            labels={"content": "Pools against whole events"},
        ),
        report(
            REPORT / "validation_q2.svg",
            caption="../report/validation_q2.rst",
            category="7 Validation",
            labels={"content": "q² of the signal"},
        ),
        report(
            REPORT / "validation_kaon_id.svg",
            caption="../report/validation_kaon_id.rst",
            category="7 Validation",
            labels={"content": "Kaon identification"},
        ),
        report(
            REPORT / "validation_d_mass.svg",
            caption="../report/validation_d_mass.rst",
            category="7 Validation",
            labels={"content": "D and D* mass"},
        ),
        report(
            REPORT / "validation_probability.svg",
            caption="../report/validation_probability.rst",
            category="7 Validation",
            labels={"content": "Signal probability of tags"},
        ),
        report(
            REPORT / "validation_composition.svg",
            caption="../report/validation_composition.rst",
            category="7 Validation",
            labels={"content": "Composition of the background"},
        ),
    log:
        RESULTS / "logs/report/validation.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("figures"),
        settings=digest(settings("name", "blinded", "dataset", "samples")),
        folder=REPORT,
    shell:
        "python -m analysis --log {log:q} figures validation --config {params.config:q} --output {params.folder:q} "
        "--validation {input.validation:q}"


# Only where the samples are the workflow's own.
if TOYS:
    FIGURES += rules.figures_validation.output
