"""CSV, markdown, LaTeX and the terminal, read back."""

from __future__ import annotations

import csv
import html
import io
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Literal

import markupsafe
import numpy as np
import pandas
import pytest
from rich.console import Console

from facesr_bench.base.errors import ResultsError
from facesr_bench.report.citations import bibliography
from facesr_bench.report.published import Source, read_anchors
from facesr_bench.report.site import build
from facesr_bench.report.tables.render import DASH, Options, render, tex
from facesr_bench.report.tables.sheet import chosen_costs
from facesr_bench.report.tables.terminal import print_tables
from facesr_bench.results.comparison import compare
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.summary import ResultSummary, summarise
from tests.report_fixtures import LPIPS, PSNR, SSIM, manifest, scored, write_result
from tests.stored import newest_results, to_frame

HOSTILE = "[red]50%_&#$~^\\{}|<b>*x*`--\"'"


@pytest.fixture
def rows(tmp_path: Path) -> list[ResultSummary]:
    ids = ("a", "b", "c")
    third = 1 / 3

    def values(base: float) -> dict[str, dict[str, float]]:
        return {k: {"psnr": base + i * third, "ssim": 0.5 + base / 100 + i * 0.01} for i, k in enumerate(ids)}

    metrics = {"psnr": PSNR, "ssim": SSIM, "lpips": LPIPS}
    write_result(tmp_path, manifest("bicubic", metrics=metrics), scored(values(20)))
    write_result(tmp_path, manifest("sparnet", weights="bundled", metrics=metrics), scored(values(26)))
    perfect = {k: {"psnr": math.inf, "ssim": 1.0, "lpips": 0.0} for k in ids}
    write_result(tmp_path, manifest("oracle", metrics=metrics), scored(perfect))
    part = [*scored({"a": {"psnr": 40.0, "ssim": 0.9}}), ImageRecord("b", error="ran out\nof memory")]
    write_result(tmp_path, manifest(HOSTILE, metrics=metrics), part)
    write_result(tmp_path, manifest("broken", metrics=metrics, error="no module named basicsr"), [])
    write_result(tmp_path, manifest("bicubic", profile="dic", metrics={"psnr": PSNR}), scored({"a": {"psnr": 22.5}}))
    return summarise(newest_results(tmp_path))


def printed(rows: list[ResultSummary], *, color: bool = False) -> str:
    stream = io.StringIO()
    system: Literal["standard"] | None = "standard" if color else None
    print_tables(rows, Console(file=stream, width=200, force_terminal=color, color_system=system))
    return stream.getvalue()


def number(cell: str) -> float:
    cell = re.sub(r"</?[a-z][^>]*>|\*\*|\\(?:textbf|underline)|[{}$]", "", cell)
    return float(cell.replace(r"\infty", "inf").replace("∞", "inf").strip())


def test_every_form_carries_the_same_numbers(rows: list[ResultSummary], tmp_path: Path) -> None:
    frame = to_frame(rows)
    read = list(csv.DictReader(io.StringIO(render(rows, "csv"))))
    assert list(read[0]) == list(frame.columns)
    markdown, latex = render(rows, "markdown").splitlines(), render(rows, "latex").splitlines()
    page = build(tmp_path).read_text()
    terminal = printed(rows).splitlines()
    checked = 0
    for i, row in enumerate(rows):
        for metric in ("psnr", "ssim"):
            if metric not in row.means:
                assert read[i][metric] == "" and math.isnan(frame[metric][i])
                continue
            exact = row.means[metric]
            assert float(read[i][metric]) == exact == frame[metric][i], "csv and pandas carry every digit"
            assert f'data-order="{exact}"' in page
            if row.label not in {"sparnet@bundled", "oracle"}:
                continue
            digits = row.metrics[metric].digits
            column = 2 + ("psnr", "ssim").index(metric)
            md = next(line for line in markdown if line.startswith(f"| {row.label} "))
            tex = next(line for line in latex if line.strip().startswith(f"{row.label} "))
            term = next(line for line in terminal if line.startswith(f"{row.label} "))
            shown = re.search(rf'data-order="{re.escape(str(exact))}"[^>]*><span class="value">(.*?)</td>', page)
            assert shown
            page_cell = shown[1].split("<span")[0].split("</span")[0]
            cells = [md.split("|")[1 + column], tex.split("&")[column], term.split()[column], page_cell]
            for cell in cells:
                value = number(cell)
                assert value == exact or value == pytest.approx(exact, abs=0.5 * 10**-digits)
                checked += 1
    assert checked == 16


