#!/usr/bin/env bash
# Proves a graphics card: everything right first, then how fast, in one call of at most eight minutes.
#
#   check.sh OUT [DEVICE ...]      from the unpacked folder that tools/gpu/build.sh made
#
# DEVICE is FEATURES=NAME, as cuda=cuda:0 or wgpu=wgpu:0: the program built with these features, and the device as its
# options name it. By default cuda=cuda:0, cuda-cpp=cuda:0 and, through the same card's Vulkan, cuda=wgpu:0.
# OUT gets every answer as JSON, `summary.txt`, and `table.md`, the table of docs/benchmarks.md.
# SECONDS_IN_ALL: bound of the whole (470); LARGE: model whose speed is measured (sd21-base), or none;
# CANDIDATES, STEPS: of the one prompt (50 and 50); PYTHON: with torch and diffusers, for the same work beside it.
# PATIENCE: factor on the time of every step and of the whole (1). Mesa's software driver, which compiles for the
# processor each kernel that is tried, keeps to 8: PATIENCE=8 LARGE=tiny-sd21 CANDIDATES=4 STEPS=4 check.sh OUT wgpu=wgpu:0
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "${1:?usage: check.sh OUT [FEATURES=DEVICE ...]}"); shift
[ $# -gt 0 ] || set -- cuda=cuda:0 cuda-cpp=cuda:0 cuda=wgpu:0
mkdir -p "$out"
patience=${PATIENCE:-1}
end=$(($(date +%s) + ${SECONDS_IN_ALL:-470} * patience))
large=${LARGE:-sd21-base}; python=${PYTHON:-python3}
wrong=0

left() { echo $((end - $(date +%s))); }
say() { printf '%4d s left: %s\n' "$(left)" "$*" | tee -a "$out/summary.txt"; }
# attempt SECONDS FILE COMMAND...: the answer goes to FILE.json, all else to FILE.log.
attempt() {
  local most=$(($1 * patience)) file=$2; shift 2
  [ "$(left)" -lt "$most" ] && most=$(left)
  [ "$most" -gt 3 ] || { say "$file: no time left"; return 1; }
  timeout -k 5 "$most" "$@" > "$out/$file.json" 2> "$out/$file.log"
  local code=$?
  case $code in
    0) say "$file: ok" ;;
    124 | 137) say "$file: not done after $most s"; wrong=1 ;;
    *) say "$file: FAILED with $code: $(grep -v '^ *$' "$out/$file.log" | tail -n 2 | tr '\n' ' ')"; wrong=1 ;;
  esac
  return $code
}
program() { echo "$here/mitune-${1%%=*}"; }
device() { echo "${1#*=}"; }
name() { echo "$1" | tr ':=' '--'; }

: > "$out/summary.txt"
export MITUNE_STORE=$out/store
{ uname -srm; nproc; ldd --version | head -1; nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
  vulkaninfo --summary | grep -E 'deviceName|driverInfo'; } > "$out/machine.txt" 2> /dev/null
cat "$out/machine.txt"

# What works comes first, so that a slow step later costs none of it.
working=()
for one in "$@"; do
  [ -x "$(program "$one")" ] || { say "$(name "$one"): no program $(program "$one")"; wrong=1; continue; }
  attempt 60 "doctor-$(name "$one")" "$(program "$one")" doctor --json
  if attempt 90 "check-$(name "$one")-shapes-f32" "$(program "$one")" doctor --json --device "$(device "$one")" \
    --model "$here/models/shapes" --against "$here/numbers/shapes.safetensors"; then working+=("$one"); fi
done
for one in "${working[@]}"; do
  for model in tiny-sd21 tiny-sdxl shapes; do
    for dtype in f32 f16 bf16; do
      [ "$model-$dtype" != shapes-f32 ] || continue
      # bf16 is not to be had through Vulkan.
      case $(device "$one")-$dtype in wgpu*-bf16) continue ;; esac
      attempt 60 "check-$(name "$one")-$model-$dtype" "$(program "$one")" doctor --json --device "$(device "$one")" \
        --dtype "$dtype" --model "$here/models/$model" --against "$here/numbers/$model.safetensors"
    done
  done
done

[ "$large" != none ] || { say "speed is not measured"; working=(); }
# One prompt of the paper, then the pieces; the same in PyTorch in the same minutes.
for one in "${working[@]}"; do
  bench=("$(program "$one")" bench model --json --device "$(device "$one")" --dtype "${DTYPE:-f16}" --arch "$large" --random-weights)
  attempt 80 "pieces-$(name "$one")" "${bench[@]}" --runs 3 --work forward,decode,training --largest-batch 16 --training-batch 4
  attempt 150 "prompt-$(name "$one")" "${bench[@]}" --runs 1 --work candidates --candidates "${CANDIDATES:-50}" --steps "${STEPS:-50}"
done
if [ ${#working[@]} -gt 0 ] && "$python" -c 'import torch, diffusers' 2> /dev/null; then
  attempt 60 init-model "$(program "${working[0]}")" init-model --arch "$large" --random-weights "$out/model"
  attempt 150 peer "$python" "$here/bench_model.py" "$out/model" --peer-only --device "${PEER_DEVICE:-cuda}" --dtype "${DTYPE:-f16}" \
    --compile --candidates "${CANDIDATES:-50}" --steps "${STEPS:-50}" --training-batch 4 --largest-batch 16 --runs 1
  rm -rf "$out/model"
else
  say "torch and diffusers are not installed: no peer"
fi
# Last, because a device that breaks here can do nothing afterwards.
for one in "${working[@]}"; do
  case $(device "$one") in cuda*)
    attempt 60 "memory-$(name "$one")" "$(program "$one")" doctor --json --device "$(device "$one")" --exhaust-memory \
      --model "$here/models/shapes" --against "$here/numbers/shapes.safetensors" ;;
  esac
done
rm -rf "$out/store"
"$python" "$here/table.py" "$out" > "$out/table.md" && cat "$out/table.md"
[ $wrong = 0 ] && say "everything agreed" || say "NOT everything agreed"
exit $wrong
