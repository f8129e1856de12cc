rule simulate:
    """Simulate e⁺e⁻ collisions and write ntuples as basf2 would, with metadata beside them."""
    input:
        # Pseudo-data and run-dependent simulation are of the buckets whose campaigns the configuration names.
        buckets=lambda wildcards: (
            CFG.conditions.buckets if CFG.simulation.run_dependent or CFG.sample(wildcards.sample).type.is_data else []
        ),
    output:
        ntuple=RESULTS / "ntuples/{sample}/{sample}_{chunk}.root",
        metadata=RESULTS / "ntuples/{sample}/{sample}_{chunk}.root.metadata.json",
    log:
        RESULTS / "logs/simulate/{sample}_{chunk}.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("simulate"),
        settings=settings("seed", "dataset", "simulation"),
        sample=simulated_as,
    shell:
        "python -m analysis --log {log:q} simulate --config {params.config:q} --sample {wildcards.sample} "
        "--chunk {wildcards.chunk} --output {output.ntuple:q}"