def test_csv_reads_back_with_pandas(rows: list[ResultSummary]) -> None:
    text = render(rows, "csv")
    frame = pandas.read_csv(io.StringIO(text), keep_default_na=False, dtype={"fingerprint": str})
    assert HOSTILE in set(frame.method)
    assert text.count("inf") >= 1 and "nan" not in text.lower()
    assert text.startswith("protocol,method,weights,profile,n,psnr,ssim,lpips,failed,")


def test_markdown_marks_and_escapes(rows: list[ResultSummary]) -> None:
    text = render(rows, "markdown")
    assert "| PSNR (dB) ↑ | SSIM ↑ | LPIPS ↓ |" in text
    assert re.search(r"^\| oracle \| 3 \| \*\*inf\*\* \| \*\*1\.0000\*\* \|", text, re.M)
    assert re.search(r"^\| sparnet@bundled \| 3 \| <u>26\.33</u> \|", text, re.M)
    assert "**toy-x8**, profile sparnet, n = 3 images of Toy drawings" in text and "profile dic, n = 1 of 3" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    first = lines[: lines.index(next(line for line in lines[1:] if line.startswith("| Method")))]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in first}) == 1, "a name must not add a column"
    assert "<b>" not in text and "1 (not ranked)" in text
    assert "- broken: did not run: no module named basicsr" in text
    assert "failed on 1 of 2 images; first b: ran out of memory" in text


def test_terminal_shows_marks_failures_and_reasons(rows: list[ResultSummary]) -> None:
    plain = printed(rows)
    assert HOSTILE in plain, "brackets in a name are no markup"
    assert "1 (not ranked)" in plain and "did not run: no module named basicsr" in plain
    assert "toy-x8 · profile dic · n = 1 of 3" in plain
    coloured = printed(rows, color=True)
    assert re.search(r"\x1b\[1m1\.0000\x1b", coloured) and re.search(r"\x1b\[4m26\.33\x1b", coloured)


def test_terminal_escapes_of_a_name_are_not_sent(tmp_path: Path) -> None:
    evil = manifest("evil", label="evil\x1b]0;title\x07\x1b[2J", error="line one\nline two \x1b[31m")
    text = printed(summarise([write_result(tmp_path, evil, [])]))
    assert "\x1b" not in text and "\x07" not in text
    assert "line one line two" in " ".join(text.split())


def test_nothing_to_show() -> None:
    assert "No results" in printed([])
    assert "No results" in render([], "markdown")
    assert render([], "csv").startswith("protocol,method,weights,profile,n,psnr,ssim,failed")


def test_unknown_format_names_the_known() -> None:
    with pytest.raises(ResultsError, match="'excel'; known: csv, markdown, latex, html"):
        render([], "excel")


def test_latex_escapes_and_states_the_conditions(rows: list[ResultSummary]) -> None:
    text = render(rows, "latex")
    assert r"\caption{toy-x8, profile sparnet, $n = 3$ images of Toy drawings. Best in bold" in text
    assert r"\textbf{$\infty$}" in text and r"\underline{26.33}" in text
    assert r"{[}red]50\%\_\&\#\$\textasciitilde{}\textasciicircum{}\textbackslash{}\{\}\textbar{}\textless{}b" in text
    assert r"$n = 1$ of 3" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2


