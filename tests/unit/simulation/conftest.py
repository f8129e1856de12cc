import pytest

from analysis.basf2 import SampleType
from analysis.config.models import Config, Dataset, Sample, Simulation

# Few processes: starting PYTHIA takes a third of a second for each of their pools.
SMALL = {SampleType.SIGNAL: 600, SampleType.CHARGED: 1600, SampleType.SSBAR: 3000}


@pytest.fixture(scope="session")
def small() -> Config:
    """A configuration whose simulation takes seconds: two files per sample, a thousandth of the luminosity."""
    return Config(
        name="small",
        seed=1,
        dataset=Dataset(luminosity=0.365, n_bb=387e3),
        samples=(
            *(Sample(name=kind.value, type=kind, simulated=True) for kind in SMALL),
            Sample(name="data", type=SampleType.DATA, simulated=True),
            Sample(name="mine", type=SampleType.SIGNAL, files=("somewhere.root",)),
        ),
        simulation=Simulation(files=2, rotations=100, signal_strength=2.0, decays=SMALL),
    )
