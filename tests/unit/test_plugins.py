"""The registry: built-in folders, entry points, paths; errors that help; nothing heavy to list."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from facesr_bench.base.errors import CardError, PluginError
from facesr_bench.base.hashing import canonical
from facesr_bench.plugins import loading
from facesr_bench.plugins import registry as plugins
from facesr_bench.plugins.argument import hash_argument
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.sidecar import Stated, read_stated
from facesr_bench.plugins.spec import check_labels, parse_method, split_list

CARD = """
schema_version = 1
kind = "method"
name = "{name}"
title = "T"
summary = "S"
input = "lr"
licence = "L"
"""
CODE = """
from facesr_bench import MethodBase
class Method(MethodBase):
    def upscale(self, lr):
        return lr
"""


def make(folder: Path, name: str, card: str = CARD, code: str = CODE) -> Path:
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text(card.format(name=name))
    (folder / "method.py").write_text(code)
    return folder


@pytest.fixture
def registry() -> plugins.Registry[MethodCard]:
    return plugins.discover("method")


def test_builtin_methods_have_good_cards(registry: plugins.Registry[MethodCard]) -> None:
    assert [p for p in registry.plugins if p.error] == []
    wanted = {"nearest", "bilinear", "bicubic", "lanczos", "bicubic-matlab"}
    wanted |= {"sparnet", "sparnet-light-3d", "sparnethd", "sparnethd-3d"}
    assert wanted <= set(registry.names())
    for plugin in registry.plugins:
        assert plugin.load_class().__name__ == "Method"


@pytest.mark.parametrize("kind", ["dataset", "metric"])
def test_other_builtins_have_good_cards(kind: plugins.Kind) -> None:
    registry = plugins.discover(kind)
    assert registry.plugins and [p for p in registry.plugins if p.error] == []


def test_unknown_name_suggests(registry: plugins.Registry[MethodCard]) -> None:
    with pytest.raises(PluginError, match="did you mean 'bicubic'"):
        registry.get("bicubik")


def test_path_plugin_loads_with_relative_imports(registry: plugins.Registry[MethodCard], tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", "mine", code="from .helper import Method\n")
    (folder / "helper.py").write_text(CODE)
    spec = parse_method(str(folder), registry)
    assert spec.plugin.load_class().__name__ == "Method"
    assert str(tmp_path) not in sys.path


def test_path_with_weights(registry: plugins.Registry[MethodCard], tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", "mine")
    spec = parse_method(f"{folder}@{tmp_path}/w@1.pth", registry)
    assert (spec.plugin.name, spec.weights) == ("mine", f"{tmp_path}/w@1.pth")
    assert parse_method(f"bicubic@{tmp_path}/x.pth", registry).weights == f"{tmp_path}/x.pth"


def test_two_plugins_of_one_name_name_both(registry: plugins.Registry[MethodCard], tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", "bicubic")
    with pytest.raises(PluginError) as error:
        parse_method(str(folder), registry)
    assert str(folder) in str(error.value) and str(loading.bundled_folder("methods") / "bicubic") in str(error.value)
    assert registry.get("nearest")  # the others are not harmed


def test_folder_without_card(registry: plugins.Registry[MethodCard], tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"no card\.toml"):
        parse_method(str(tmp_path), registry)


def test_failed_import_keeps_its_traceback(registry: plugins.Registry[MethodCard], tmp_path: Path) -> None:
    plugin = registry.add(make(tmp_path / "broken", "broken", code="import no_such_module_at_all\n"))
    with pytest.raises(PluginError, match="no_such_module_at_all") as error:
        plugin.load_class()
    assert "Traceback" in error.value.details and "method.py" in error.value.details


def test_missing_class(registry: plugins.Registry[MethodCard], tmp_path: Path) -> None:
    plugin = registry.add(make(tmp_path / "empty", "empty", code="x = 1\n"))
    with pytest.raises(PluginError, match="does not define class Method"):
        plugin.load_class()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('input = "rgb"', ["card.toml", "input", "'lr' or 'bicubic'", "'rgb'"]),
        ("output_size = -3", ["output_size", "greater than 0"]),
        ('colour = "red"', ["colour", "unknown field"]),
        ("scales = 8", ["scales"]),
        ('default_weights = "x"', ["default_weights is 'x'"]),
        ("not toml", ["card.toml", "not valid TOML"]),
    ],
)
def test_bad_cards_name_file_field_and_expectation(
    registry: plugins.Registry[MethodCard], tmp_path: Path, line: str, expected: list[str]
) -> None:
    card = CARD.replace('input = "lr"', "") if line.startswith("input") else CARD
    folder = make(tmp_path / "bad", "bad", card=card + line + "\n")
    with pytest.raises(CardError) as error:
        registry.add(folder)
    for part in expected:
        assert part in str(error.value)


def test_entry_point(tmp_path: Path) -> None:
    """A real installed distribution with an entry point, and one whose package is broken."""
    make(tmp_path / "their_package", "theirs")
    (tmp_path / "their_package" / "__init__.py").write_text("raise RuntimeError('listing must not import me')\n")
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[facesr_bench.methods]\ntheirs = their_package\ngone = not_installed_pkg\n")
    code = (
        "from facesr_bench.plugins import registry as plugins\n"
        "r = plugins.methods()\n"
        "assert r.get('theirs').source == 'entry point theirs', r.get('theirs')\n"
        "assert 'not_installed_pkg' in str(r.get('gone').error)\n"
        "r.get('theirs').load_class()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(tmp_path), "PATH": ""})


@pytest.mark.parametrize("arguments", [["--help"], ["list", "methods"], ["list", "protocols"], ["run", "--help"]])
def test_listing_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from facesr_bench.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'scipy', 'skimage', 'insightface', 'cv2', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_code_hash_sees_every_file(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", "mine")
    (folder / "layers").mkdir()
    (folder / "layers" / "block.py").write_text("a = 1\n")
    before = plugins.read_plugin("method", folder, "path").code_hash()
    (folder / "layers" / "block.py").write_text("a = 2\n")
    assert plugins.read_plugin("method", folder, "path").code_hash() != before


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (("scales = []", "scales = [8]"), True),
        (("[options]", "[options]\ndepth = 3"), True),
        (('title = "T"', 'title = "Another"'), False),
        (('licence = "MIT"', 'licence = "Apache-2.0"'), False),
        (
            (
                "[weights.a]",
                '[weights.b]\nurl = "https://x.org/b.pth"\nlicence = "x"\ntraining_data = "x"\n[weights.a]',
            ),
            False,
        ),
    ],
)
def test_code_hash_sees_of_the_card_what_can_change_an_output(
    tmp_path: Path, change: tuple[str, str], counts: bool
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "method.py").write_text("class Method: ...\n")
    text = """schema_version = 1
