// Compares the compute scenarios with something else, alternating run by run, because absolute times on
// a shared machine mean little.
//
//   node bench/compare.mjs native PATH/TO/qjs   the tax of the sandbox over native QuickJS-ng
//   node bench/compare.mjs stop                 the cost of the stop checks in the guest's machine code
//                                               (builds a second release without them, about 2 minutes)
//
// Prints for each scenario the best time of both sides and the median of the ratios of neighbours.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const kRounds = 7;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const scenarios = ['fib', 'loop', 'objects', 'sort'];
const release = join(root, 'build/release/nexus');

function run(command, args) {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

function nexusMilliseconds(binary, scenario) {
  const report = JSON.parse(
    run(binary, ['run', join(root, `src/app/compute/${scenario}.js`), '--json', '--timeout-ms', '0']));
  return report.metrics.durationUs / 1000;
}

function nativeMilliseconds(qjs, folder, scenario) {
  const handler = readFileSync(join(root, `src/app/compute/${scenario}.js`), 'utf8');
  const file = join(folder, `${scenario}.js`);
  writeFileSync(file, `const handler = function ($args, $log) { 'use strict';\n${handler}\n};
const start = performance.now(); handler({}); print(performance.now() - start);`);
  return Number(run(qjs, [file]));
}

function buildWithoutStopChecks() {
  const folder = join(root, 'build/without-stop-checks');
  run('cmake', ['--preset', 'release', '-B', folder, '-DNEXUS_GUEST_FLAGS=-DNEXUS_STOP_CHECKS=0',
    '-DBUILD_TESTING=OFF']);
  run('cmake', ['--build', folder, '--target', 'nexus']);
  return join(folder, 'nexus');
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

// Both sides in turn, round by round; `other` is what the release is divided by.
function compare(title, other) {
  console.log(`${title}, ${kRounds} rounds`);
  const logs = [];
  for (const scenario of scenarios) {
    const ours = [];
    const theirs = [];
    for (let round = 0; round < kRounds; round++) {
      theirs.push(other(scenario));
      ours.push(nexusMilliseconds(release, scenario));
    }
    const ratio = median(ours.map((time, i) => time / theirs[i]));
    logs.push(Math.log(ratio));
    console.log(`  ${scenario.padEnd(8)} best ${Math.min(...ours).toFixed(1)} ms against ` +
      `${Math.min(...theirs).toFixed(1)} ms, median ratio ${ratio.toFixed(2)}`);
  }
  const mean = Math.exp(logs.reduce((a, b) => a + b, 0) / logs.length);
  console.log(`  geometric mean of the ratios ${mean.toFixed(2)}`);
}

const [what, qjs] = process.argv.slice(2);
if (what === 'native' && qjs) {
  const folder = mkdtempSync(join(tmpdir(), 'nexus-compare-'));
  try {
    compare(`sandbox / native (${qjs})`, (scenario) => nativeMilliseconds(qjs, folder, scenario));
  } finally {
    rmSync(folder, { recursive: true });
  }
} else if (what === 'stop') {
  const without = buildWithoutStopChecks();
  compare('with / without stop checks', (scenario) => nexusMilliseconds(without, scenario));
} else {
  console.error('usage: node bench/compare.mjs native PATH/TO/qjs | stop');
  process.exit(2);
}
