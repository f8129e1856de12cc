rule train_bdt:
    """Train trees that tell the signal from all backgrounds, in folds, and freeze their maps from score to η."""
    input:
        tables=expand(RESULTS / "preselection/{sample}.parquet", sample=ON_RESONANCE),
    output:
        model=RESULTS / "bdt/model.json",
        training=RESULTS / "bdt/training.json",
    log:
        RESULTS / "logs/bdt/train.log",
    conda:
        ENVIRONMENT
    threads: 2
    params:
        config=CONFIG,
        code=code("train_bdt"),
        settings=settings("seed", "bdt"),
    shell:
        "python -m analysis --log {log:q} train-bdt --config {params.config:q} --threads {threads} "
        "--model {output.model:q} --training {output.training:q} {input.tables:q}"


rule apply_bdt:
    """Give every event the score of the fold that has not seen it, and its η."""
    input:
        model=RESULTS / "bdt/model.json",
        table=RESULTS / "preselection/{sample}.parquet",
        varied=RESULTS / "preselection/{sample}.varied.parquet",
    output:
        table=RESULTS / "bdt/{sample}.parquet",
        varied=RESULTS / "bdt/{sample}.varied.parquet",
    log:
        RESULTS / "logs/bdt/{sample}.log",
    conda:
        ENVIRONMENT
    params:
        code=code("apply_bdt"),
    shell:
        "python -m analysis --log {log:q} apply-bdt --model {input.model:q} --output {output.table:q} "
        "--varied {input.varied:q} --varied-output {output.varied:q} {input.table:q}"