kind = "method"
name = "mine"
title = "T"
summary = "S"
input = "lr"
scales = []
licence = "MIT"
default_weights = "a"
[options]
[weights.a]
url = "https://x.org/a.pth"
licence = "x"
training_data = "x"
"""
    (folder / "card.toml").write_text(text)
    before = plugins.read_plugin("method", folder, "path").code_hash()
    assert change[0] in text
    (folder / "card.toml").write_text(text.replace(*change))
    assert (plugins.read_plugin("method", folder, "path").code_hash() != before) is counts


def test_split_list() -> None:
    assert split_list(["a,b", " c ", "a", ""]) == ["a", "b", "c"]


def test_code_hash_leaves_out_what_editors_hide(tmp_path: Path) -> None:
    """Emacs keeps a dangling link beside a file with unsaved changes."""
    folder = make(tmp_path / "mine", "mine")
    before = plugins.read_plugin("method", folder, "path").code_hash()
    (folder / ".#method.py").symlink_to("user@host.1234")
    assert plugins.read_plugin("method", folder, "path").code_hash() == before
    (folder / "gone.py").symlink_to("nowhere.py")
    with pytest.raises(PluginError, match=r"gone\.py: can't be read"):
        plugins.read_plugin("method", folder, "path").code_hash()


def test_implementation_that_is_no_builtin_suggests(registry: plugins.Registry[MethodCard], tmp_path: Path) -> None:
    plugin = registry.add(make(tmp_path / "mine", "mine", card=CARD + 'implementation = "bicubick"\n'))
    for use in (plugin.code_hash, plugin.load_class):
        with pytest.raises(PluginError, match=r"card\.toml: implementation: .*did you mean 'bicubic'"):
            use()


def test_a_folder_given_once_is_unknown_to_the_next_registry(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", "mine")
    assert parse_method(str(folder)).plugin.name == "mine"
    assert "mine" not in plugins.methods().names()


def test_methods_with_arguments_and_labels(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", "mine")
    card = (folder / "card.toml").read_text()
    with pytest.raises(PluginError, match="mine takes no argument"):
        parse_method(f"{folder}:x")
    (folder / "card.toml").write_text(f"takes_argument = true\n{card}")
    with pytest.raises(PluginError, match="mine needs an argument"):
        parse_method(str(folder))
    spec = parse_method(f"My net={folder}:{tmp_path / 'pictures'}@w")
    assert (spec.argument, spec.weights, spec.label) == (str(tmp_path / "pictures"), "w", "My net")
    assert spec.row("w") == "My net" and dataclasses.replace(spec, label=None).row("w") == "mine:pictures@w"
    with pytest.raises(PluginError, match="methods have no variants"):
        parse_method(f"{folder}[x]:y")


def test_an_argument_is_hashed_by_what_it_names(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    (pictures / "a").mkdir(parents=True)
    (pictures / "a" / "1.png").write_bytes(b"1")
    hashes = [hash_argument("niqe"), hash_argument(str(pictures)), hash_argument(str(pictures / "a" / "1.png"))]
    (pictures / "a" / "2.png").write_bytes(b"1")
    assert len({*hashes, hash_argument(str(pictures))}) == 4
    (pictures / "a" / "2.png").unlink()
    assert hash_argument(str(pictures)) == hashes[1]


def test_two_rows_of_one_label_are_refused() -> None:
    specs = [parse_method(text) for text in ("sparnet", "sparnet@bundled", "bicubic", "bicubic", "a=nearest")]
    check_labels(specs)
    for text in ("a=bicubic", "sparnet=bicubic"):
        with pytest.raises(PluginError, match="two rows would be called"):
            check_labels([*specs, parse_method(text)])


def test_two_arguments_of_one_name_need_labels(tmp_path: Path) -> None:
    """The newer of two results of one label hides the older one."""
    folder = make(tmp_path / "mine", "mine")
    (folder / "card.toml").write_text(f"takes_argument = true\n{(folder / 'card.toml').read_text()}")
    specs = [parse_method(f"{folder}:{text}") for text in ("a/out", "b/out/{id}_00.png")]
    with pytest.raises(PluginError, match="two rows would be called 'mine:out': give each a label"):
        check_labels(specs)
    check_labels([specs[0], dataclasses.replace(specs[1], label="b")])


OPENS = """
from dataclasses import dataclass
from facesr_bench import MethodBase
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.sidecar import Stated

