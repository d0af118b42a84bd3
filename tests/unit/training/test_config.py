"""Settings: their types, their limits, and the words for what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facesr_bench.base.errors import CardError, PluginError, TrainingError
from facesr_bench.plugins import registry
from facesr_bench.training.config import AdversarialSettings, FaceSettings, PixelSettings, describe, parse_assignments
from facesr_bench.training.recipe import RECIPE_FILE, find, read_recipe, trainable

METHODS = ("edsr", "sparnet", "sparnet-light-3d", "sparnethd", "sparnethd-3d", "srcnn")


def test_what_can_be_trained() -> None:
    assert sorted(trainable()) == sorted(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_the_network_is_the_one_of_the_card(method: str) -> None:
    settings = find(method).settings()
    card = registry.methods().get(method).require_card()
    assert card.output_size in (None, settings.data.image_size)
    assert {name: settings.network[name] for name in card.options} == card.options


def test_sparnet_is_trained_as_the_paper_says() -> None:
    settings = find("sparnet").settings()
    schedule, objective = settings.schedule, settings.objective
    assert isinstance(objective, PixelSettings)
    assert (schedule.batch_size, schedule.lr, schedule.beta1, schedule.ema) == (32, 2e-4, 0.9, 0.0)
    assert objective.loss == "l1"
    assert (settings.network["in_size"], settings.network["max_ch"]) == (128, 128)


@pytest.mark.parametrize("method", ["sparnethd", "sparnethd-3d"])
def test_sparnethd_is_trained_as_the_paper_says(method: str) -> None:
    settings = find(method).settings()
    schedule, objective = settings.schedule, settings.objective
    assert isinstance(objective, AdversarialSettings) and isinstance(settings.data, FaceSettings)
    weights = objective.pixel, objective.adversarial, objective.feature_matching, objective.perceptual
    assert weights == (100, 1, 10, 1)
    assert (objective.discriminators, objective.d_layers) == (3, 4)
    assert (schedule.lr, objective.d_lr, schedule.beta1, schedule.ema) == (1e-4, 4e-4, 0.5, 0.999)
    assert settings.data.grey == 0.3


def test_values_given_as_text_become_what_they_are() -> None:
    given = parse_assignments(["batch-size = 8", "lr=1e-3", "spectral=yes", "loss=l2", "max_ch=64", "warmup=1e2"])
    settings = find("sparnet").settings(given)
    assert (settings.schedule.batch_size, settings.schedule.lr, settings.schedule.warmup) == (8, 0.001, 100)
    assert settings.objective.loss == "l2"
    assert settings.network["spectral"] is True and settings.network["max_ch"] == 64


def test_later_layers_stand_over_earlier_ones_and_flat_gives_all_back() -> None:
    recipe = find("sparnethd")
    settings = recipe.settings({"batch_size": 4, "image_size": 64}, {"batch_size": "2"})
    assert settings.schedule.batch_size == 2
    assert settings.network["in_size"] == settings.network["out_size"] == 64
    assert recipe.settings(settings.flat()) == settings
    assert {name for name, _, _ in describe(settings)} == set(settings.flat())


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("sparnet", {"batchsize": "8"}, "did you mean 'batch_size'"),
        ("sparnet", {"vgg19": "x.pth"}, "no setting is called 'vgg19'"),
        ("sparnethd", {"smallest_crop": "0.5"}, "no setting is called 'smallest_crop'"),
        ("sparnet", {"in_size": "64"}, "no setting is called 'in_size'"),
        ("sparnet", {"batch_size": "eight"}, "batch_size=eight: must be a whole number"),
        ("sparnet", {"batch_size": "2.5"}, "must be a whole number"),
        ("sparnet", {"batch_size": "0"}, "must be at least 1"),
        ("sparnet", {"lr": "0"}, "must be more than 0"),
        ("sparnet", {"lr": "nan"}, "must be a number"),
        ("sparnet", {"ema": "1"}, "must be less than 1"),
        ("sparnet", {"decay": "1.5"}, "must be at most 1"),
        ("sparnet", {"loss": "l3"}, "must be one of l1, l2, charbonnier"),
        ("sparnet", {"spectral": "maybe"}, "must be true or false"),
        ("sparnet", {"image_size": "100"}, "multiple of scale"),
        ("sparnet", {"image_size": "96"}, "image_size must be min_feat_size (16) times a power of two"),
        ("sparnet", {"norm_type": "group"}, "one of bn, in"),
    ],
)
def test_what_is_wrong_is_said(method: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError) as error:
        find(method).settings(given)
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["batch_size", "=8", "batch_size="])
def test_an_assignment_has_two_sides(text: str) -> None:
    with pytest.raises(TrainingError, match="KEY=VALUE"):
        parse_assignments([text])


def test_a_method_that_can_not_be_trained(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="did you mean 'sparnet'"):
        find("sparnett")
    with pytest.raises(TrainingError, match=r"no trainable method is called 'bicubic'"):
        find("bicubic")
    with pytest.raises(TrainingError, match=r"no training/recipe\.toml"):
        find(str(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema_version = 1", "schema_version = 2", "schema_version: Input should be 1, not 2"),
        (
            'objective = "pixel"',
            'objective = "pixels"',
            "Input should be 'pixel' or 'adversarial', not 'pixels'",
        ),
        ("epochs = 20", "", "epochs: Field required"),
        ("epochs = 20", "epochs = 20\nepoch = 3", "did you mean 'epochs'"),
        ("epochs = 20", 'epochs = "20"', "epochs: Input should be a valid integer, not '20'"),
        ("epochs = 20", "epochs = 0", "epochs: Input should be greater than or equal to 1, not 0"),
        (
            'config = "network:SPARNetConfig"',
            'config = "SPARNetConfig"',
            "config: write it as module:Class",
        ),
        ("[settings]", "[settings", "not valid TOML"),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    built_in = find("sparnet").folder
    (tmp_path / "training").mkdir()
    (tmp_path / "card.toml").write_bytes((built_in / "card.toml").read_bytes())
    text = (built_in / RECIPE_FILE).read_text()
    assert old in text
    (tmp_path / RECIPE_FILE).write_text(text.replace(old, new))
    with pytest.raises(CardError) as error:
        read_recipe(tmp_path)
    assert message in str(error.value) and RECIPE_FILE in str(error.value)


CARD = """
schema_version = 1
kind = "method"
name = "own"
title = "Own"
summary = "A network of one's own."
input = "bicubic"
licence = "Apache-2.0"
"""
CONFIG = """
from dataclasses import dataclass, field

