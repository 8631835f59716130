"""Makes the table of public runs that grokinterp ships, and docs/public_runs.md from it.

    .venv/bin/python docs/public_runs.py 1l_fixedwidth.csv 1l_varywidth.csv

The two files are `result/*.csv` of the code of Zhong et al. 2023, "The Clock and the Pizza" (arXiv 2306.17844,
github.com/fjzzq2002/pizza). The table is counts of runs in cells; no run can be told from it.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from grokinterp import public_runs

ROOT = Path(__file__).parents[1]
COLUMNS = {
    "attn_coeff": "attention_rate",
    "gradient_sim": "gradient_symmetricity",
    "distance_irrelevance": "distance_irrelevance",
    "circularity": "circularity",
}


def counted(files: list[Path]) -> pd.DataFrame:
    """One row a non-empty cell: the lower edges of its bins, its class, and how many runs it holds."""
    runs = pd.concat([pd.read_csv(file) for file in files], ignore_index=True).dropna(
        subset=list(COLUMNS), ignore_index=True
    )
    cells = pd.DataFrame()
    for column, name in COLUMNS.items():
        edges = np.array(public_runs.EDGES[name])
        inside = runs[column].clip(edges[0], np.nextafter(edges[-1], 0))
        cells[name] = np.searchsorted(edges, inside, side="right") - 1
    cells["deep"] = (runs.n_layers > 1).astype(int)
    cells["solved"] = (runs.validation_accuracy >= public_runs.RULE.solved).astype(int)
    cells["plain"] = ((runs.diff_vocab == 0) & (runs.eqn_sign == 0)).astype(int)
    return cells.groupby(list(public_runs.KEYS)).size().rename("runs").reset_index()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    counted([Path(name) for name in sys.argv[1:]]).to_csv(public_runs.TABLE, index=False)
    public_runs.table.cache_clear()
    (ROOT / "docs" / "public_runs.md").write_text(public_runs.page())
    print(f"{public_runs.TABLE.name}: {public_runs.TABLE.stat().st_size:,} bytes")
