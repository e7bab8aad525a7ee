#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# sanitizer-view.sh BUILD VIEW LIBRARY: makes VIEW look like the build tree BUILD, but for
# `tessera run`: there a foreign OpenCL program is given the sanitizer's runtime (libasan.so,
# libtsan.so), which the ICD that it loads needs. Programs of the build tree have it already,
# and others than OpenCL programs are left alone: preloaded into shells, curl or pkill it
# crashes or hangs them.
set -euo pipefail

build=$(realpath "$1") view=$2
runtime=$(realpath "$(gcc -print-file-name="$3")")

rm -rf "$view"
mkdir -p "$view"
find "$build" -mindepth 1 -maxdepth 1 ! -name tessera ! -name "$(basename "$view")" \
    -exec ln -s -t "$view" {} +

cat >"$view/tessera" <<EOF
#!/usr/bin/env bash
needs_runtime() {
    local libraries
    libraries=\$(ldd "\$(command -v "\$1")" 2>/dev/null) || return
    [[ \$libraries == *libOpenCL* && \$libraries != *${3%.so}* ]]
}
args=()
while [ \$# -gt 0 ]; do
    args+=("\$1")
    if [ "\${args[0]}" = run ] && [ "\$1" = -- ]; then
        shift
        needs_runtime "\${1:-}" && args+=(env "LD_PRELOAD=$runtime")
        args+=("\$@")
        break
    fi
    shift
done
exec "$build/tessera" "\${args[@]}"
EOF
chmod +x "$view/tessera"