@dataclass(frozen=True)
class Config:
    depth: int
    widths: tuple[int, ...] = (4, 4)
    kinds: list = field(default_factory=list)
    act: str | None = None

class Network:
    def __init__(self, config):
        self.config = config
"""


def own_method(folder: Path, options: str, config: str = CONFIG) -> Path:
    (folder / "training").mkdir(parents=True)
    (folder / "network.py").write_text("from __future__ import annotations\n" + config)
    (folder / "card.toml").write_text(f"{CARD}\n[options]\n{options}")
    recipe = 'network = "network:Network"\nconfig = "network:Config"\ndegradation = "bicubic"\nobjective = "pixel"'
    (folder / RECIPE_FILE).write_text(f"schema_version = 1\n{recipe}\nepochs = 1\n[settings]\nimage_size = 32\n")
    return folder


def test_a_configuration_may_hold_what_set_can_not_write(tmp_path: Path) -> None:
    """Tuples and lists come from the card; a field without a default takes its type from there; sizes are optional."""
    recipe = read_recipe(own_method(tmp_path, "depth = 2\nwidths = [8, 16]"))
    settings = recipe.settings({"depth": "3", "act": "relu"})
    assert settings.network == {"depth": 3, "widths": [8, 16], "kinds": [], "act": "relu"}
    assert recipe.settings(settings.flat()) == settings
    network: Any = recipe.make_network(settings)
    assert network.config.widths == [8, 16]
    with pytest.raises(TrainingError, match="depth=x: must be a whole number"):
        recipe.settings({"depth": "x"})
    with pytest.raises(TrainingError, match="widths=8: is a tuple"):
        recipe.settings({"widths": "8"})


@pytest.mark.parametrize(
    ("options", "config", "message"),
    [
        ("", CONFIG, "no default for it; give it, as --set depth="),
        ("", "Network = None\nclass Config:\n    pass", "Config: the configuration of a network must be a dataclass"),
        ("", "import nowhere_to_be_found", "nowhere_to_be_found"),
        ("", "1 / 0", "network.py: import failed: ZeroDivisionError"),
        ("", "def broken(:", "network.py: import failed: SyntaxError"),
    ],
)
def test_a_network_that_can_not_be_configured_is_said(tmp_path: Path, options: str, config: str, message: str) -> None:
    with pytest.raises((TrainingError, PluginError)) as error:
        read_recipe(own_method(tmp_path, options, config)).settings()
    assert message in str(error.value)
