"""Regimes: what came of each share trained on and each weight decay, where runs differ in these."""

from markupsafe import Markup

from grokinterp.circuits.loss import LATER
from grokinterp.reports.page import templates
from grokinterp.reports.population.population import Population
from grokinterp.reports.population.regime_grid import FIELDS, grids, places_of
from grokinterp.reports.population.section import PageSection, PopulationSection


class Regimes(PopulationSection):
    """The grid, or which of its two fields do not vary."""

    order = 500
    title = "Regimes"

    def fill(self, section: PageSection, population: Population) -> None:
        missing = [what for field, what in FIELDS.items() if field not in population.conditions]
        if missing:
            section.notes.append(
                "The figure of regimes has the share trained on down and weight decay across; here "
                f"{' and '.join(missing)} "
                f"{'does' if len(missing) == 1 else 'do'} not vary "
                f"({', '.join(f for f in FIELDS if FIELDS[f] in missing)})."
            )
            return
        drawn = grids(places_of(population))
        if not drawn:
            section.notes.append(
                "No two of the runs that differ in the share trained on and in weight decay are alike in all else, "
                "so there "
                "is no figure of regimes."
            )
            return
        template = templates().get_template("regimes.html")
        section.markup += [Markup(template.render(grid=grid)) for grid in drawn]
        section.paragraphs.append(
            "The commonest regime of each cell and how many of its runs have it, with the first recorded steps at "
            "which one "
            "of these answers all training rows and 99\N{NO-BREAK SPACE}% of the test rows. A model groks where the "
            "second "
            f"is at least {LATER:g} times the first; runs that go on still are left out."
        )
