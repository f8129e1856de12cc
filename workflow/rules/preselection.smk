rule preselection:
    """Select events with a semileptonic tag, a kaon and nothing else; keep one candidate per event; weigh it."""
    input:
        skim=RESULTS / "skim/{sample}.parquet",
        # Named in the configuration; listed so that an edit of the table reruns the rule.
        kaon_id=CFG.weights.kaon_id or [],
    output:
        table=RESULTS / "preselection/{sample}.parquet",
        cutflow=RESULTS / "preselection/{sample}.cutflow.json",
        # The selection run again with the ntuple's alternative columns; empty for data.
        varied=RESULTS / "preselection/{sample}.varied.parquet",
    log:
        RESULTS / "logs/preselection/{sample}.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("preselection"),
        settings=settings("dataset", "preselection", "weights"),
        # Those that later stages name are kept in the varied table.
        columns=analysis.config.used_columns(CFG),
        sample=sample_settings,
        # Decides whether the cut flow of data tells its counts; unblinding reruns no simulation.
        blinded=lambda wildcards: CFG.blinded and CFG.sample(wildcards.sample).type == "data",
    shell:
        "python -m analysis --log {log:q} preselection --config {params.config:q} --sample {wildcards.sample} "
        "--output {output.table:q} --cutflow {output.cutflow:q} --varied {output.varied:q} {input.skim:q}"
