"""The models that a server serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge.config import Settings
from edge.models.cfg.model_error import ModelError
from edge.models.registry.model import Model
from edge.models.registry.model_check import check_model

MAX_NAME_CHARS = 30_000  # of all classes' names: they travel in one message


class ModelRegistry:
    """Checked models by name; the first is the default."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = {model.name: model for model in models}
        for model in models:
            _check_family(model, self._models)
        characters = sum(len(name) for model in models for name in model.class_names)
        if characters > MAX_NAME_CHARS:
            raise ModelError(
                f"models: {characters:,} characters of class names: at most {MAX_NAME_CHARS:,}"
            )

    @classmethod
    def of(cls, settings: Settings) -> ModelRegistry:
        """Checks the settings' models; ModelError for the first that can't be served."""
        models = [check_model(each, settings.edges) for each in settings.served_models]
        return cls(sorted(models, key=lambda model: model.name != settings.network))

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    @property
    def default(self) -> Model:
        return next(iter(self))

    @property
    def choices(self) -> list[str]:
        """The names that a publisher may ask for: of models, and of families of several."""
        families = [model.family for model in self]
        several = {family for family in families if families.count(family) > 1}
        return [*self._models, *sorted(several - set(self._models))]

    def serving(self, choice: str | None) -> tuple[Model, ...]:
        """The models that may serve a session, by the name of a model or of a family.

        None or an empty name: the default's family. Empty for a name that is neither.
        """
        if choice and choice in self._models:
            return (self._models[choice],)
        family = choice or self.default.family
        return tuple(model for model in self if model.family == family)


def _check_family(model: Model, models: dict[str, Model]) -> None:
    """ModelError unless its family is one: the same classes, and no other model's name."""
    namesake = models.get(model.family)
    if namesake is not None and namesake.family != model.family:
        raise ModelError(f"models: the family {model.family!r} of {model.name} is a model's name")
    first = next(each for each in models.values() if each.family == model.family)
    if first.class_names != model.class_names:
        raise ModelError(
            f"models: {first.name} and {model.name} have the family {model.family!r}, but other "
            "classes: a family's models have the same names in the same order"
        )
