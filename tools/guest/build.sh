#!/usr/bin/env bash
# Translates a WebAssembly module and compiles it to one object file that exports one symbol.
#   build.sh MODULE.(wasm|wat) NAME native|checked SYMBOL OUTPUT.o INCLUDE_DIR CC
# NEXUS_GUEST_FLAGS, from the environment, goes to the compiler: for measurements.
# Neither sanitizers nor a preset's flags touch the guest: it is confined by construction, and
# instrumenting 8 MB of generated C costs minutes and a fifth of its speed.
set -euo pipefail

module=$1 name=$2 variant=$3 symbol=$4 output=$5 include=$6 cc=$7
here=$(cd "$(dirname "$0")" && pwd)
# The output's name holds a key of all that goes into it: what is there, made for another preset, fits.
if [[ -e $output ]]; then exit 0; fi
mkdir -p "$(dirname "$output")"
# Two presets may build the same guest at once; each works apart, and the last one wins.
work=$(mktemp -d "$output.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [[ $module == *.wat ]]; then
  wat2wasm "$module" -o "$work/$name.wasm"
  module=$work/$name.wasm
fi
node "$here/translate.mjs" "$module" "$name" "$work"

version=$(wasm2c --version)
minor=${version##*.}
checked=0
[[ $variant == checked ]] && checked=1

launcher=()
command -v ccache >/dev/null && launcher=(ccache)
# Functions are aligned because the interpreter's dispatch loop, one function of 60 KB, is up to a
# third slower where it happens to begin badly. The other two would merge its many jumps into one.
# shellcheck disable=SC2086 # NEXUS_GUEST_FLAGS is a list of flags
"${launcher[@]}" "$cc" -std=gnu11 -O2 -fPIC -fvisibility=hidden -ffp-contract=off -w \
  -falign-functions=64 -fno-gcse -fno-crossjumping ${NEXUS_GUEST_FLAGS:-} \
  -DNEXUS_WABT_MINOR="$minor" -DNEXUS_CHECKED=$checked -DNEXUS_MODULE_SYMBOL="$symbol" \
  -I"$include" -I"$work" -c "$work/${name}_module.c" -o "$work/all.o"

# Two modules, or two builds of one, define the same names for their imports: only the descriptor
# stays visible.
objcopy --keep-global-symbol="$symbol" "$work/all.o" "$work/one.o"
mv "$work/one.o" "$output"