class Method(MethodBase):
    @classmethod
    def open_argument(cls, card, argument):
        if argument == "bad":
            raise KeyError("no such thing")
        stated = Stated(title="As stated", licence="CC0", milliseconds=12.5, weights="third epoch")
        return Argument(argument, stated.applied(card.model_copy(update={"seed": 3})), stated)

    def upscale(self, lr):
        return lr
"""


def test_an_argument_decides_the_card_that_its_method_has(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", "mine", code=OPENS)
    (folder / "card.toml").write_text(f"takes_argument = true\n{(folder / 'card.toml').read_text()}")
    opened = parse_method(f"{folder}:x").opened()
    assert opened is not None and (opened.card.title, opened.card.licence, opened.card.seed) == ("As stated", "CC0", 3)
    assert opened.stated.milliseconds == 12.5 and opened.sha256 == hash_argument("x")
    with pytest.raises(PluginError, match="mine can't open bad: KeyError"):
        parse_method(f"{folder}:bad").opened()
    assert parse_method("bicubic").opened() is None


def test_what_a_file_states_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    assert read_stated(Stated, path) == Stated(), "a method of which nothing is stated"
    path.write_text('title = "Mine"\nmilliseconds = 0\nlicense = "MIT"\n')
    with pytest.raises(CardError, match=r"net\.toml: 2 problem") as error:
        read_stated(Stated, path)
    assert "did you mean 'licence'" in str(error.value) and "milliseconds" in str(error.value)
    path.write_text('title = "Mine"\nlicence = "MIT"\nmilliseconds = 3\n')
    assert canonical(read_stated(Stated, path)) == {}, "prose changes no fingerprint"


def test_a_method_that_is_random_names_its_seed(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", "mine")
    card = (folder / "card.toml").read_text()
    (folder / "card.toml").write_text(f"deterministic = false\n{card}")
    with pytest.raises(CardError, match="needs a seed"):
        parse_method(str(folder))
    (folder / "card.toml").write_text(f"deterministic = false\nseed = 0\n{card}")
    assert parse_method(str(folder)).plugin.require_card().seed == 0


def test_a_card_has_from_its_implementation_what_it_does_not_say() -> None:
    """Networks, variants and the paper stand once."""
    cards = {plugin.name: plugin.require_card() for plugin in plugins.metrics().plugins}
    assert cards["identity-lq"].weights == cards["identity"].weights and cards["identity-lq"].default_weights
    assert cards["identity-lq"].paper == cards["identity"].paper is not None
    assert cards["kid"].variants == cards["fid"].variants and cards["kid"].paper != cards["fid"].paper
    assert cards["identity-dlib"].weights == {} and cards["identity-dlib"].paper is None, "it has no network of those"
    assert set(cards["identity-vqfr"].weights) == {"resnet18-110", "gfpgan"}
    networks = {plugin.name: plugin.require_card() for plugin in plugins.methods().plugins}
    assert networks["sparnethd"].paper == networks["sparnet"].paper is not None
    assert networks["sparnethd"].weights.keys() != networks["sparnet"].weights.keys()


def test_a_card_of_an_unknown_implementation_says_so(tmp_path: Path) -> None:
    text = (Path(plugins.__file__).parents[1] / "metrics" / "kid" / "card.toml").read_text()
    (tmp_path / "card.toml").write_text(text.replace('"fid"', '"fidd"'))
    with pytest.raises(PluginError, match="implementation: no built-in metric is called 'fidd'; did you mean 'fid'"):
        plugins.read_plugin("metric", tmp_path, "path").load_class()