def compile_latex(body: str, work: Path, bib: str = "") -> str:
    """Compile a table in a plain article with booktabs; returns the log."""
    if shutil.which("pdflatex") is None:
        pytest.skip("needs pdflatex")
    work.mkdir()
    tail = r"\bibliographystyle{plain}\bibliography{refs}" if bib else ""
    (work / "refs.bib").write_text(bib, encoding="utf-8")
    document = (
        rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}{body}{tail}\end{{document}}"
    )
    (work / "t.tex").write_text(document, encoding="utf-8")

    def call(*command: str) -> str:
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, errors="replace", check=False)
        if "booktabs.sty' not found" in done.stdout:
            pytest.skip("needs LaTeX's booktabs")
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    latex = ("pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex")
    log = call(*latex)
    if bib:
        bibtex = call("bibtex", "t")
        assert "Warning" not in bibtex, bibtex
        call(*latex)
        log = call(*latex)
    assert (work / "t.pdf").stat().st_size > 1000
    return log


def test_latex_compiles(rows: list[ResultSummary], tmp_path: Path) -> None:
    label = "é 中 \N{MULTIPLICATION SIGN} \N{EN DASH} ∞ \U0001f600"
    foreign = write_result(tmp_path / "more", manifest("m", label=label), scored({"a": {"psnr": 1.0}}))
    compile_latex(render([*rows, *summarise([foreign])], "latex"), tmp_path / "tex")


# -- intervals, significance, published numbers, costs, columns --------------------------------------------------------


IDS = [f"f{i:02}" for i in range(30)]


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """Three methods on 30 images of a protocol with published numbers: one best, one near, one poor."""
    random = np.random.default_rng(0)
    hard = random.normal(0, 2, len(IDS))
    metrics = {"psnr": PSNR, "ssim": SSIM, "lpips@vgg:0123abcd": LPIPS}
    for name, base, weights in (("best", 26.0, "w"), ("near", 25.99, "w"), ("poor", 24.0, None)):
        psnr = base + hard + random.normal(0, 0.3, len(IDS))
        values = {
            i: {"psnr": p, "ssim": p / 50, "lpips@vgg:0123abcd": 4 / p} for i, p in zip(IDS, psnr.tolist(), strict=True)
        }
        card = manifest(name, weights=weights, protocol="helen-dic-x8", metrics=metrics, total=30)
        if name == "near":
            card["method"]["paper"] = None
            card["method"]["cost"] = {"image": 128, "flops": 14_260_469_760, "peak_memory": 3 * 2**20}
        write_result(tmp_path / "full", card, scored(values))
    return tmp_path / "full"


@pytest.fixture
def sure(full: Path) -> list[ResultSummary]:
    return summarise(newest_results(full))


ALL = Options(intervals=True, significance=True, published=True)


def html_cells(text: str) -> dict[str, list[tuple[str, str]]]:
    """Row label -> (data-value, text) of each cell."""
    return {
        html.unescape(row[0]): re.findall(r"<td(?: data-value=\"(.*?)\")?>(.*?)</td>", row[1])
        for row in re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', text)
    }


