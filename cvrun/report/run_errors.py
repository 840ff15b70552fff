"""The images that a model is most wrong about, with small pictures of them."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cvrun.report.page import Cell, Html, Section, heading, paragraph, table
from cvrun.report.run_record import Case, RunRecord


def errors(record: RunRecord) -> Section:
    """Give the section of the worst images and the most confident errors; validation images alone."""
    looked = record.looked
    if looked is None:
        return Section("errors", "Errors", [paragraph("The run has no predictions on its validation images.")])
    body = [paragraph(f"The model is wrong about {looked.errors:,} of {looked.images:,} validation images.")]
    if looked.no_pictures:
        body.append(paragraph(f"Without pictures: {looked.no_pictures}.", "quiet"))
    else:
        body.append(paragraph("The pictures are what the model sees, before normalization.", "quiet"))
    body += [heading("Highest loss"), _cases("Images of the highest loss", looked.worst)]
    body.append(heading("Most confident errors"))
    if looked.confident:
        body.append(_cases("Wrong predictions of the highest probability", looked.confident))
    else:
        body.append(paragraph("There is no error."))
    for name, (missed, false) in looked.calls.items():
        if missed or false:
            body.append(heading(f"Missed and false calls of {name}"))
            body += [_cases(f"{name} missed (FN), the least probable first", missed)] if missed else []
            body += [_cases(f"{name} falsely called (FP), the most probable first", false)] if false else []
    return Section("errors", "Errors", body)


def _cases(caption: str, cases: Sequence[Case]) -> Html:
    pictured = any(case.picture for case in cases)
    rows: list[list[Cell]] = []
    for case in cases:
        cells: list[Cell] = [case.id, *([_picture(case)] if pictured else [])]
        numbers = [f"{case.p_predicted:.4f}", f"{case.p_true:.4f}", f"{case.loss:.4f}"]
        rows.append([*cells, case.true, case.predicted, *numbers])
    columns = ["image", *(["picture"] if pictured else []), "true", "predicted"]
    columns += ["p of predicted", "p of true", "loss"]
    return table(caption, columns, rows, right=range(len(columns) - 3, len(columns)), sortable=True)


def _picture(case: Case) -> Html:
    if case.picture is None:
        return Html("-")
    # The row says what it is; a reader of the screen need not hear it twice.
    source = base64.b64encode(case.picture).decode()
    return Html(f'<img class="thumb" alt="" width="64" height="64" src="data:image/png;base64,{source}">')
