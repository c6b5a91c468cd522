"""Log-mel features and global normalisation."""

import time
from datetime import timedelta

import pytest
import torch
from speechbrain.lobes.features import Fbank
from speechbrain.processing.features import Filterbank
from torch._subclasses.fake_tensor import FakeTensorMode

from summarymixing.lobes import GlobalNormalization, LogMel


@torch.no_grad()
@pytest.mark.parametrize("n_mels", [40, 80])
def test_log_mel_equals_fbank(n_mels, tools):
    """For noise whose frames all lie within the 80 dB that Fbank keeps."""
    wavs = tools.noise(8123) + 0.05 * torch.randn(1, 8123)
    expected = Fbank(n_mels=n_mels)(wavs)
    assert expected.min() > expected.max() - 79
    actual, frames = LogMel(n_mels)(wavs, torch.tensor([8123]))
    assert frames.tolist() == [expected.shape[1]]
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-3)  # dB


@torch.no_grad()
def test_nothing_is_clipped_relative_to_the_loudest_frame():
    wavs = torch.zeros(1, 16000)
    quiet = 1e-5 * torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    wavs[:, :4000] = quiet
    alone, _ = LogMel()(wavs[:, :4000], torch.tensor([4000]))
    wavs[:, 8000:] = torch.randn(1, 8000)
    with_noise, _ = LogMel()(wavs, torch.tensor([16000]))
    torch.testing.assert_close(with_noise[:, :23], alone[:, :23], rtol=0, atol=1e-3)
    assert (Fbank(n_mels=80)(wavs)[:, :23] - alone[:, :23]).abs().max() > 5  # what this guards against
    assert LogMel()(torch.zeros(1, 800), torch.tensor([800]))[0].unique().tolist() == [-100.0]


@torch.no_grad()
def test_frame_counts_equal_real_sizes():
    features = LogMel(n_mels=4)
    samples = torch.cat([torch.arange(1, 1000), torch.arange(1001, 3001, 37), torch.tensor([3000])])
    counts = features.frame_counts(samples)
    for n, count in zip(samples.tolist(), counts.tolist(), strict=True):
        assert features(torch.zeros(1, n), torch.tensor([n]))[0].shape == (1, count, 4)


