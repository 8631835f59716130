"""How to reproduce: the command, the call, the versions, and the configuration."""

from importlib import metadata

from grokinterp.errors import listed
from grokinterp.importers import opening_call, opening_words
from grokinterp.reports import labels, prose
from grokinterp.reports.recipe import LONGEST, Recipe
from grokinterp.reports.section import Fact, Fold, ReportSection, Section
from grokinterp.reports.subject import Subject
from grokinterp.runs.format import library_versions
from grokinterp.runs.run import Run


class Reproduction(ReportSection):
    """What it takes to train the run again."""

    order = 700

    def make(self, subject: Subject) -> Section:
        run = subject.run
        section = Section("How to reproduce")
        versions = {"trained with": dict(run.provenance.versions) or None, "page written with": library_versions()}
        versions["page written with"]["plotly"] = metadata.version("plotly")
        for name, value in run.source.items():
            if isinstance(value, str):
                section.facts.append(Fact(name.replace("_", " "), value))
        for name, found in versions.items():
            if isinstance(found, dict):
                section.facts.append(Fact(name, listed(f"{library} {version}" for library, version in found.items())))
        section.folds.extend(_not_on_the_page(subject))
        if formula := run.provenance.formula:
            section.code.append(("This network, in Python", f"import grokinterp as gi\n\nrun = {formula}"))
            return section
        if prose.is_imported(run) and run.path is not None:
            if words := opening_words(run):
                section.code.append(("This page, in a shell", f"grokinterp report {words}"))
            section.code.append(("This run, in Python", f"import grokinterp as gi\n\nrun = {opening_call(run)}"))
        if not (run.has_config and run.has_task):
            section.notes.append("The configuration is not known in full, so no command trains this run again.")
            return section
        recipe = Recipe.of(run.config, run.is_seed_known)
        if recipe is None:
            section.notes.append("No single command trains this configuration; all that is known of it stands below.")
            return section
        if prose.is_imported(run):
            section.paragraphs.append(
                "The last two train a run like this one; these weights and curves come from the file."
                + ("" if run.is_optimiser_known else " Their optimiser is assumed: the file does not record it.")
            )
        section.code.append(("In a shell", recipe.command()))
        section.code.append(("In Python", recipe.python()))
        return section


def _not_on_the_page(subject: Subject) -> list[Fold]:
    """The measures that say nothing of such a run, and those that could still be read, each with its reason."""
    folds, names = [], list(subject.unread)
    if skipped := subject.skipped:
        does = "measure does" if len(skipped) == 1 else "measures do"
        line = f"{len(skipped)} {does} not apply to this task or model: why"
        folds.append(Fold(line, [Fact(labels.spoken(name), reason) for name, reason in skipped.items()]))
    if names:
        waits = "measure was" if len(names) == 1 else "measures were"
        line = f"{len(names)} further {waits} not read, since nobody asked for them: what they are, and how to ask"
        how = Fact("how to ask", f"gi.report(run, circuits=[{names[0]!r}]) shows one by its name, as written here")
        folds.append(Fold(line, [how, *(Fact(name, what) for name, what in subject.unread.items())]))
    return folds


def configuration(run: Run) -> dict[str, dict[str, str]]:
    """The whole configuration as text, field by field in its sections; empty where it is not known."""
    if not run.has_config:
        return {}
    data = run.config.to_json()
    tables = {
        "run": {
            "preset": run.config.preset,
            "seed": run.config.seed if run.is_seed_known else "not recorded",
            "identity": run.config.identity,
        },
        "task": {"expression": data["task"]["expression"], **data["task"]["parameters"]},
        **{section: data[section] for section in ("split", "model", "optimiser", "schedule")},
    }
    if not run.is_recipe_known:
        # What stands there is the default of a configuration that nobody set.
        tables = {"task": tables["task"], "model": tables["model"]}
    return {section: {name: _as_text(value) for name, value in fields.items()} for section, fields in tables.items()}


def _as_text(value: object) -> str:
    if value is None or value == []:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = listed(value) if isinstance(value, list) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters, all in config.json)"
