# B⁺ → K⁺νν̄ with semileptonic tagging: the analysis note, in the order of the physics.
#
#     snakemake --cores 2                                   the toy samples
#     snakemake --cores 2 --configfile config/mine.yaml     your own

from snakemake.utils import min_version

# 9.19: profiles are called profile.yaml
min_version("9.19")

# A configuration file stands alone: --configfile replaces the default instead of being merged into it, so that nothing of
# the toy (its unblinding, its samples) can reach another analysis unseen.
if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/configuration.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/conditions.smk"
include: "workflow/rules/skim.smk"
include: "workflow/rules/preselection.smk"
include: "workflow/rules/bdt.smk"
include: "workflow/rules/templates.smk"
include: "workflow/rules/fit.smk"
include: "workflow/rules/studies.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/validation.smk"


# On a batch system these take seconds where they are: no job of their own.
localrules:
    all,
    configuration,
    record,
    ledger,
    workspace,


rule all:
    default_target: True
    input:
        RESULTS / "config.json",
        RESULTS / "fit/result.json",
        RESULTS / "conditions/ledger.json",
        FIGURES,
