"""Writes a whole tiny Stable Diffusion folder, its denoiser in shards, with what each part makes of two prompts.

Run: python tools/goldens/export_model.py diffusion/tests/golden/model diffusion/tests/golden/tokenizer/version1
"""

import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

PROMPTS = ["a red circle and a blue square", ""]


def build(tokenizer):
    torch.manual_seed(300)
    end = tokenizer.eos_token_id
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=16,
            bos_token_id=end - 1,
            eos_token_id=end,
            pad_token_id=end,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        sample_size=8,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    return StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=text.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@torch.no_grad()
def main():
    out = Path(sys.argv[1])
    pipeline = build(CLIPTokenizer.from_pretrained(sys.argv[2]))
    pipeline.save_pretrained(out)
    (out / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    pipeline.unet.save_pretrained(out / "unet", max_shard_size="60KB")
    generator = torch.Generator().manual_seed(301)
    ids = pipeline.tokenizer(PROMPTS, padding="max_length", truncation=True, return_tensors="pt").input_ids
    context = pipeline.text_encoder(ids).last_hidden_state
    latents = torch.randn(2, 4, 4, 4, generator=generator)
    noise = pipeline.unet(latents, torch.tensor([10, 900]), context).sample
    decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    golden = dict(context=context, latents=latents, noise=noise, decoded=decoded)
    save_file({key: value.contiguous() for key, value in golden.items()}, out / "golden.safetensors")
    gradients(pipeline, out, latents, ids)


@torch.enable_grad()
def gradients(pipeline, out, latents, ids):
    """Gradients of the denoising loss in every weight of denoiser and text encoder, which learn together."""
    target = torch.randn(latents.shape, generator=torch.Generator().manual_seed(302))
    context = pipeline.text_encoder(ids).last_hidden_state
    loss = (pipeline.unet(latents, torch.tensor([10, 900]), context).sample - target).square().mean()
    loss.backward()
    tensors = {"target": target, "loss": loss.detach()}
    for part in ["unet", "text_encoder"]:
        for name, parameter in getattr(pipeline, part).named_parameters():
            tensors[f"{part}.{name}"] = parameter.grad
    save_file({key: value.contiguous() for key, value in tensors.items()}, out / "gradients.safetensors")


if __name__ == "__main__":
    main()
