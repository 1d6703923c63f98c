"""Writes tiny pipelines that diffusers saves as it does Stable Diffusion 1.5, 2.1 and XL, and what their parts give.

Run: python tools/goldens/export_pipelines.py diffusion/tests/golden/models diffusion/tests/golden/tokenizer
"""

import sys
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from seeded import fill, fill_text, inputs

PROMPTS = ["a red circle and a blue square", "two cats, 3 dogs!"]
GUIDED = dict(device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=True)
BETAS = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


def tokenizer(folder: Path, version: str) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder / version, model_max_length=77)


def text(known: CLIPTokenizer, seed: int, width: int, layers: int, **options) -> CLIPTextModel:
    kind = CLIPTextModelWithProjection if "projection_dim" in options else CLIPTextModel
    end = known.eos_token_id
    options = dict(bos_token_id=end - 1, eos_token_id=end, pad_token_id=known.pad_token_id) | options
    config = CLIPTextConfig(
        vocab_size=len(known),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 8,
        max_position_embeddings=77,
        **options,
    )
    return fill_text(kind(config), seed)


def unet(seed: int, **options) -> UNet2DConditionModel:
    return fill(UNet2DConditionModel(sample_size=8, layers_per_block=1, norm_num_groups=4, **options), seed)


def vae(seed: int, **options) -> AutoencoderKL:
    model = AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        sample_size=16,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        **options,
    )
    return fill(model, seed)