def test_csv_latex_frame_and_html_carry_the_same_numbers(sure: list[ResultSummary]) -> None:
    frame = to_frame(sure).set_index("method")
    read = pandas.read_csv(io.StringIO(render(sure, "csv", ALL))).set_index("method")
    page = html_cells(render(sure, "html", ALL))
    latex, markdown = render(sure, "latex", ALL).splitlines(), render(sure, "markdown", ALL).splitlines()
    statistics = compare(groups(sure)[0])
    checked = 0
    for row in sure:
        start = next(i for i, line in enumerate(latex) if line.strip().startswith(f"{row.label} &"))
        tex_rows = [
            [re.sub(r"\\\\$|\\rlap.*", "", cell) for cell in line.split("&")] for line in latex[start : start + 3]
        ]
        md = next(line for line in markdown if line.startswith(f"| {row.label} ")).split("|")
        for place, metric in enumerate(("psnr", "ssim", "lpips@vgg:0123abcd")):
            exact, cell = row.means[metric], statistics[row.label, metric]
            assert exact == frame[metric][row.method] == read[metric][row.method]
            exact_html, shown = page[row.label][1 + place]
            assert float(exact_html) == exact
            text = row.metrics[metric].format(exact)
            clean = [number(re.split(r"<br>|\\\\rlap|†", c)[0]) for c in (tex_rows[0][2 + place], md[3 + place], shown)]
            assert clean == [float(text)] * 3
            assert cell.interval is not None
            ends = [read[f"{metric}_{end}"][row.method] for end in ("low", "high")]
            assert ends == pytest.approx(list(cell.interval), rel=1e-15)
            both = (
                f"{cell.interval[0]:.{row.metrics[metric].digits}f}, {cell.interval[1]:.{row.metrics[metric].digits}f}"
            )
            assert both in shown and both in md[3 + place] and both in tex_rows[1][2 + place]
            if row.method == "best":
                assert pandas.isna(read[f"{metric}_p_holm"][row.method]) and "r =" not in shown
            else:
                assert read[f"{metric}_p_holm"][row.method] == pytest.approx(cell.p_holm, rel=1e-12)
                assert read[f"{metric}_best"][row.method] == "best@w"
                assert f"r = {cell.effect:.2f}" in shown and f"r = {cell.effect:.2f}" in md[3 + place]
                unsure = ["†" in shown, "†" in md[3 + place], "dagger" in latex[start].split("&")[2 + place]]
                assert unsure == [not read[f"{metric}_significant"][row.method]] * 3 == [row.method == "near"] * 3
            checked += 1
    assert checked == 9


def test_only_marks_that_occur_are_explained(sure: list[ResultSummary]) -> None:
    bare, all_of_it = render(sure, "latex"), render(sure, "latex", ALL)
    assert "bootstrap" not in bare and "dagger" not in bare and "Published" not in bare
    assert "95 \\% bootstrap interval" in all_of_it and "Holm-corrected" in all_of_it
    assert r"\caption{helen-dic-x8, profile sparnet, $n = 30$ images of Toy drawings. Best in bold" in all_of_it
    assert "too narrow" not in all_of_it


def test_published_numbers_stand_apart(sure: list[ResultSummary]) -> None:
    for form, heading in (
        ("markdown", "| *Published, not measured here:* |"),
        ("latex", r"{\itshape Published, not measured here}"),
        ("html", "Published, not measured here</th>"),
    ):
        text = render(sure, form, Options(published=True))
        measured, published = text.split(heading)
        assert "SPARNet (released)" not in measured and "27.43" in published
        marks = ("**", r"\textbf", r"\underline", "<strong>", "<u>")
        table = published.split("\n\n")[0].split("</table>")[0].split(r"\bottomrule")[0]
        assert not any(mark in table for mark in marks), "27.43 beats all measured, but is not ranked with them"
        assert "https://github.com/chaofengc/Face-SPARNet" in published and "CelebA" in published
    read = pandas.read_csv(io.StringIO(render(sure, "csv", Options(published=True))))
    rows = read[read.published.notna()]
    assert list(rows.psnr) == [26.73, 26.97, 27.43, 27.39] and list(rows.n) == [50] * 4
    assert rows.fingerprint.isna().all() and read[read.published.isna()].fingerprint.notna().all()


def test_published_numbers_of_another_profile_stay_away(tmp_path: Path) -> None:
    card = manifest(protocol="helen-dic-x8", profile="dic")
    rows = summarise([write_result(tmp_path, card, scored({"a": {"psnr": 20.0, "ssim": 0.5}}))])
    assert "Published" not in render(rows, "markdown", Options(published=True))


def test_costs_have_columns_only_where_they_are_known(sure: list[ResultSummary], rows: list[ResultSummary]) -> None:
    text = render(sure, "markdown")
    assert "| Params (M) | GFLOPs | Memory (MiB) | ms/image |" in text
    assert re.search(r"^\| near@w .*\| 10\.61 \| 14\.26 \| 3 \|", text, re.M)
    assert re.search(rf"^\| poor .*\| 0 \| {DASH} \| {DASH} \|", text, re.M)
    assert "GFLOPs" not in render(rows, "markdown") and "Memory" not in render(rows, "markdown")
    frame = to_frame(sure).set_index("method")
    assert frame.flops["near"] == 14_260_469_760 and math.isnan(frame.flops["poor"])


