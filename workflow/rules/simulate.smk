rule simulate:
    """Simulate e⁺e⁻ collisions and write ntuples as basf2 would, with metadata beside them."""
    input:
        config=CONFIG,
    output:
        ntuple=RESULTS / "ntuples/{sample}/{sample}_{chunk}.root",
        metadata=RESULTS / "ntuples/{sample}/{sample}_{chunk}.root.metadata.json",
    log:
        RESULTS / "logs/simulate/{sample}_{chunk}.log",
    conda:
        ENVIRONMENT
    params:
        code=code("simulate"),
        settings=settings("seed", "dataset", "simulation"),
    shell:
        "python -m analysis --log {log} simulate --config {input.config} --sample {wildcards.sample} "
        "--chunk {wildcards.chunk} --output {output.ntuple}"
