#!/usr/bin/env bash
# Builds mitune for graphics cards and packs it with all that tools/gpu/check.sh needs on a machine without network.
#
#   tools/gpu/build.sh OUT.tar.xz [FEATURES ...]
#
# Each FEATURES is one program, by default `cuda` (kernels through LLVM) and `cuda-cpp` (kernels through NVIDIA's
# compiler), both with `vulkan`. Others: `wgpu` (WGSL, for Mesa's software driver), `cpu` (no card).
# Building `cuda` fetches LLVM from its publisher, see docs/gpu.md; it takes half an hour on two cores.
# TARGET_DIR: cargo's target folder (target); MOST_MIB: largest packed file (60); GLIBC: newest glibc that programs may
# need (2.39).
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(realpath -m "${1:?usage: tools/gpu/build.sh OUT.tar.xz [FEATURES ...]}"); shift
[ $# -gt 0 ] || set -- cuda cuda-cpp
target=${TARGET_DIR:-target}
pack=$(mktemp -d); trap 'rm -rf "$pack"' EXIT
root=$pack/mitune-gpu; mkdir -p "$root/numbers" "$root/models"
start=$(date +%s)

program= # the one that computes the numbers to compare with
for name in "$@"; do
  case $name in
    cpu) features=() ;;
    cuda | cuda-cpp) features=(--features "$name,vulkan") ;;
    *) features=(--features "$name") ;;
  esac
  echo "== building $name" >&2
  cargo build --release --target-dir "$target" "${features[@]}"
  program=$root/mitune-$name
  cp "$target/release/mitune" "$program"
  strip "$program"
  needs=$(objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
  newest=$(printf 'GLIBC_%s\n%s\n' "${GLIBC:-2.39}" "$needs" | sort -V | tail -1)
  [ "$newest" = "GLIBC_${GLIBC:-2.39}" ] || { echo "error: $name needs $needs" >&2; exit 1; }
  # It must start where no card is.
  "$program" --version >&2
  echo "$name: $(stat -c %s "$program") bytes, $needs, $(objdump -p "$program" | awk '/NEEDED/ { printf "%s ", $2 }')" >&2
done

echo "== numbers of the processor" >&2
cp -r models/shapes "$root/models/"
for model in shapes tiny-sd15 tiny-sd21 tiny-sdxl; do
  [ "$model" = shapes ] || "$program" init-model --arch "$model" --random-weights "$root/models/$model"
  "$program" doctor --device cpu --model "$root/models/$model" --save "$root/numbers/$model.safetensors" >&2
done
cp tools/gpu/check.sh tools/gpu/table.py tools/bench_model.py "$root/"
[ ! -d "${CARRY:-}" ] || cp -r "$CARRY" "$root/carry"

# The programs are alike: a dictionary larger than one of them packs the second almost for nothing.
tar -C "$pack" -cf - mitune-gpu | xz -T1 -9e --lzma2=preset=9e,dict=512MiB > "$out"
size=$(stat -c %s "$out")
echo "$out: $size bytes packed, $(($(date +%s) - start)) s"
[ "$size" -le $((${MOST_MIB:-60} << 20)) ] || { echo "error: larger than ${MOST_MIB:-60} MiB" >&2; exit 1; }
