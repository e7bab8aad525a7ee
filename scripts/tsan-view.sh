#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# tsan-view.sh BUILD VIEW: makes VIEW look like the build tree BUILD, but for `tessera run`,
# which there gives its program TSan's runtime: the program itself has none, and loads an ICD
# that needs it. (Preloading it into the tests themselves is no way: shells crash with it.)
set -euo pipefail

build=$(realpath "$1") view=$2
runtime=$(realpath "$(gcc -print-file-name=libtsan.so)")

rm -rf "$view"
mkdir -p "$view"
find "$build" -mindepth 1 -maxdepth 1 ! -name tessera -exec ln -s -t "$view" {} +

cat >"$view/tessera" <<EOF
#!/usr/bin/env bash
args=() seen=
for arg in "\$@"; do
    args+=("\$arg")
    if [ "\$1" = run ] && [ "\$arg" = -- ] && [ -z "\$seen" ]; then
        seen=1
        args+=(env "LD_PRELOAD=$runtime")
    fi
done
exec "$build/tessera" "\${args[@]}"
EOF
chmod +x "$view/tessera"