@torch.no_grad()
@pytest.mark.parametrize("filling", [5.0, float("nan")], ids=str)
def test_samples_behind_the_end_do_not_count(filling, tools):
    features = LogMel(n_mels=20)
    lengths = torch.tensor([8000, 5003, 1])
    wavs = tools.noise(*lengths.tolist())
    dirty = wavs.masked_fill(torch.arange(8000) >= lengths[:, None], filling)
    batched, frames = features(dirty, lengths)
    for row, length in enumerate(lengths):
        alone, _ = features(wavs[row : row + 1, :length], lengths[row : row + 1])
        assert alone.shape[1] == frames[row]
        torch.testing.assert_close(batched[row, : frames[row]], alone[0], rtol=0, atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("block", [1, 37, 400, 1234])
@pytest.mark.parametrize("samples", [1, 159, 160, 161, 2003])
def test_streamed_features(block, samples, tools):
    features = LogMel(n_mels=20)
    wavs = tools.noise(samples, samples)
    expected, _ = features(wavs, torch.tensor([samples, samples]))
    state, parts = features.initial_state(2), []
    for part in wavs.split(block, dim=1):
        out, state = features.stream(part, state)
        assert state.shape[1] < features.window + block
        parts.append(out)
    out, state = features.stream(wavs[:, :0], state, final=True)
    torch.testing.assert_close(torch.cat([*parts, out], dim=1), expected, rtol=0, atol=1e-3)


def test_features_stay_float32_under_autocast(tools):
    wavs = tools.noise(1600)
    expected, _ = LogMel(20)(wavs, torch.tensor([1600]))
    with torch.autocast("cpu", torch.bfloat16):
        actual, _ = LogMel(20)(wavs, torch.tensor([1600]))
    assert actual.dtype == torch.float32 and torch.equal(actual, expected)


def ragged_features(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = 7 * torch.randn(len(lengths), max(lengths), 3, generator=generator) + torch.tensor([-30.0, 0.0, 12.0])
    return x, torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]


def test_statistics_are_those_of_the_real_frames():
    norm, seen = GlobalNormalization(3), []
    for step, lengths in enumerate([(50, 31, 7), (1, 40), (12,)]):
        x, padding_mask = ragged_features(lengths, step)
        dirty = x.masked_fill(padding_mask.unsqueeze(-1), 1e4)
        norm(dirty, padding_mask if padding_mask.any() else None)
        seen.append(x[~padding_mask])
    seen = torch.cat(seen)
    assert norm.count == len(seen) and norm.batches == 3
    torch.testing.assert_close(norm.mean, seen.mean(0), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(norm.std, seen.std(0, unbiased=False), rtol=1e-4, atol=0)
    normalised = norm.eval()(seen.unsqueeze(0))[0]
    torch.testing.assert_close(normalised.mean(0), torch.zeros(3), rtol=0, atol=1e-4)
    torch.testing.assert_close(normalised.std(0, unbiased=False), torch.ones(3), rtol=1e-4, atol=0)


@pytest.mark.parametrize("filling", [float("nan"), float("inf")], ids=str)
def test_padding_that_is_not_finite_leaves_the_statistics_alone(filling):
    x, padding_mask = ragged_features((50, 31, 7))
    clean, dirty = GlobalNormalization(3), GlobalNormalization(3)
    clean(x, padding_mask)
    dirty(x.masked_fill(padding_mask.unsqueeze(-1), filling), padding_mask)
    assert torch.equal(clean.mean, dirty.mean) and torch.equal(clean.std, dirty.std)


def test_statistics_freeze():
    norm = GlobalNormalization(3, num_batches=2)
    for step in range(2):
        norm(ragged_features((50,), step)[0])
    frozen = norm.mean.clone(), norm.std.clone(), norm.count.clone()
    norm(100 + ragged_features((50,))[0])
    assert all(torch.equal(a, b) for a, b in zip(frozen, (norm.mean, norm.std, norm.count), strict=True))
    fresh = GlobalNormalization(3).eval()
    x, _ = ragged_features((50,))
    assert torch.equal(fresh(x), x)  # nothing learnt, nothing changed
    assert fresh.count == 0


def test_statistics_survive_a_state_dict_and_go_on():
    first, whole = GlobalNormalization(3, num_batches=3), GlobalNormalization(3, num_batches=3)
    for step in range(2):
        first(ragged_features((50, 9), step)[0])
        whole(ragged_features((50, 9), step)[0])
    resumed = GlobalNormalization(3, num_batches=3)
    resumed.load_state_dict(first.state_dict(), strict=True)
    x, _ = ragged_features((50, 9), 5)
    assert torch.equal(resumed.eval()(x), first.eval()(x))
    for step in (2, 3):
        resumed.train()(ragged_features((50, 9), step)[0])
        whole(ragged_features((50, 9), step)[0])
    assert torch.equal(resumed.mean, whole.mean) and torch.equal(resumed.std, whole.std)
    assert resumed.batches == 3


def test_a_loaded_state_says_how_many_batches_are_left():
    norm = GlobalNormalization(3, num_batches=2)
    norm(ragged_features((50,))[0])
    state = {key: value.clone() for key, value in norm.state_dict().items()}
    for _ in range(2):
        norm(ragged_features((50,))[0])
        assert norm.count == 100
    norm.load_state_dict(state)
    assert norm.count == 50
    for _ in range(2):
        norm(ragged_features((50,))[0])
        assert norm.count == 100


def test_a_constant_feature_stays_finite():
    norm = GlobalNormalization(3)
    assert norm(torch.full((2, 9, 3), -100.0)).isfinite().all()


def test_a_batch_that_is_not_finite_leaves_the_statistics_alone():
    norm = GlobalNormalization(3)
    norm(torch.randn(2, 50, 3))
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    broken = torch.randn(2, 50, 3)
    broken[1, 7, 2] = torch.inf
    norm(broken)
    assert all(torch.equal(value, before[key]) for key, value in norm.state_dict().items())


def _normalise_in_two_processes(rank, folder):
    meet = {"init_method": f"file://{folder}/meet", "timeout": timedelta(seconds=30)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2, **meet)
    norm = GlobalNormalization(3)
    x = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(rank))
    for bad in (False, True, False):
        norm(x.masked_fill(torch.tensor(bad and rank == 1), torch.nan))
    torch.save(norm.state_dict(), folder / f"{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    time.sleep(0.5)  # until gloo's threads have let go of their last tensors


@pytest.mark.slow
def test_a_batch_that_is_not_finite_in_one_process_is_left_out_by_both(tmp_path):
    torch.multiprocessing.spawn(_normalise_in_two_processes, (tmp_path,), nprocs=2)
    states = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    alone = GlobalNormalization(3)
    x = torch.cat([torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(rank)) for rank in range(2)])
    for _ in range(2):
        alone(x)
    for state in states:
        torch.testing.assert_close(state, dict(alone.state_dict()))


def test_the_filters_are_speechbrains_and_made_once():
    """They would be copied to a GPU at each call, which waits for it."""
    ours = LogMel(n_mels=23, n_fft=512, sample_rate=8000).filterbank
    theirs = Filterbank(n_mels=23, n_fft=512, sample_rate=8000, f_max=4000, amin=1e-10, top_db=1000.0)
    spectrogram = torch.rand(2, 9, 257)
    assert torch.equal(ours(spectrogram), theirs(spectrogram))
    matrix = ours.matrix
    ours(spectrogram)
    assert ours.matrix is matrix and ours.state_dict() == {}


def test_a_stream_goes_where_its_samples_are():
    """Its first state is made before a sample has come, on the CPU."""
    features = LogMel()
    state = features.initial_state(1)
    with FakeTensorMode(allow_non_fake_inputs=True):
        frames, state = features.stream(torch.rand(1, 1000, device="cuda"), state)
    assert frames.device.type == state.device.type == "cuda"
