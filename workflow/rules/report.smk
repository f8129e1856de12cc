from analysis.plots import PANELS_PER_PAGE

REPORT = RESULTS / "report"
INPUT_PAGES = range(1, -(-len(CFG.bdt.inputs) // PANELS_PER_PAGE) + 1)
CHANNELS = [channel.name for channel in CFG.templates.channels]
# The settings of these rules are digests: the report shows the parameters of every job.


report: "../report/workflow.rst"


rule figures_selection:
    """Draw the cut flow, and what the BDT sees and does: inputs, ROC, overtraining, importance, correlations, η."""
    input:
        training=RESULTS / "bdt/training.json",
        tables=expand(RESULTS / "bdt/{sample}.parquet", sample=SAMPLES),
        flows=expand(RESULTS / "preselection/{sample}.cutflow.json", sample=SAMPLES),
    output:
        report(
            REPORT / "cut_flow.svg",
            caption="../report/cut_flow.rst",
            category="2 Selection",
            labels={"content": "Cut flow"},
        ),
        report(
            REPORT / "cut_flow.html",
            caption="../report/cut_flow_table.rst",
            category="2 Selection",
            labels={"content": "Cut flow, numbers"},
        ),
        *[
            report(
                REPORT / f"inputs_{page}.svg",
                caption="../report/inputs.rst",
                category="3 BDT",
                labels={"content": f"Inputs, page {page}"},
            )
            for page in INPUT_PAGES
        ],
        report(
            REPORT / "roc.svg",
            caption="../report/roc.rst",
            category="3 BDT",
            labels={"content": "ROC curves"},
        ),
        report(
            REPORT / "overtraining.svg",
            caption="../report/overtraining.rst",
            category="3 BDT",
            labels={"content": "Overtraining"},
        ),
        report(
            REPORT / "importance.svg",
            caption="../report/importance.rst",
            category="3 BDT",
            labels={"content": "Importance of the inputs"},
        ),
        report(
            REPORT / "input_correlations.svg",
            caption="../report/input_correlations.rst",
            category="3 BDT",
            labels={"content": "Correlations of the inputs"},
        ),
        report(
            REPORT / "q2_correlations.svg",
            caption="../report/q2_correlations.rst",
            category="3 BDT",
            labels={"content": "Correlations with q²"},
        ),
        report(
            REPORT / "eta_profile.svg",
            caption="../report/eta_profile.rst",
            category="3 BDT",
            labels={"content": "Mean η over q²"},
        ),
        report(
            REPORT / "eta.svg",
            caption="../report/eta.rst",
            category="3 BDT",
            labels={"content": "η"},
        ),
        report(
            REPORT / "training.html",
            caption="../report/training.rst",
            category="3 BDT",
            labels={"content": "Training, numbers"},
        ),
    log:
        RESULTS / "logs/report/selection.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("figures"),
        settings=digest(settings("name", "blinded", "dataset", "samples", "templates")),
        folder=REPORT,
    shell:
        "python -m analysis --log {log:q} figures selection --config {params.config:q} --output {params.folder:q} "
        "--training {input.training:q} {input.flows:q} {input.tables:q}"


rule figures_templates:
    """Draw the bins of the likelihood before and after the fit, and the systematic variations."""
    input:
        templates=RESULTS / "templates/templates.json",
        workspace=RESULTS / "fit/workspace.json",
        result=RESULTS / "fit/result.json",
    output:
        *[
            report(
                REPORT / f"before_{channel}.svg",
                caption="../report/before.rst",
                category="4 Templates",
                labels={"content": f"{channel} before the fit"},
            )
            for channel in CHANNELS
        ],
        *[
            report(
                REPORT / f"after_{channel}.svg",
                caption="../report/after.rst",
                category="4 Templates",
                labels={"content": f"{channel} after the fit"},
            )
            for channel in CHANNELS
        ],
        *[
            report(
                REPORT / f"variations_{sample}.svg",
                caption="../report/variations.rst",
                category="4 Templates",
                labels={"content": f"Systematic variations, {sample}"},
            )
            for sample in SIMULATION
        ],
        report(
            REPORT / "systematics.html",
            caption="../report/systematics.rst",
            category="4 Templates",
            labels={"content": "Systematic uncertainties, numbers"},
        ),
        report(
            REPORT / "yields.html",
            caption="../report/yields.rst",
            category="4 Templates",
            labels={"content": "Events before and after the fit"},
        ),
    log:
        RESULTS / "logs/report/templates.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("figures"),
        settings=digest(settings("name", "blinded", "dataset", "samples")),
        folder=REPORT,
    shell:
        "python -m analysis --log {log:q} figures templates --config {params.config:q} --output {params.folder:q} "
        "--templates {input.templates:q} --workspace {input.workspace:q} --result {input.result:q}"


rule figures_off_resonance:
    """Draw off-resonance data beside simulated continuum, and tell the normalisations that the fit finds."""
    input:
        skims=expand(RESULTS / "skim/{sample}.parquet", sample=OFF_RESONANCE),
        templates=RESULTS / "templates/templates.json",
        workspace=RESULTS / "fit/workspace.json",
        result=RESULTS / "fit/result.json",
    output:
        report(
            REPORT / "off_resonance.svg",
            caption="../report/off_resonance.rst",
            category="4 Templates",
            labels={"content": "Off-resonance data"},
        ),
        report(
            REPORT / "off_resonance.html",
            caption="../report/off_resonance_numbers.rst",
            category="4 Templates",
            labels={"content": "Off-resonance data, numbers"},
        ),
    log:
        RESULTS / "logs/report/off_resonance.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("figures"),
        settings=digest(settings("name", "blinded", "dataset", "samples")),
        folder=REPORT,
    shell:
        "python -m analysis --log {log:q} figures off-resonance --config {params.config:q} --output {params.folder:q} "
        "--templates {input.templates:q} --workspace {input.workspace:q} --result {input.result:q} {input.skims:q}"


rule figures_fit:
    """Draw the result and put it beside published ones; tell where everything comes from."""
    input:
        workspace=RESULTS / "fit/workspace.json",
        result=RESULTS / "fit/result.json",
        scan=RESULTS / "fit/scan.json",
        closure=RESULTS / "fit/closure.json",
        ledger=RESULTS / "conditions/ledger.json",
        # in the order of the workflow: the table of provenance keeps it
        outputs=[
            *expand(RESULTS / "skim/{sample}.parquet", sample=SAMPLES),
            *expand(RESULTS / "preselection/{sample}.parquet", sample=SAMPLES),
            *expand(RESULTS / "preselection/{sample}.cutflow.json", sample=SAMPLES),
            RESULTS / "bdt/model.json",
            *expand(RESULTS / "bdt/{sample}.parquet", sample=SAMPLES),
            RESULTS / "templates/templates.json",
            RESULTS / "fit/workspace.provenance.json",
        ],
    output:
        REPORT / "summary.json",
        report(
            REPORT / "result.html",
            caption="../report/result.rst",
            category="1 Result",
            labels={"content": "Result, numbers"},
        ),
        report(
            REPORT / "conditions.html",
            caption="../report/conditions.rst",
            category="6 Origin",
            labels={"content": "Conditions of the samples"},
        ),
        report(
            REPORT / "provenance.html",
            caption="../report/provenance.rst",
            category="6 Origin",
            labels={"content": "Provenance of the outputs"},
        ),
        report(
            REPORT / "scan.svg",
            caption="../report/scan.rst",
            category="1 Result",
            labels={"content": "Likelihood over μ"},
        ),
        report(
            REPORT / "comparison.svg",
            caption="../report/comparison.rst",
            category="1 Result",
            labels={"content": "Published results"},
        ),
        report(
            REPORT / "pulls.svg",
            caption="../report/pulls.rst",
            category="5 Fit",
            labels={"content": "Pulls and constraints"},
        ),
        report(
            REPORT / "simulation_pulls.svg",
            caption="../report/simulation_pulls.rst",
            category="5 Fit",
            labels={"content": "Pulls of the simulation statistics"},
        ),
        report(
            REPORT / "closure.svg",
            caption="../report/closure.rst",
            category="5 Fit",
            labels={"content": "Closure on simulation"},
        ),
        report(
            REPORT / "correlations.svg",
            caption="../report/correlations.rst",
            category="5 Fit",
            labels={"content": "Correlations of the parameters"},
        ),
    log:
        RESULTS / "logs/report/fit.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("figures"),
        settings=digest(settings("name", "blinded", "dataset", "samples")),
        folder=REPORT,
    shell:
        "python -m analysis --log {log:q} figures fit --config {params.config:q} --output {params.folder:q} "
        "--workspace {input.workspace:q} --result {input.result:q} --scan {input.scan:q} "
        "--closure {input.closure:q} --ledger {input.ledger:q} {input.outputs:q}"


rule figures_inference:
    """Draw what toys say about the intervals, and which parameters move μ by how much."""
    input:
        result=RESULTS / "fit/result.json",
        scan=RESULTS / "fit/scan.json",
        toys=RESULTS / "fit/toys.json",
        impacts=RESULTS / "fit/impacts.json",
    output:
        report(
            REPORT / "coverage_numbers.html",
            caption="../report/coverage_numbers.rst",
            category="5 Fit",
            labels={"content": "Coverage, pass or fail"},
        ),
        report(
            REPORT / "coverage.svg",
            caption="../report/coverage.rst",
            category="5 Fit",
            labels={"content": "Coverage of the intervals"},
        ),
        report(
            REPORT / "toys.svg",
            caption="../report/toys.rst",
            category="5 Fit",
            labels={"content": "Toys: μ̂ and pulls"},
        ),
        report(
            REPORT / "belt.svg",
            caption="../report/belt.rst",
            category="5 Fit",
            labels={"content": "Neyman's construction"},
        ),
        report(
            REPORT / "impacts.svg",
            caption="../report/impacts.rst",
            category="5 Fit",
            labels={"content": "Impacts and pulls"},
        ),
        report(
            REPORT / "impacts_numbers.html",
            caption="../report/impacts_numbers.rst",
            category="5 Fit",
            labels={"content": "Impacts, numbers"},
        ),
        report(
            REPORT / "breakdown.svg",
            caption="../report/breakdown.rst",
            category="5 Fit",
            labels={"content": "Shares of the uncertainty"},
        ),
    log:
        RESULTS / "logs/report/inference.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG,
        code=code("figures"),
        settings=digest(settings("name", "blinded", "dataset", "samples")),
        folder=REPORT,
    shell:
        "python -m analysis --log {log:q} figures inference --config {params.config:q} --output {params.folder:q} "
        "--result {input.result:q} --scan {input.scan:q} --toys {input.toys:q} --impacts {input.impacts:q}"


if CFG.combination:

    rule figures_combination:
        """Draw what each analysis and the combination expect to measure."""
        input:
            sensitivity=RESULTS / "fit/sensitivities.json",
        output:
            report(
                REPORT / "sensitivities.svg",
                caption="../report/sensitivities.rst",
                category="1 Result",
                labels={"content": "Combination, expected"},
            ),
            report(
                REPORT / "combination.html",
                caption="../report/combination.rst",
                category="1 Result",
                labels={"content": "Combination, numbers"},
            ),
        log:
            RESULTS / "logs/report/combination.log",
        conda:
            ENVIRONMENT
        params:
            config=CONFIG,
            code=code("figures"),
            settings=digest(settings("name", "blinded", "dataset", "samples")),
            folder=REPORT,
        shell:
            "python -m analysis --log {log:q} figures combination --config {params.config:q} --output {params.folder:q} "
            "--sensitivity {input.sensitivity:q}"


FIGURES = [
    *rules.figures_selection.output,
    *rules.figures_templates.output,
    *rules.figures_fit.output,
    *rules.figures_inference.output,
    *(rules.figures_combination.output if CFG.combination else []),
]

# Only where the likelihood has off-resonance channels.
if OFF_CHANNELS:
    FIGURES += rules.figures_off_resonance.output
