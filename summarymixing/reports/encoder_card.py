"""The model card of an exported encoder: sizes, training data, learning curve."""

from summarymixing.experiment.record import RunRecord
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.reports.text_tables import markdown_table

_COLUMNS = {
    "epoch": "epoch",
    "optimizer_step": "steps",
    "lr": "lr",
    "train_loss": "train loss",
    "valid_loss": "valid loss",
    "valid_accuracy": "accuracy %",
    "valid_chance": "chance %",
    "valid_code_perplexity": "code perplexity",
    "valid_probability_perplexity": "probability perplexity",
    "wer": "WER %",
}
_ROWS = 20


def encoder_card(run_folder, encoder, licence="unknown"):
    """Write the text of the card in Markdown, with metadata for model hubs at the top.

    Parameters
    ----------
    run_folder : str or os.PathLike
        The finished run.
    encoder : SpeechEncoder
        Its encoder.
    licence : str
        Licence of the weights, such as ``cc-by-4.0``; it follows from the data.

    Returns
    -------
    str
    """
    data = RunRecord.read(run_folder).data
    speech = data.get("data") or {}
    hours = speech.get("hours", {})
    kind = "synthetic speech" if speech.get("synthetic") else "speech"
    size = sum(parameter.numel() for parameter in encoder.parameters()) / 1e6
    epochs = data["epochs"]
    steps = next((row["optimizer_step"] for row in reversed(epochs) if "optimizer_step" in row), None)
    facts = [
        f"- **Encoder**: {encoder.num_layers} layers of {encoder.d_model}, {size:.1f} M parameters, a frame every "
        f"{1000 * encoder.frame_seconds:g} ms of speech at {encoder.sample_rate} Hz; `hyperparams.yaml` builds it.",
        f"- **Data**: {', '.join(f'{value:g} h ({split})' for split, value in hours.items()) or 'not recorded'} of "
        f"{kind}, from {_data_folder(run_folder)}.",
        f"- **Training**: `{data.get('experiment')}`, {data.get('task')}, {len(epochs)} epochs"
        + (f", {steps} optimizer steps" if steps else "")
        + f", seed {data.get('seed')}, commit {data.get('commit') or 'not recorded'}; weights of "
        + (f"epoch {data['best_epoch']}." if "best_epoch" in data else "the run's `model.ckpt`."),
        f"- **Command**: `{' '.join(data['command'][0]) if data['command'] else 'not recorded'}`",
        f"- **Licence** of the weights: {licence}. They follow the licence of the data.",
    ]
    return "\n".join(
        [
            f"---\nlicense: {licence}\nlibrary_name: speechbrain\ntags: [speech, encoder, summarymixing]\n---\n",
            f"# {data.get('experiment')}\n",
            *facts,
            "\n## Learning curve\n",
            _curve(epochs),
            "\n## Use\n",
            "```python\nfrom summarymixing.upstreams import RunUpstream\n",
            'states, counts = RunUpstream("FOLDER")(wavs, wav_lens)  # (B, T, D) of every layer; frame counts\n```\n',
            "`--pretrained_encoder FOLDER` starts a recipe from it. In plain SpeechBrain: the first lines of "
            "`hyperparams.yaml`.",
            "",
        ]
    )


def _data_folder(run_folder):
    folder = RunFolder(run_folder).values().get("data_folder")
    return f"a folder named `{str(folder).rstrip('/').rpartition('/')[2]}`" if folder else "a folder not recorded"


def _curve(epochs):
    """A table of at most `_ROWS` epochs, the last one among them."""
    if not epochs:
        return "Not recorded.\n"
    stride = -(-len(epochs) // _ROWS)
    shown = epochs[::-1][::stride][::-1]
    keys = [key for key in _COLUMNS if any(row.get(key) is not None for row in shown)]
    rows = [["" if row.get(key) is None else f"{row[key]:.4g}" for key in keys] for row in shown]
    return markdown_table([[_COLUMNS[key] for key in keys], *rows]) + "\n"
