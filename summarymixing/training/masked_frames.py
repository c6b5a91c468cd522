"""Statistics of a pre-training: sums over the batches of an optimizer step and all processes, means over steps."""

import math
from dataclasses import dataclass

import torch
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks
from speechbrain.utils.distributed import is_distributed_initialized

from summarymixing.ops.perplexity import perplexity

_SCALARS = ("masked", "frames", "seconds", "loss", "correct", "chance")


@dataclass
class Step:
    """Statistics over all batches of an optimizer step, or of a validation, on all processes.

    Attributes
    ----------
    masked, frames : float
        Number of masked frames that have a loss; number of real frames.
    seconds : float
        Seconds of speech without padding.
    loss : float
        Mean loss of a masked frame.
    accuracy, chance : float
        Correctly predicted masked frames, and those expected by chance, in percent.
    code_perplexity : float
        Perplexity of the codes chosen for the masked frames, summed over codebooks: between ``groups`` and ``codes``.
    probability_perplexity : float or None
        The same for the mean probabilities of the codes; None for targets without probabilities.
    groups, codes : int
        Number of codebooks; number of codes of all of them together.
    """

    masked: float
    frames: float
    seconds: float
    loss: float
    accuracy: float
    chance: float
    code_perplexity: float
    probability_perplexity: float | None
    groups: int
    codes: int

    @property
    def most_codes(self):
        """Largest possible code perplexity for this number of masked frames."""
        return self.groups * min(self.codes / self.groups, self.masked)

    def row(self):
        """The values for logs, a dict of str to float."""
        row = {"loss": self.loss, "accuracy": self.accuracy, "chance": self.chance}
        row |= {"masked_share": 100 * self.masked / max(1.0, self.frames), "code_perplexity": self.code_perplexity}
        if self.probability_perplexity is not None:
            row["probability_perplexity"] = self.probability_perplexity
        return row


class StepSums:
    """Adds up the batches of a step.

    It adds sums, not means: the perplexity of a step is that of the codes of all its batches on all processes, and
    batches and processes are weighted by their numbers of masked frames.

    Examples
    --------
    >>> from summarymixing.lobes.objectives.masked import PretrainingOutput
    >>> sums = StepSums()
    >>> for code in (0, 1):
    ...     counts = torch.nn.functional.one_hot(torch.tensor([code]), 4).float() * 10
    ...     one = torch.tensor(1.0)
    ...     sums.add(PretrainingOutput(6 * one, 10, 20, 5 * one, one, counts, None, one.view(1)), seconds=0.4)
    >>> step = sums.close()
    >>> step.loss, step.accuracy, step.chance, step.code_perplexity, step.codes
    (0.6, 50.0, 10.0, 2.0, 4)
    """

    def __init__(self):
        self.batches = 0
        self.scalars = self.codes = self.probabilities = None

    def add(self, output, seconds):
        """Add a batch.

        Parameters
        ----------
        output : PretrainingOutput
            The output of the model.
        seconds : float
            Seconds of speech in the batch.
        """
        measured = torch.stack([tensor.detach().float() for tensor in (output.loss, output.correct, output.chance)])
        known = torch.tensor([output.masked, output.frames, seconds], dtype=measured.dtype)
        known = known.to(measured.device, non_blocking=True)  # queued after the forward pass, without waiting for it
        scalars, codes = torch.cat([known, measured]), output.code_counts.detach().float()
        probabilities = output.code_probabilities
        probabilities = None if probabilities is None else probabilities.detach().float()
        if self.batches:
            scalars, codes = self.scalars + scalars, self.codes + codes
            probabilities = None if probabilities is None else self.probabilities + probabilities
        self.scalars, self.codes, self.probabilities = scalars, codes, probabilities
        self.batches += 1

    def close(self):
        """Add the sums of the other processes, return the statistics, and begin the next step.

        Every process must call it, after at least one batch.

        Returns
        -------
        Step
        """
        tables = [self.codes] if self.probabilities is None else [self.codes, self.probabilities]
        packed = torch.cat([self.scalars, *(table.flatten() for table in tables)])
        if is_distributed_initialized():
            torch.distributed.all_reduce(packed)
        # One transfer from the device for everything.
        packed = packed.cpu()
        scalars, *parts = packed.split([len(_SCALARS), *(table.numel() for table in tables)])
        values = dict(zip(_SCALARS, scalars.double().tolist(), strict=True))
        used = [float(perplexity(part.view(self.codes.shape)).sum()) for part in parts]
        masked, shape = max(1.0, values["masked"]), self.codes.shape
        self.__init__()
        return Step(
            masked=values["masked"],
            frames=values["frames"],
            seconds=values["seconds"],
            loss=values["loss"] / masked,
            accuracy=100 * values["correct"] / masked,
            chance=100 * values["chance"] / masked,
            code_perplexity=used[0],
            probability_perplexity=used[1] if len(used) > 1 else None,
            groups=shape[0],
            codes=shape.numel(),
        )


