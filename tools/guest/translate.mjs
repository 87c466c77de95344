// Turns a WebAssembly module into C that the native engine can link.
//
//   node translate.mjs MODULE.wasm NAME OUTPUT_DIR
//
// wasm2c (wabt) does the translation; this step adds what Nexus needs and hides what differs between
// wabt 1.0.32 (Debian 12) and 1.0.36 (Debian 13):
//   NAME.c, NAME.h      wasm2c's output, with a stop check behind every loop header, and its interpreter
//                       made fast (interpreter.mjs)
//   NAME_module.c       includes NAME.c and describes it as a `NexusNativeModule` (native_module.h):
//                       exports, imports, globals, how to instantiate
// It fails, rather than guess, where the module or wabt's output is not what it was written for.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { speedUpInterpreter } from './interpreter.mjs';

const [wasmFile, name, outputDir] = process.argv.slice(2);
if (!wasmFile || !name || !outputDir) fail('usage: translate.mjs MODULE.wasm NAME OUTPUT_DIR');

function fail(message) {
  process.stderr.write(`translate.mjs: ${message}\n`);
  process.exit(1);
}

function run(command, args) {
  return execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 30 });
}

// The only source of truth for what must be found in the C: the module's own disassembly.
function countOpcodes(file) {
  const count = { loops: 0, tableWrites: 0 };
  for (const line of run('wasm-objdump', ['-d', file]).split('\n')) {
    const opcode = line.slice(line.indexOf('|') + 1).trim();
    if (/^loop\b/.test(opcode)) count.loops++;
    if (/^(table\.(set|grow|fill|copy|init)|elem\.drop)\b/.test(opcode)) count.tableWrites++;
  }
  return count;
}

// Behind each loop label of the generated C goes NEXUS_STOP_POINT; calls are the other way to go on for
// long, and have addPrologue. Checks at both stop the guest wherever it is.
function addStopChecks(source, expected) {
  let found = 0;
  const out = source.replace(/^( *(?:w2c|var)_L\d+: *);?$/gm, (_, label) => {
    found++;
    return `${label} NEXUS_STOP_POINT;`;
  });
  if (found !== expected) fail(`${found} loop labels in the C, ${expected} loops in the module`);
  return out;
}

// Every generated function begins with FUNC_PROLOGUE, which wasm2c defines as empty when it is told not
// to count the stack's depth.
function addPrologue(source) {
  const empty = /^#define FUNC_PROLOGUE$/m;
  if (!empty.test(source)) fail('no empty FUNC_PROLOGUE in the C: another wabt?');
  return source.replace(empty, '#define FUNC_PROLOGUE NEXUS_FUNCTION_PROLOGUE');
}

