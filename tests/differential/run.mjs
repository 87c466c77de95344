// Runs generated handlers on the native engine, on the checked engine and under Node, and compares.
//
//   node tests/differential/run.mjs BATCH [COUNT [SEED]]
//
// BATCH is the program differential_batch; the handlers are those of SEED, SEED + 1, and so on, 500 from 1
// if nothing else is said. Prints what differs, with the handler and its input as a batch reads it, and
// fails; at the end it says what the handlers came to.
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generate } from './generate.mjs';

const kMostShown = 3;

// Reads handlers from one file and writes results to another; resolves to how it ended.
function runProgram([program, ...args], input, output) {
  const files = [openSync(input, 'r'), openSync(output, 'w')];
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: [...files, 'inherit'] });
    child.on('error', reject);
    child.on('close', (status, signal) => {
      files.forEach(closeSync);
      resolve(status === 0 ? 'ended' : `ended by ${signal ?? `status ${status}`}`);
    });
  });
}

// What all three say of a call.
function outline(result) {
  const { status, value, stateMutations, events, viewCommands, log } = result;
  const hostCalls = result.hostCalls ?? result.metrics?.hostCalls ?? {};
  const counts = ['log', 'emit', 'view', 'ext', 'state'].map((kind) => hostCalls[kind] ?? 0);
  const { code, message, stack, location } = result.error ?? {};
  const error = [code, message, stack, location?.line, location?.column];
  return JSON.stringify({ status, value, stateMutations, events, viewCommands,
    pending: result.suspension?.pending, error, log, counts });
}

// All that an engine says, without what it measured, or made up.
function withoutMetrics({ metrics, suspension, ...rest }) {
  return JSON.stringify({ ...rest, pending: suspension?.pending });
}

function differs({ native, checked, oracle }) {
  return withoutMetrics(native) !== withoutMetrics(checked) || outline(native) !== outline(oracle);
}

function show(handler, seed, results) {
  console.log(`--- seed ${seed}\n${handler.source}\n--- as input\n${JSON.stringify(handler)}`);
  for (const [name, result] of Object.entries(results)) {
    console.log(`--- ${name}\n${result === undefined ? 'no result' : outline(result)}`);
  }
}

function count(results, keyOf) {
  const counts = new Map();
  for (const key of results.map(keyOf)) {
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([key, number]) => `${number} ${key}`).join(', ');
}

function summary(results, seed) {
  const kShort = 40;
  const having = (what, has) => `${results.filter(has).length} with ${what}`;
  const isTelling = ({ value }) => value !== undefined && JSON.stringify(value).length > kShort;
  return `${results.length} handlers from seed ${seed}: ${count(results, ({ status }) => status)}; ` +
    `errors: ${count(results, ({ error }) => error?.code)}; ${[
      having(`a value of more than ${kShort} characters`, isTelling),
      having('changes of the state', ({ stateMutations }) => stateMutations.length > 0),
      having('events', ({ events }) => events.length > 0),
      having('view commands', ({ viewCommands }) => viewCommands.length > 0),
      having('requests', ({ metrics }) => metrics.hostCalls.ext > 0),
      having('a log', ({ log }) => log.length > 0),
    ].join(', ')}`;
}

// The results of every program, by its name, each a list.
async function runAll(programs, handlers, folder) {
  const input = join(folder, 'handlers');
  writeFileSync(input, handlers.map((handler) => `${JSON.stringify(handler)}\n`).join(''));
  const ends = await Promise.all(Object.entries(programs).map(([name, command]) =>
    runProgram(command, input, join(folder, name))));
  const results = {};
  for (const [i, name] of Object.keys(programs).entries()) {
    const lines = readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1);
    results[name] = lines.map((line) => JSON.parse(line));
    if (ends[i] !== 'ended') console.log(`${name}: ${ends[i]} behind ${lines.length} handlers`);
  }
  return results;
}

async function main([batch, countText = '500', seedText = '1']) {
  const seed = Number(seedText);
  const handlers = Array.from({ length: Number(countText) }, (_, i) => generate(seed + i));
  const oracle = join(dirname(fileURLToPath(import.meta.url)), 'oracle.mjs');
  const programs = {
    native: [batch, 'native'], checked: [batch, 'checked'], oracle: [process.execPath, oracle],
  };
  const folder = mkdtempSync(join(tmpdir(), 'nexus-differential-'));
  try {
    const all = await runAll(programs, handlers, folder);
    let differences = 0;
    for (const [i, handler] of handlers.entries()) {
      const results = { native: all.native[i], checked: all.checked[i], oracle: all.oracle[i] };
      const isLast = Object.values(results).some((result) => result === undefined);
      if (!isLast && !differs(results)) continue;
      if (++differences <= kMostShown || isLast) show(handler, seed + i, results);
      if (isLast) break;
    }
    console.log(summary(all.native, seed));
    if (differences > 0) console.log(`${differences} of them differ`);
    return differences === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv.length < 3) {
  console.error('usage: node tests/differential/run.mjs BATCH [COUNT [SEED]]');
  process.exit(2);
}
process.exitCode = await main(process.argv.slice(2));
