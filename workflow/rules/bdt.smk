rule train_bdt:
    """Train trees that tell the signal from all backgrounds, in folds, and freeze their maps from score to η."""
    input:
        config=CONFIG,
        tables=expand(RESULTS / "preselection/{sample}.parquet", sample=SIMULATION),
    output:
        model=RESULTS / "bdt/model.json",
        training=RESULTS / "bdt/training.json",
    log:
        RESULTS / "logs/bdt/train.log",
    conda:
        ENVIRONMENT
    threads: 2
    params:
        code=code("train_bdt"),
        settings=settings("seed", "bdt"),
    shell:
        "python -m analysis --log {log} train-bdt --config {input.config} --threads {threads} "
        "--model {output.model} --training {output.training} {input.tables}"


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
        "python -m analysis --log {log} apply-bdt --model {input.model} --output {output.table} "
        "--varied {input.varied} --varied-output {output.varied} {input.table}"