// The generated functions by name, with their bodies' places and the functions they call directly.
function callGraph(source) {
  const functions = new Map();
  const definition = /^(?:static )?\w+ (\w+)\(\w+\* instance[^;{]*\) \{\n([^]*?)^}$/gm;
  for (const m of source.matchAll(definition)) {
    const at = m.index + m[0].indexOf('{') + 2;
    const calls = new Set([...m[2].matchAll(/\b(\w+)\(instance\b/g)].map((c) => c[1]));
    functions.set(m[1], { at, calls, hasPrologue: m[2].includes('FUNC_PROLOGUE;') });
  }
  for (const f of functions.values()) f.calls = [...f.calls].filter((name) => functions.has(name));
  return functions;
}

// Strongly connected components of what is left of a graph (Tarjan, with a stack of its own).
function components(graph, removed) {
  const index = new Map();
  const low = new Map();
  const onStack = new Set();
  const stack = [];
  const found = [];
  for (const root of graph.keys()) {
    if (removed.has(root) || index.has(root)) continue;
    const work = [[root, 0]];
    while (work.length > 0) {
      const frame = work[work.length - 1];
      const [name] = frame;
      if (frame[1] === 0) {
        index.set(name, index.size);
        low.set(name, index.get(name));
        stack.push(name);
        onStack.add(name);
      }
      const callee = graph.get(name).calls[frame[1]++];
      if (callee !== undefined) {
        if (removed.has(callee)) continue;
        if (!index.has(callee)) work.push([callee, 0]);
        else if (onStack.has(callee)) low.set(name, Math.min(low.get(name), index.get(callee)));
        continue;
      }
      work.pop();
      if (work.length > 0) {
        const caller = work[work.length - 1][0];
        low.set(caller, Math.min(low.get(caller), low.get(name)));
      }
      if (low.get(name) !== index.get(name)) continue;
      const members = [];
      let member;
      do {
        member = stack.pop();
        onStack.delete(member);
        members.push(member);
      } while (member !== name);
      found.push(members);
    }
  }
  return found;
}

// A set of functions, those given among them, without which the graph of direct calls has no cycle: from
// each component the one with most calls in and out of it, until none is left.
function cycleBreakers(graph, given) {
  const breakers = new Set(given);
  for (const [name, f] of graph) if (f.calls.includes(name)) breakers.add(name);
  for (;;) {
    const cyclic = components(graph, breakers).filter((members) => members.length > 1);
    if (cyclic.length === 0) return breakers;
    for (const members of cyclic) {
      const inside = new Set(members);
      const degree = new Map(members.map((name) => [name, { in: 0, out: 0 }]));
      for (const name of members) {
        for (const callee of graph.get(name).calls) {
          if (!inside.has(callee)) continue;
          degree.get(name).out++;
          degree.get(callee).in++;
        }
      }
      const weight = (name) => degree.get(name).in * degree.get(name).out;
      breakers.add(members.reduce((a, b) => (weight(b) > weight(a) ? b : a)));
    }
  }
}

// Running long without a loop takes calls in a circle: through the table, whose functions have a check
// at their entry, or of direct ones, where one of each circle has.
function addCallChecks(source) {
  const graph = callGraph(source);
  const inTable = [...source.matchAll(/\(wasm_rt_function_ptr_t\)&?(\w+)/g)].map((m) => m[1]);
  const breakers = [...cycleBreakers(graph, inTable.filter((name) => graph.has(name)))];
  const places = breakers.map((name) => graph.get(name));
  if (!places.every((f) => f.hasPrologue)) fail('a function without FUNC_PROLOGUE: another wabt?');
  places.sort((a, b) => a.at - b.at);
  const parts = [];
  let done = 0;
  for (const { at } of places) {
    parts.push(source.slice(done, at));
    done = source.indexOf('FUNC_PROLOGUE;', at);
    parts.push(source.slice(at, done), 'NEXUS_STOP_POINT; ');
  }
  return parts.join('') + source.slice(done);
}

// Every access goes through one expression for the memory's base, which the native build keeps in a
// register of its own (guest_runtime.h).
function nameMemoryBase(source) {
  let found = 0;
  const out = source.replace(/&(?:mem|\(mem\))->data\[addr\]/g, () => {
    found++;
    return '&NEXUS_MEMORY_BASE(mem)[addr]';
  });
  if (found === 0) fail('no access to linear memory in the C: another wabt?');
  return out;
}

const kTypeLetter = { u32: 'i', u64: 'j', f32: 'f', f64: 'd', void: 'v' };

function letters(types, where) {
  return types.map((t) => kTypeLetter[t] ?? fail(`${where}: type '${t}' is not supported`)).join('');
}

// `comment` is how wasm2c introduces a group ("import: 'env' 'host_call'"); the C declaration is the
// line below it.
function parseDeclarations(header, kind) {
  const pattern = new RegExp(
    `/\\* ${kind}: ((?:'[^']*' ?)+)\\*/\\n(\\w+) (\\w+)\\(([^)]*)\\);`, 'g');
  return [...header.matchAll(pattern)].map(([, quoted, result, symbol, parameters]) => ({
    wasmName: [...quoted.matchAll(/'([^']*)'/g)].map((m) => m[1]),
    symbol,
    result,
    parameters: parameters.split(',').map((p) => p.trim()).slice(1),
    instance: parameters.split(',')[0].trim(),
  }));
}

function toArgument(type, index) {
  if (type === 'f32') return `nexus_f32(args[${index}])`;
  if (type === 'f64') return `nexus_f64(args[${index}])`;
  return type === 'u32' ? `(u32)args[${index}]` : `args[${index}]`;
}

function fromValue(type, expression) {
  if (type === 'f32') return `nexus_bits32(${expression})`;
  if (type === 'f64') return `nexus_bits64(${expression})`;
  return expression;
}

function exportThunk(f, { instanceType, memory }, index) {
  const call = `${f.symbol}(${['instance', ...f.parameters.map(toArgument)].join(', ')})`;
  const body = f.result === 'void' ? `${call};` : `result = ${fromValue(f.result, call)};`;
  return `static uint64_t export_${index}(void* opaque, const uint64_t* args) {
  ${instanceType}* instance = opaque;
  uint64_t result = 0;
  (void)args;
  NEXUS_USE_MEMORY(&instance->${memory}) ${body} NEXUS_END_MEMORY
  return result;
}`;
}

function importThunk(f, index) {
  const parameters = f.parameters.map((t, i) => `${t} a${i}`);
  const values = f.parameters.map((t, i) => fromValue(t, `a${i}`));
  const list = values.length ? `{${values.join(', ')}}` : '{0}';
  const call = `nexus_guest_import((void*)host, ${index}, args, ${values.length})`;
  const back = { void: `${call};`, u32: `return (u32)${call};`, u64: `return ${call};`,
    f32: `return nexus_f32(${call});`, f64: `return nexus_f64(${call});` }[f.result];
  return `_Static_assert(${values.length} <= NEXUS_MOST_IMPORT_ARGUMENTS, "arguments of an import");
${f.result} ${f.symbol}(${[f.instance + ' host', ...parameters].join(', ')}) {
  const uint64_t args[] = ${list};
  ${back}
}`;
}

function instanceFields(header, instanceType) {
  const body = header.match(new RegExp(`typedef struct ${instanceType} {\\n([^}]*)}`))?.[1];
  if (!body) fail(`no struct ${instanceType} in the header`);
  const fields = [...body.matchAll(/^ {2}(.+?)\*? ?\b(\w+);$/gm)].map((m) => ({ type: m[1].trim(), field: m[2] }));
  const only = (type) => {
    const all = fields.filter((f) => f.type === type);
    if (all.length > 1) fail(`more than one ${type} in the module`);
    return all[0]?.field;
  };
  return {
    memory: only('wasm_rt_memory_t') ?? fail('the module has no memory'),
    table: only('wasm_rt_funcref_table_t'),
    globals: fields.filter((f) => f.type in kTypeLetter),
    importModules: fields.filter((f) => f.type.startsWith('struct ')),
  };
}

function tableEntries(source) {
  const m = source.match(/wasm_rt_allocate_funcref_table\(&[^,]+, (\d+), \d+\)/);
  return m ? Number(m[1]) : 0;
}

function memoryPages(source) {
  const m = source.match(/wasm_rt_allocate_memory\(&[^,]+, (\d+), (\d+)/);
  if (!m) fail('no wasm_rt_allocate_memory in the C');
  return { initial: Number(m[1]), maximum: Number(m[2]) };
}

function moduleSource({ source, header, wabt, sha256 }) {
  const old = /_instance_t;/.test(header);
  const instanceType = old ? `Z_${name}_instance_t` : `w2c_${name}`;
  const fields = instanceFields(header, instanceType);
  const exports = parseDeclarations(header, 'export').filter((f) => f.result in kTypeLetter);
  const imports = parseDeclarations(header, 'import');
  const text = (s) => JSON.stringify(s);
  const offset = (field) => `offsetof(${instanceType}, ${field})`;
  const signature = (f) => text(`${letters(f.parameters, f.symbol)}:${letters([f.result], f.symbol)}`);
  const hosts = fields.importModules.map((f) => `(${f.type}*)host`).join(', ');
  // The C symbol of a global carries wabt's name mangling; the export's comment has the real name.
  const globalName = (g) => g.field.replace(/^w2c_(0x5F)?/, (m, x) => (x ? '_' : ''));
  return `// Made by tools/guest/translate.mjs from ${name}.wasm; do not edit.
#include "sandbox/native/guest_runtime.h"
#include "${name}.c"

${exports.map((f, i) => exportThunk(f, { instanceType, memory: fields.memory }, i)).join('\n')}

${imports.map(importThunk).join('\n')}

static const NexusGuestExport kExports[] = {
${exports.map((f, i) => `  {${text(f.wasmName[0])}, ${signature(f)}, export_${i}},`).join('\n')}
};
static const NexusGuestImport kImports[] = {
${imports.map((f) => `  {${text(f.wasmName[0])}, ${text(f.wasmName[1])}, ${signature(f)}},`).join('\n') || '  {0, 0, 0},'}
};
static const NexusGuestGlobal kGlobals[] = {
${fields.globals.map((g) => `  {${text(globalName(g))}, ${offset(g.field)}, sizeof(${g.type})},`).join('\n') || '  {0, 0, 0},'}
};

static void instantiate(void* opaque, void* host, int withData) {
  ${instanceType}* instance = opaque;
  init_instance_import(instance${hosts ? ', ' + hosts : ''});
  init_globals(instance);
  NEXUS_USE_MEMORY(&instance->${fields.memory})
  if (withData) init_memories(instance);
  NEXUS_END_MEMORY
${fields.table ? '  init_tables(instance);\n' : ''}}
${old ? `
static void initializeTypes(void) { Z_${name}_init_module(); }` : ''}

const NexusNativeModule NEXUS_MODULE_SYMBOL = {
  .name = ${text(name)},
  .sha256 = ${text(sha256)},
  .translator = ${text(`wasm2c ${wabt}`)},
  .instanceBytes = sizeof(${instanceType}),
  .memoryOffset = ${offset(fields.memory)},
  .tableOffset = ${fields.table ? offset(fields.table) : 'SIZE_MAX'},
  .tableBytes = ${tableEntries(source)} * sizeof(wasm_rt_funcref_t),
  .initialPages = ${memoryPages(source).initial},
  .maximumPages = ${memoryPages(source).maximum},
  .exports = kExports, .exportCount = ${exports.length},
  .imports = kImports, .importCount = ${imports.length},
  .globals = kGlobals, .globalCount = ${fields.globals.length},
  .initializeTypes = ${old ? 'initializeTypes' : '0'},
  .instantiate = instantiate,
  .setMemory = nexus_memory_assign,
};
`;
}

mkdirSync(outputDir, { recursive: true });
const wabt = run('wasm2c', ['--version']).trim();
const opcodes = countOpcodes(wasmFile);
if (opcodes.tableWrites > 0) fail('the module writes to its table; a table is sealed once it is filled');
const cFile = join(outputDir, `${name}.c`);
run('wasm2c', [wasmFile, '-n', name, '-o', cFile]);
const translated = readFileSync(cFile, 'utf8');
const wasm = readFileSync(wasmFile);
const stoppable = addCallChecks(addStopChecks(translated, opcodes.loops));
const source = nameMemoryBase(addPrologue(speedUpInterpreter(stoppable, wasm, fail)));
const header = readFileSync(join(outputDir, `${name}.h`), 'utf8');
const sha256 = createHash('sha256').update(wasm).digest('hex');
writeFileSync(cFile, source);
writeFileSync(join(outputDir, `${name}_module.c`), moduleSource({ source, header, wabt, sha256 }));