def test_times_stand_with_their_machine_and_can_be_left_out(sure: list[ResultSummary]) -> None:
    for form in ("markdown", "latex", "html"):
        text = render(sure, form)
        assert "ms/image: on cpu with 2 threads, Linux" in text
        without = render(sure, form, Options(costs=("parameters",)))
        assert "ms/image" not in without and "cpu with" not in without and "Params" in without
        assert "Params" not in render(sure, form, Options(costs=()))
    other = sure[-1].result.manifest
    environment = other.environment.model_copy(update={"device": "cuda (A GPU)"})
    sure[-1].result.manifest = other.model_copy(update={"environment": environment})
    machines = re.search(r"ms/image: on (.*)\.", render(sure, "markdown"))
    assert machines and "A GPU" in machines[1] and sure[-1].label in machines[1] and sure[0].label in machines[1]


def test_columns_of_cost_are_chosen_by_name() -> None:
    assert chosen_costs(["none"]) == () and chosen_costs(["flops"]) == ("flops",)
    with pytest.raises(ResultsError, match="did you mean 'flops'"):
        chosen_costs(["flop"])


def test_metrics_are_chosen_and_ordered(sure: list[ResultSummary]) -> None:
    text = render(sure, "markdown", Options(metrics=("lpips", "psnr")))
    assert "| Method | n | LPIPS ↓ | PSNR (dB) ↑ |" in text
    text = render(sure, "csv", Options(metrics=("lpips@vgg", "psnr"), intervals=True))
    header = text.splitlines()[0]
    assert header.startswith("protocol,method,weights,profile,n,lpips@vgg:0123abcd,psnr,failed,")
    assert header.endswith("lpips@vgg:0123abcd_low,lpips@vgg:0123abcd_high,psnr_low,psnr_high")
    with pytest.raises(ResultsError, match="'pnsr'; did you mean 'psnr'"):
        render(sure, "markdown", Options(metrics=("pnsr",)))


def test_columns_made_of_all_values_come_when_asked_for(tmp_path: Path) -> None:
    nme = {**LPIPS, "title": "NME", "unit": "%", "aggregates": ["auc-10"]}
    fid = {**LPIPS, "title": "FID", "of": "set", "minimum_count": 50}
    key = "nme@pfld-68:0123abcd"
    values = {i: {"psnr": 20.0 + n, key: 3.0 + n / 10} for n, i in enumerate(IDS)}
    card = manifest("m", metrics={"psnr": PSNR, key: nme, "fid": fid}, total=30)
    result = write_result(tmp_path, card, scored(values))
    result.save_sets({"fid": {"value": 31.25, "n": 30, "standard_error": 0.5, "version": 1}})
    rows = summarise([result])
    assert rows[0].means["fid"] == 31.25
    plain, chosen = render(rows, "markdown"), render(rows, "markdown", Options(metrics=("nme:auc-10", "fid")))
    assert "AUC" not in plain and "| NME (%) ↓ |" in plain
    assert "| Method | n | NME AUC@10 (%) ↑ | FID ↓ |" in chosen
    qualifier = "31.2500 ± 0.5000 (n = 30)"
    assert qualifier in plain and qualifier in render(rows, "html")
    assert r"31.2500 $\pm$ 0.5000 (n = 30) &" in render(rows, "latex")
    everything = render(rows, "markdown", ALL)
    assert "- FID: one number for the whole set, so there is neither interval nor paired test" in everything


def test_only_what_is_shown_has_notes(tmp_path: Path) -> None:
    nme = {**LPIPS, "title": "NME", "aggregates": ["auc-8"]}
    found = scored({i: {"psnr": 20.0} for i in IDS})
    for row in found:
        row.reasons = {"lpips": "needs lpips", "nme": "needs nme"}
    rows = summarise([write_result(tmp_path, manifest(metrics={"psnr": PSNR, "lpips": LPIPS, "nme": nme}), found)])
    for form in ("markdown", "latex", "html"):
        everything = render(rows, form)
        assert "needs lpips" in everything and "needs nme" in everything and "for every image" not in everything
        assert "needs" not in render(rows, form, Options(metrics=("psnr",)))
        chosen = render(rows, form, Options(metrics=("lpips",)))
        assert "needs lpips" in chosen and "needs nme" not in chosen
        assert "needs a value of nme for every image" in render(rows, form, Options(metrics=("nme:auc-8",)))


