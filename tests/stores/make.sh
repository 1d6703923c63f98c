#!/bin/sh
# Makes a golden store: `make.sh PROGRAM NAME` runs the pipeline of this folder with a program and keeps the store as
# NAME. Done once for each release that writes something new; the stores of earlier releases stay as they are.
# Needs a user who may give a process a host name of its own, so that records name no real host.
set -eu
if [ "$(hostname)" != golden ]; then
    exec unshare --uts sh -c 'hostname golden && exec "$@"' sh "$0" "$@"
fi
program=$(realpath "$1")
folder=$(cd "$(dirname "$0")" && pwd)
test ! -e "$folder/$2"

# A place whose path, which the record of a run keeps, is nobody's.
place=/tmp/golden
rm -rf "$place"
mkdir -p "$place/tests/stores"
ln -s "$folder/../../models" "$place/models"
cp "$folder/pipeline.yaml" "$place/tests/stores"
cd "$place/tests/stores"
store=$place/store
"$program" run --store "$store" --device cpu pipeline.yaml

# What only newer programs know: a pin, another store, a disowned result, something in the trash.
try() {
    "$program" "$@" --store "$store" || echo "not known: $*"
}
mkdir "$place/shared"
try store pin golden --name golden --why 'kept for a test'
try remote add shared "$place/shared"
try store forget "$(ls "$store"/actions/*/* | head -n 1 | xargs basename -s .json)" --why 'a test'
"$program" run --store "$store" --device cpu pipeline.yaml
find "$store" -type f -exec touch -d '3 days ago' {} +
try store gc --yes --older-than 1d --grace 1d

# Staging directories are gone, and version control keeps neither empty directories nor ignored files.
rm -rf "$store/.gitignore" "$store/tmp" "$store/quarantine"
cp -r "$store" "$folder/$2"
rm -rf "$place"
