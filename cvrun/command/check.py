"""Show everything that `train` would do with the same arguments, without doing it."""

from __future__ import annotations

from cvrun.command._output import say, show
from cvrun.command._sweep import take_fail_fast
from cvrun.config import HydraJob, run_command
from cvrun.errors import ConfigError, CvrunError, printable
from cvrun.warned import hearing, not_wanted


def run(arguments: list[str]) -> int:
    """Print the plan of the job, or of each job of a sweep; give the exit code of the first that cannot be run."""
    codes: list[int] = []
    words, _ = take_fail_fast(arguments)
    run_command(words, "cvrun check", lambda job: codes.append(_check(job)))
    return next((code for code in codes if code), 0)


def _check(job: HydraJob) -> int:
    try:
        spec = job.compose()
        from cvrun.noise_floor import noise_floor
        from cvrun.prepare import prepare
        from cvrun.rehearse import require_weights
        from cvrun.report.openings import in_words, of_run
        from cvrun.report.split_table import split_table
        from cvrun.report.tables import plain_table

        with hearing() as warned:
            plan = prepare(spec).plan
            require_weights(spec)
        opened = in_words(of_run(plan.folder)) if plan.folder.spec.exists() else []
    except CvrunError as error:
        say(f"cvrun check: {error}")
        return error.exit_code
    text = plain_table(plan.lines())
    data = plan.data
    text += "\n" + split_table(data.classes, data.counts, data.groups, data.strata, plan.imbalance.resampled_shares)
    groups, several = data.groups.get("val", 0), data.sets is not None
    text += f"\n{noise_floor(plan.training.monitor, data.counts['val'], groups, several).line()}\n"
    text += "".join(f"warning: {printable(line)}\n" for line in plan.warnings)
    status = plan.folder.read_status()
    if status is not None:
        text += f"this run exists: {status.get('state')} at step {status.get('step')}\n"
        text += "".join(f"{line}\n" for line in opened)
    show(text)
    warned.strict = spec.settings.strict_warnings
    warned.add(plan.warnings)
    if warned.first:
        say(f"cvrun check: {not_wanted(warned.first)}")
        return ConfigError.exit_code
    return 0
