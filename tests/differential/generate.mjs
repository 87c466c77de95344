// A handler for each seed, with its input: always the same, and ends.
import { readFileSync, readdirSync } from 'node:fs';
import { Expander, parseGrammar } from './expander.mjs';
import { makeInputs } from './inputs.mjs';
import { prelude } from './prelude.mjs';
import { Random } from './random.mjs';

const folder = new URL('grammar/', import.meta.url);
const grammar = parseGrammar(readdirSync(folder).sort()
  .map((name) => readFileSync(new URL(name, folder), 'utf8')).join('\n'));
const kDepth = 5;

// Texts whose whole is what matters.
const oddSources = [
  '', ' \n\t', ';', '//', '// only', 'return 1 // end', '/**/', '/*', '"use strict"', '#!x', '\0', '}',
  '}, function () {', '}) ; (function () {', '\ufeffreturn 1', 'return 1\0', 'return "\u2028"',
  'return 1\u2028+ 1', 'return\r1', 'return `\r\n`.length', '\r\n\r\nthrow new Error("late")',
  'return $args', 'return $scope', 'return $state', 'return arguments.length', 'return typeof handler',
  'return this === undefined', 'return (await 1) + new Error("é").stack', 'return typeof hostCall',
];

// Between statements: mostly a line's end.
function separator(random) {
  if (random.chance(0.9)) return '\n';
  return random.pick([' ', '\r\n', '\n\n  ', ' // é😀 \n', ' /* ü\n */ ', '\n\t']);
}

function ending(random, expander) {
  if (random.chance(0.07)) return expander.expand('ending', 3);
  if (random.chance(0.04)) return '';
  const shown = random.some(expander.outermost(), 0.7).map(({ text }) => `${text}: show(${text})`);
  const value = `{ ${['trace', ...shown].join(', ')} }`;
  return random.chance(0.05) ? `return Promise.resolve(${value});` : `return ${value};`;
}

export function generate(seed) {
  const random = new Random(seed);
  const expander = new Expander(grammar, random);
  const inputs = makeInputs(random, expander);
  if (random.chance(0.01)) return { source: random.pick(oddSources), ...inputs };
  expander.place.mayWait = random.chance(0.6);
  const lines = Array.from({ length: 3 + random.int(12) }, () => expander.expand('statement', kDepth));
  if (random.chance(0.04)) lines.splice(random.int(lines.length), 0, expander.expand('failing', 3));
  if (random.chance(0.05)) lines.splice(random.int(lines.length), 0, expander.expand('broken', 1));
  lines.push(ending(random, expander));
  if (random.chance(0.01)) lines.unshift(`/* ${'padding '.repeat(3000)} */`);
  const source = prelude + lines.map((line) => line + separator(random)).join('');
  return { source, ...inputs };
}