@register_checkpoint_hooks
class StepMeans:
    """Means over optimizer steps. They are in checkpoints, so that an interrupted epoch keeps those of all its steps.

    Loss, accuracy, chance and masked share are over all masked frames. Perplexities and the gradient norm are means
    over steps, because a perplexity depends on the number of its frames.

    Examples
    --------
    >>> means = StepMeans()
    >>> for accuracy in (10.0, 20.0):
    ...     means.add(Step(50, 100, 360.0, 4.6, accuracy, 1.0, 100.0, None, 2, 640), 2.0, wall=1.0, waiting=0.1)
    >>> row = means.row()
    >>> row["accuracy"], row["hours_per_step"], row["speech_seconds_per_second"], row["waiting"]
    (15.0, 0.1, 360.0, 10.0)
    """

    def __init__(self):
        self.clear()

    def clear(self):
        """Remove all steps."""
        self.sums = {}

    def add(self, step, gradient_norm, wall, waiting):
        """Add a step.

        Parameters
        ----------
        step : Step
            The step.
        gradient_norm : float
            Norm before clipping; a step whose norm is NaN or infinite is counted, but is in no mean.
        wall, waiting : float
            Seconds since the step before; seconds of them spent waiting for data.
        """
        finite = math.isfinite(gradient_norm) and math.isfinite(step.loss)
        values = {"steps": 1, "nonfinite_steps": not finite, "wall": wall, "waiting": waiting, "seconds": step.seconds}
        if finite:
            values |= {"masked": step.masked, "frames": step.frames, "taken": 1, "gradient_norm": gradient_norm}
            values |= {key: getattr(step, key) * step.masked for key in ("loss", "accuracy", "chance")}
            values["code_perplexity"] = step.code_perplexity
            if step.probability_perplexity is not None:
                values["probability_perplexity"] = step.probability_perplexity
        for key, value in values.items():
            self.sums[key] = self.sums.get(key, 0) + value

    def row(self):
        """The values for logs, a dict of str to float; empty before the first step."""
        sums = self.sums
        if not sums:
            return {}
        row = {}
        if taken := sums.get("taken"):
            row = {key: sums[key] / max(1.0, sums["masked"]) for key in ("loss", "accuracy", "chance")}
            row["masked_share"] = 100 * sums["masked"] / max(1.0, sums["frames"])
            means = ("code_perplexity", "probability_perplexity", "gradient_norm")
            row |= {key: sums[key] / taken for key in means if key in sums}
        row["hours_per_step"] = sums["seconds"] / sums["steps"] / 3600
        row["speech_seconds_per_second"] = sums["seconds"] / max(1e-9, sums["wall"])
        row["waiting"] = 100 * sums["waiting"] / max(1e-9, sums["wall"])
        return row | {"nonfinite_steps": int(sums["nonfinite_steps"])}

    @mark_as_saver
    def save(self, path):
        """Write the sums."""
        torch.save(self.sums, path)

    @mark_as_loader
    def load(self, path, end_of_epoch):
        """Read the sums; after the end of an epoch they start from zero."""
        self.sums = {} if end_of_epoch else torch.load(path)


def one_line(row):
    """Format the values of :meth:`Step.row` or :meth:`StepMeans.row` as one line of a log.

    Parameters
    ----------
    row : dict of str to float
        Values by name.

    Returns
    -------
    str

    Examples
    --------
    >>> one_line({"loss": 4.6, "accuracy": 12.345, "chance": 0.99, "masked_share": 49.0, "code_perplexity": 210.4})
    'loss 4.60, accuracy 12.3 % (chance 1.0 %), masked 49 %, code perplexity 210'
    """
    forms = {
        "loss": "loss {:.2f}",
        "accuracy": "accuracy {:.1f} % (chance {chance:.1f} %)",
        "masked_share": "masked {:.0f} %",
        "code_perplexity": "code perplexity {:.0f}",
        "probability_perplexity": "probability perplexity {:.0f}",
        "gradient_norm": "gradient norm {:.3g}",
        "hours_per_step": "{:.3g} h of speech a step",
        "speech_seconds_per_second": "{:.0f} s of speech a second",
        "waiting": "waiting for data {:.0f} %",
    }
    line = [form.format(row[key], **row) for key, form in forms.items() if key in row]
    if row.get("nonfinite_steps"):
        line.append(f"{row['nonfinite_steps']} steps left out")
    return ", ".join(line)