def sd15(tokenizers: Path) -> StableDiffusionPipeline:
    """As published: quick GELU, `eos_token_id` 2, projections as convolutions, one number of heads, PNDM."""
    known = tokenizer(tokenizers, "version1")
    legacy = dict(bos_token_id=0, eos_token_id=2, pad_token_id=1)
    return StableDiffusionPipeline(
        vae=vae(11),
        text_encoder=text(known, 12, 16, 2, **legacy),
        tokenizer=known,
        unet=unet(
            13,
            block_out_channels=(8, 16),
            cross_attention_dim=16,
            attention_head_dim=4,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        ),
        scheduler=PNDMScheduler(**BETAS, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sd21(tokenizers: Path) -> StableDiffusionPipeline:
    """As published: GELU, padding `!`, linear projections, heads per level, upcast attention, v prediction."""
    known = tokenizer(tokenizers, "version2")
    return StableDiffusionPipeline(
        vae=vae(21),
        text_encoder=text(known, 22, 16, 3, hidden_act="gelu"),
        tokenizer=known,
        unet=unet(
            23,
            block_out_channels=(8, 16),
            cross_attention_dim=16,
            attention_head_dim=[1, 2],
            use_linear_projection=True,
            upcast_attention=True,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        ),
        scheduler=DDIMScheduler(
            **BETAS, clip_sample=False, set_alpha_to_one=False, steps_offset=1, prediction_type="v_prediction"
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl(tokenizers: Path) -> StableDiffusionXLPipeline:
    """As published: two text encoders, the penultimate states of both, added text and sizes, Euler."""
    first, second = (tokenizer(tokenizers, version) for version in ["version1", "version2"])
    legacy = dict(bos_token_id=0, eos_token_id=2, pad_token_id=1)
    return StableDiffusionXLPipeline(
        vae=vae(31, scaling_factor=0.13025, force_upcast=True),
        text_encoder=text(first, 32, 16, 2, **legacy),
        text_encoder_2=text(second, 33, 24, 3, hidden_act="gelu", projection_dim=20),
        tokenizer=first,
        tokenizer_2=second,
        unet=unet(
            34,
            block_out_channels=(8, 16),
            cross_attention_dim=40,
            attention_head_dim=[1, 2],
            use_linear_projection=True,
            transformer_layers_per_block=[1, 2],
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=20 + 6 * 4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        ),
        scheduler=EulerDiscreteScheduler(**BETAS, steps_offset=1, timestep_spacing="leading"),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )


def parts(pipeline) -> list:
    return [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]


def convert(pipeline, dtype):
    for part in parts(pipeline):
        part.to(dtype)
    return pipeline


def outputs(pipeline, dtype) -> dict:
    """What each part gives, alone, with its parameters as they are and inputs of the given type."""
    encoded = encode(convert(pipeline, dtype))
    rows = 2
    width = pipeline.unet.config.cross_attention_dim
    context = inputs(41, "context", (rows, 5, width)).to(dtype)
    added = None
    if "text_embeds" in encoded:
        text = inputs(41, "text_embeds", (rows, encoded["text_embeds"].shape[1])).to(dtype)
        added = dict(text_embeds=text, time_ids=torch.tensor([[512.0, 768.0, 0.0, 0.0, 512.0, 768.0]] * rows))
    latents = inputs(41, "latents", (rows, 4, 8, 8)).to(dtype)
    step = torch.tensor([10.0, 900.5])
    image = inputs(41, "image", (rows, 3, 16, 16)).to(dtype)
    found = {key: encoded[key] for key in ["context", "text_embeds"] if key in encoded}
    found["output"] = pipeline.unet(latents, step, context, added_cond_kwargs=added).sample
    found["decoded"] = pipeline.vae.decode(latents).sample
    found["mean"] = pipeline.vae.encode(image).latent_dist.mean
    return found


def halves(pipeline) -> dict:
    """Outputs in f64 of weights that were rounded; how far diffusers itself is off in half precision is printed."""
    kept = [{key: value.clone() for key, value in part.state_dict().items()} for part in parts(pipeline)]
    tensors = {}
    for name, dtype in dict(f32=torch.float32, f16=torch.float16, bf16=torch.bfloat16).items():
        convert(pipeline, torch.float32)
        for part, values in zip(parts(pipeline), kept):
            part.load_state_dict(values)
        own = outputs(pipeline, dtype)
        exact = outputs(pipeline, torch.float64)
        for key, value in exact.items():
            off = ((own[key].double() - value).norm() / value.norm()).item()
            print(f"diffusers {pipeline.name} {name} {key}: relative error {off:.1e}")
            tensors[f"{name}.{key}"] = value.float().contiguous()
    convert(pipeline, torch.float32)
    for part, values in zip(parts(pipeline), kept):
        part.load_state_dict(values)
    return tensors


def encode(pipeline) -> dict:
    """The prompts as the denoiser reads them, and the negative branch of a pipeline without negative prompt."""
    encoded = pipeline.encode_prompt(PROMPTS, **GUIDED)
    if not isinstance(pipeline, StableDiffusionXLPipeline):
        return dict(context=encoded[0], negative_context=encoded[1])
    names = ["context", "negative_context", "text_embeds", "negative_text_embeds"]
    return dict(zip(names, encoded))


@torch.no_grad()
def main():
    out, tokenizers = Path(sys.argv[1]), Path(sys.argv[2])
    for name, build in dict(sd15=sd15, sd21=sd21, sdxl=sdxl).items():
        pipeline = build(tokenizers)
        pipeline.save_pretrained(out / name)
        golden = encode(pipeline)
        added = None
        if "text_embeds" in golden:
            golden["written_negative_context"] = pipeline.encode_prompt(PROMPTS, negative_prompt="a dog", **GUIDED)[1]
            golden["time_ids"] = torch.tensor([[16.0, 24.0, 0.0, 0.0, 16.0, 24.0]] * 2)
            added = dict(text_embeds=golden["text_embeds"], time_ids=golden["time_ids"])
        latents = inputs(40, "latents", (2, 4, 8, 12))
        step = torch.tensor([10.0, 900.5])
        golden["output"] = pipeline.unet(latents, step, golden["context"], added_cond_kwargs=added).sample
        golden["decoded"] = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
        save_file({key: value.contiguous() for key, value in golden.items()}, out / name / "golden.safetensors")
        pipeline.name = name
        save_file(halves(pipeline), out / name / "precision.safetensors")


if __name__ == "__main__":
    main()
