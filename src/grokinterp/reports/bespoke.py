"""Bespoke: which variables of a trace the page's own figures show, figure by figure. All others are drawn by dims."""

_SPECTRAL = ("ffd", "fcr", "gini", "cosine_share", "fcr_weighted")

DRAWS: dict[str, tuple[str, ...]] = {
    "loss": ("train_loss", "test_loss"),
    "accuracy": ("train_accuracy", "test_accuracy", "test_accuracy_unswapped"),
    "progress": (
        "restricted_loss",
        "restricted_test_loss",
        "restricted_loss_mlp",
        "excluded_loss",
        "excluded_loss_3d",
        "excluded_loss_mlp",
        "excluded_loss_full",
        "excluded_loss_3d_full",
        "trig_loss",  # the restricted loss by the name of its paper's code
    ),
    "excluded": ("excluded_loss_by_frequency", "excluded_accuracy"),
    "weight-norm": ("weight_norm_squared", "weight_norm_squared_by_parameter"),
    "density": ("ffd", "fcr", "ffd_multiplicative", "fcr_multiplicative"),
    "spectral": tuple(f"{name}{suffix}" for name in _SPECTRAL[2:] for suffix in ("", "_multiplicative")),
    "spectrum": ("embedding_norm", "embedding_power", "logit_map_norm"),
    "sparsity": ("embedding_gini", "logit_map_gini", "circularity", "logit_fve"),
    "circles": ("embedding_pca", "pca_variance"),
    "neurons": ("neuron_frequency", "neuron_fve", "neurons_per_frequency"),
    "attention": ("attention_pattern",),
    "attention-period": ("attention_fve", "attention_frequency"),
    "logits": ("logit_cosine", "logit_coefficient", "is_key"),
    "plane": (
        "gradient_symmetricity",
        "distance_irrelevance",
        "distance_irrelevance_runner_up",
        "verdict",
        "verdict_score",
        "verdict_accuracy",
    ),
}
"""By the name of the figure. With a single checkpoint those over steps are not drawn, and facts tell their numbers."""

KNOWN = frozenset(name for names in DRAWS.values() for name in names)