def test_a_metric_of_one_protocol_alone_is_no_error_in_the_other(rows: list[ResultSummary]) -> None:
    text = render(rows, "markdown", Options(metrics=("lpips",)))
    assert "| Method | n | LPIPS ↓ |" in text and "| Method | n | Params (M) | ms/image |" in text


def test_html_shows_hostile_names_as_text(rows: list[ResultSummary]) -> None:
    text = render(rows, "html", ALL)
    assert str(markupsafe.escape(HOSTILE)) in text and HOSTILE in html.unescape(text) and "<b>" not in text
    cells = html_cells(text)
    assert cells["oracle"][1][0] == "inf" and "<strong>inf</strong>" in cells["oracle"][1][1]
    assert text.count("<table>") == text.count("</table>") == 2
    assert "infinite on 3 of 3 images" in text


def test_latex_with_everything_compiles_and_fits_the_page(sure: list[ResultSummary], tmp_path: Path) -> None:
    references = bibliography(sure, {"sparnet-readme": read_anchors().sources["sparnet-readme"]})
    options = Options(intervals=True, significance=True, published=True, cite=references.cite)
    log = compile_latex(render(sure, "latex", options), tmp_path / "tex", references.text())
    assert "undefined" not in log
    assert "Overfull" not in log


def test_hostile_names_compile_with_everything(rows: list[ResultSummary], tmp_path: Path) -> None:
    compile_latex(render(rows, "latex", ALL), tmp_path / "tex")


# -- BibTeX ----------------------------------------------------------------------------------------------------------


def test_bibtex_is_the_cards_or_an_honest_misc(tmp_path: Path) -> None:
    whole = manifest("net")
    whole["method"]["paper"]["bibtex"] = "\n@article{net2020,\n  title = {A Paper},\n}\n"
    bare, none = manifest("bare"), manifest("none")
    bare["method"]["paper"] = {
        "title": "50% of Faces & more",
        "url": "https://x.org/a_b?c=%20d",
        "year": 2019,
        "bibtex": "",
    }
    none["method"]["paper"] = None
    whole["dataset"]["name"] = "helen"
    rows = summarise([write_result(tmp_path, card, scored({"a": {"psnr": 1.0}})) for card in (whole, bare, none)])
    found = bibliography(rows, {"page": Source(title="A page", url="https://example.org/page")})
    assert list(found.entries) == ["net2020", "faces2019", "le2012helen", "page"]
    assert found.cite == {"net": "net2020", "bare": "faces2019", "page": "page"}
    misc = found.entries["faces2019"]
    assert misc == (
        "@misc{faces2019,\n  title = {{50\\% of Faces \\& more}},\n  url = {https://x.org/a_b?c=%20d},\n"
        "  key = {faces2019},\n  year = {2019},\n}\n"
    )
    assert "author" not in misc and "% No paper in the cards of: none" in found.text()


def test_equal_entries_are_given_once_and_clashing_keys_told_apart(tmp_path: Path) -> None:
    cards = [manifest(name) for name in ("one", "two", "other")]
    for card, title in zip(cards, ("Same", "Same", "Different"), strict=True):
        card["method"]["paper"]["bibtex"] = f"@misc{{key, title = {{{title}}}}}"
    found = bibliography(summarise([write_result(tmp_path, card, []) for card in cards]))
    assert found.cite == {"one": "key", "two": "key", "other": "key-2"}
    assert "@misc{key-2, title = {Different}}" in found.text() and found.text().count("Same") == 1


def test_degrees_are_printed_as_degrees(tmp_path: Path) -> None:
    assert tex("Angle (°)") == r"Angle ($^\circ$)"
    compile_latex(tex("Angle (°)"), tmp_path / "tex")
